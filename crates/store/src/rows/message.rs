//! Messages, data, blobs and batches.

use photinus_model::{
    Hash, Uuid, batch,
    blob::Blob,
    data::{BlobRef, Data, DatatypeRef, Validator},
    message::{DataRef, Header, Message, TxParent, TxType, Type},
    transaction,
};

use super::sealed;
use crate::{
    error::Error,
    schema::{self, Table},
    value::{Cursor, Value, join},
};

/// Bytes of one data reference: id and hash.
const REF: usize = 16 + 32;

/// Data references as one column, in their order.
fn write_refs(refs: &[DataRef]) -> Value {
    let mut bytes = Vec::with_capacity(refs.len() * REF);
    for data in refs {
        bytes.extend_from_slice(data.id.as_bytes());
        bytes.extend_from_slice(data.hash.as_bytes());
    }
    Value::Bytes(bytes)
}

/// The inverse of [`write_refs`]; `None` when the bytes are something else.
fn read_refs(bytes: &[u8]) -> Option<Vec<DataRef>> {
    let (refs, rest) = bytes.as_chunks::<REF>();
    let read = |bytes: &[u8; REF]| {
        let (id, hash) = bytes.split_first_chunk::<16>()?;
        Some(DataRef { id: Uuid::from_bytes(*id), hash: Hash(hash.try_into().ok()?) })
    };
    if rest.is_empty() { refs.iter().map(read).collect() } else { None }
}

impl sealed::Row for Message {
    const TABLE: &'static Table = &schema::MESSAGES;

    fn values(&self) -> Vec<Value> {
        let header = &self.header;
        let parent = header.tx_parent.as_ref();
        vec![
            header.id.into(),
            header.cid.into(),
            header.kind.as_str().into(),
            header.tx_type.as_str().into(),
            (&header.author).into(),
            (&header.key).into(),
            header.created.into(),
            (&header.namespace).into(),
            header.group.into(),
            join(&header.topics),
            (&header.tag).into(),
            header.data_hash.into(),
            parent.map(|parent| parent.kind.as_str()).into(),
            parent.and_then(|parent| parent.id).into(),
            self.hash.into(),
            self.batch.into(),
            self.tx_id.into(),
            self.state.map(|state| state.as_str()).into(),
            self.confirmed.into(),
            (&self.reject_reason).into(),
            write_refs(&self.data),
            join(&self.pins),
            self.idempotency_key.as_ref().into(),
        ]
    }

    fn read(namespace: &str, row: &mut Cursor) -> Result<Self, Error> {
        row.skip()?;
        let (id, cid) = (row.uuid()?, row.opt_uuid()?);
        let kind = Type::from(row.text()?.as_str());
        let tx_type = TxType::from(row.text()?.as_str());
        let (author, key, created) = (row.text()?, row.text()?, row.opt_time()?);
        let (network, group, topics) = (row.text()?, row.opt_hash()?, row.list()?);
        let (tag, data_hash) = (row.text()?, row.opt_hash()?);
        let parent_kind = row.opt_text()?;
        let parent_id = row.opt_uuid()?;
        let tx_parent =
            parent_kind.map(|kind| TxParent { kind: transaction::Type::from(kind.as_str()), id: parent_id });
        Ok(Self {
            header: Header {
                id,
                cid,
                kind,
                tx_type,
                author,
                key,
                created,
                namespace: network,
                group,
                topics,
                tag,
                data_hash,
                tx_parent,
            },
            local_namespace: namespace.to_owned(),
            hash: row.opt_hash()?,
            batch: row.opt_uuid()?,
            tx_id: row.opt_uuid()?,
            state: row.opt_parsed()?,
            confirmed: row.opt_time()?,
            reject_reason: row.text()?,
            data: {
                let bytes = row.bytes()?;
                read_refs(&bytes).ok_or_else(|| row.corrupt("not data references"))?
            },
            pins: row.list()?,
            idempotency_key: row.opt_text()?,
        })
    }
}

impl sealed::Row for Data {
    const TABLE: &'static Table = &schema::DATA;

    fn values(&self) -> Vec<Value> {
        let (datatype, blob) = (self.datatype.as_ref(), self.blob.as_ref());
        let text = |text: Option<&String>| Value::from(text.map_or("", String::as_str));
        vec![
            self.id.into(),
            self.validator.as_str().into(),
            self.hash.into(),
            self.created.into(),
            datatype.map(|datatype| &datatype.name).into(),
            datatype.map(|datatype| &datatype.version).into(),
            self.value.as_ref().into(),
            (&self.public).into(),
            blob.and_then(|blob| blob.hash).into(),
            blob.map(|blob| blob.size).into(),
            text(blob.map(|blob| &blob.name)),
            text(blob.map(|blob| &blob.path)),
            text(blob.map(|blob| &blob.public)),
        ]
    }

    fn read(namespace: &str, row: &mut Cursor) -> Result<Self, Error> {
        row.skip()?;
        let (id, validator) = (row.uuid()?, Validator::from(row.text()?.as_str()));
        let (hash, created) = (row.opt_hash()?, row.opt_time()?);
        let (name, version) = (row.opt_text()?, row.opt_text()?);
        let (value, public) = (row.opt_json()?, row.text()?);
        let (blob_hash, size) = (row.opt_hash()?, row.opt_int()?);
        let (blob_name, path, blob_public) = (row.text()?, row.text()?, row.text()?);
        Ok(Self {
            id,
            validator,
            namespace: namespace.to_owned(),
            hash,
            created,
            datatype: name.zip(version).map(|(name, version)| DatatypeRef { name, version }),
            value,
            public,
            blob: size.map(|size| BlobRef { hash: blob_hash, size, name: blob_name, path, public: blob_public }),
        })
    }
}

impl sealed::Row for Blob {
    const TABLE: &'static Table = &schema::BLOBS;

    fn values(&self) -> Vec<Value> {
        vec![
            self.hash.into(),
            (&self.payload_ref).into(),
            self.created.into(),
            (&self.peer).into(),
            self.size.into(),
            self.data_id.into(),
        ]
    }

    fn read(namespace: &str, row: &mut Cursor) -> Result<Self, Error> {
        row.skip()?;
        Ok(Self {
            namespace: namespace.to_owned(),
            hash: row.hash()?,
            payload_ref: row.text()?,
            created: row.time()?,
            peer: row.text()?,
            size: row.int()?,
            data_id: row.opt_uuid()?,
        })
    }
}

impl sealed::Row for batch::Record {
    const TABLE: &'static Table = &schema::BATCHES;

    fn values(&self) -> Vec<Value> {
        vec![
            self.id.into(),
            self.kind.as_str().into(),
            self.node.into(),
            self.group.into(),
            self.created.into(),
            (&self.author).into(),
            (&self.key).into(),
            self.hash.into(),
            self.manifest.as_ref().into(),
            self.tx.kind.as_str().into(),
            self.tx.id.into(),
            self.confirmed.into(),
        ]
    }

    fn read(namespace: &str, row: &mut Cursor) -> Result<Self, Error> {
        row.skip()?;
        Ok(Self {
            id: row.uuid()?,
            kind: batch::Type::from(row.text()?.as_str()),
            namespace: namespace.to_owned(),
            node: row.opt_uuid()?,
            group: row.opt_hash()?,
            created: row.opt_time()?,
            author: row.text()?,
            key: row.text()?,
            hash: row.opt_hash()?,
            manifest: row.opt_json()?,
            tx: transaction::Ref { kind: transaction::Type::from(row.text()?.as_str()), id: row.opt_uuid()? },
            confirmed: row.opt_time()?,
        })
    }
}
