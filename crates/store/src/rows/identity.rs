//! Who is who: identities, verifiers, groups; and what they define: datatypes.

use photinus_model::{
    Hash,
    data::Validator,
    datatype::Datatype,
    group::Group,
    identity::{Identity, Messages},
    verifier::Verifier,
};

use super::{json, sealed};
use crate::{
    error::Error,
    schema::{self, Table},
    value::{Cursor, Value},
};

impl sealed::Row for Identity {
    const TABLE: &'static Table = &schema::IDENTITIES;

    fn values(&self) -> Vec<Value> {
        vec![
            self.id.into(),
            (&self.did).into(),
            self.kind.as_str().into(),
            self.parent.into(),
            (&self.name).into(),
            (&self.description).into(),
            self.profile.as_ref().into(),
            self.messages.claim.into(),
            self.messages.verification.into(),
            self.messages.update.into(),
            self.created.into(),
            self.updated.into(),
        ]
    }

    fn read(namespace: &str, row: &mut Cursor) -> Result<Self, Error> {
        row.skip()?;
        Ok(Self {
            id: row.uuid()?,
            did: row.text()?,
            kind: row.parsed()?,
            parent: row.opt_uuid()?,
            namespace: namespace.to_owned(),
            name: row.text()?,
            description: row.text()?,
            profile: row.opt_json()?,
            messages: Messages { claim: row.opt_uuid()?, verification: row.opt_uuid()?, update: row.opt_uuid()? },
            created: row.opt_time()?,
            updated: row.opt_time()?,
        })
    }
}

impl sealed::Row for Verifier {
    const TABLE: &'static Table = &schema::VERIFIERS;

    fn values(&self) -> Vec<Value> {
        vec![
            self.hash.into(),
            self.identity.into(),
            self.kind.as_str().into(),
            (&self.value).into(),
            Hash::of(&self.value).into(),
            self.created.into(),
        ]
    }

    fn read(namespace: &str, row: &mut Cursor) -> Result<Self, Error> {
        row.skip()?;
        let (hash, identity, kind, value) = (row.opt_hash()?, row.opt_uuid()?, row.parsed()?, row.text()?);
        row.skip()?;
        Ok(Self { hash, identity, namespace: namespace.to_owned(), kind, value, created: row.opt_time()? })
    }
}

impl sealed::Row for Datatype {
    const TABLE: &'static Table = &schema::DATATYPES;

    fn values(&self) -> Vec<Value> {
        vec![
            self.id.into(),
            self.message.into(),
            self.validator.as_str().into(),
            (&self.name).into(),
            (&self.version).into(),
            self.hash.into(),
            self.created.into(),
            self.value.as_ref().into(),
        ]
    }

    fn read(namespace: &str, row: &mut Cursor) -> Result<Self, Error> {
        row.skip()?;
        Ok(Self {
            id: row.opt_uuid()?,
            message: row.opt_uuid()?,
            validator: Validator::from(row.text()?.as_str()),
            namespace: namespace.to_owned(),
            name: row.text()?,
            version: row.text()?,
            hash: row.opt_hash()?,
            created: row.opt_time()?,
            value: row.opt_json()?,
        })
    }
}

impl sealed::Row for Group {
    const TABLE: &'static Table = &schema::GROUPS;

    fn values(&self) -> Vec<Value> {
        vec![
            self.hash.into(),
            self.message.into(),
            (&self.namespace).into(),
            (&self.name).into(),
            json(&self.members),
            self.created.into(),
        ]
    }

    fn read(namespace: &str, row: &mut Cursor) -> Result<Self, Error> {
        row.skip()?;
        let (hash, message) = (row.opt_hash()?, row.opt_uuid()?);
        Ok(Self {
            namespace: row.text()?,
            name: row.text()?,
            members: row.read_json()?,
            local_namespace: namespace.to_owned(),
            message,
            hash,
            created: row.opt_time()?,
        })
    }
}
