//! From an accepted batch to the facts that ordering depends on.

use photinus_model::{
    Time,
    batch::Batch,
    data::{Data, Validator, blob_path},
    message::{Message, Type},
    tag,
    transaction::Type as TxType,
};
use photinus_sequencing::{
    facts::{
        BatchKey, DataKey, MessageKey, TokenRecord,
        content::{self, Kind},
    },
    text::{Did, Signer},
};

use photinus_store::Change;

use super::{definition, group::Group, inbox};

/// Why an accepted batch cannot be handed to the machine. The door excludes all of these; they are checked again because
/// a wrong assumption here would be an order that only this member sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// The transaction has no id.
    #[error("the batch names no transaction")]
    NoTransaction,
    /// A message or a data element has no hash.
    #[error("an element of the batch has no hash")]
    NoHash,
    /// A message refers to data that is not in the batch.
    #[error("a message refers to data that is not in the batch")]
    MissingData,
}

/// The facts of a batch. `namespace` is the local name, which definitions of identities are read under.
///
/// # Errors
/// When the batch was never at the door.
pub(crate) fn facts(batch: &Batch, namespace: &str) -> Result<content::Content, Error> {
    let messages =
        batch.payload.messages.iter().map(|one| message(one, batch, namespace)).collect::<Result<Vec<_>, Error>>()?;
    Ok(content::Content {
        batch: BatchKey { id: batch.id, hash: batch.hash },
        tx: batch.payload.tx.id.ok_or(Error::NoTransaction)?,
        author: Did::from(batch.author.as_str()),
        key: Signer::from(batch.key.as_str()),
        messages,
    })
}

/// The records of a content that somebody else sealed.
pub(super) fn store(group: &mut Group<'_>, content: &inbox::Content, now: Time) {
    let batch = &content.batch;
    if let Some(manifest) = &content.manifest {
        group.push(Change::InsertBatch(batch.record(group.namespace(), manifest.clone(), Some(now))));
    }
    for data in &batch.payload.data {
        let mut data = data.clone();
        data.namespace = group.namespace().to_owned();
        if let Some(blob) = &mut data.blob {
            // Who sends in private leaves it out: it is a view of the name for browsing.
            blob.path = blob_path(&blob.name);
        }
        group.push(Change::InsertData(data));
    }
    for message in &batch.payload.messages {
        let mut message = message.clone();
        message.local_namespace = group.namespace().to_owned();
        group.push(Change::KeepMessage(message));
    }
}

fn message(message: &Message, batch: &Batch, namespace: &str) -> Result<content::Message, Error> {
    let header = &message.header;
    let found = message
        .data
        .iter()
        .map(|wanted| {
            batch
                .payload
                .data
                .iter()
                .find(|data| data.id == wanted.id && data.hash == Some(wanted.hash))
                .ok_or(Error::MissingData)
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(content::Message {
        key: MessageKey { id: header.id, hash: message.hash.ok_or(Error::NoHash)? },
        kind: kind(&header.kind),
        group: header.group,
        topics: header.topics.clone(),
        tag: header.tag.clone(),
        cid: header.cid,
        token: token(message),
        data: found.iter().map(|data| reference(data)).collect::<Result<_, _>>()?,
        definition: matches!(header.kind, Type::Definition).then(|| definition::read(&header.tag, &found, namespace)),
        defines_group: (header.tag == tag::DEFINE_GROUP)
            .then(|| found.first().and_then(|data| definition::group(data, header.group)))
            .flatten(),
    })
}

fn reference(data: &Data) -> Result<content::Data, Error> {
    let datatype = data.datatype.as_ref().filter(|datatype| {
        // A name alone never selected a datatype; `none` makes the name a label.
        data.validator != Validator::None && !(datatype.name.is_empty() && datatype.version.is_empty())
    });
    Ok(content::Data {
        key: DataKey { id: data.id, hash: data.hash.ok_or(Error::NoHash)? },
        has_value: data.value.is_some(),
        datatype: datatype
            .map(|datatype| content::Datatype { name: datatype.name.clone(), version: datatype.version.clone() }),
        blob: data.blob.as_ref().and_then(|blob| blob.hash),
    })
}

fn kind(kind: &Type) -> Kind {
    match kind {
        Type::Broadcast => Kind::Broadcast,
        Type::Definition => Kind::Definition,
        Type::TransferBroadcast => Kind::TransferBroadcast,
        Type::ApprovalBroadcast => Kind::ApprovalBroadcast,
        Type::Private => Kind::Private,
        Type::GroupInit => Kind::GroupInit,
        Type::TransferPrivate => Kind::TransferPrivate,
        Type::ApprovalPrivate => Kind::ApprovalPrivate,
        Type::Other(_) => Kind::Other,
    }
}

/// The record of the token connector that must be seen before the message: named by `txparent`, or implied by the
/// deprecated types.
fn token(message: &Message) -> Option<TokenRecord> {
    let parent = message.header.tx_parent.as_ref().map(|parent| &parent.kind);
    match (parent, &message.header.kind) {
        (Some(TxType::TokenTransfer), _) | (_, Type::TransferBroadcast | Type::TransferPrivate) => {
            Some(TokenRecord::Transfer)
        }
        (Some(TxType::TokenApproval), _) | (_, Type::ApprovalBroadcast | Type::ApprovalPrivate) => {
            Some(TokenRecord::Approval)
        }
        _ => None,
    }
}
