//! Transactions and operations.

use photinus_model::{
    operation::Operation,
    transaction::{self, Transaction},
};

use super::sealed;
use crate::{
    error::Error,
    schema::{self, Table},
    value::{Cursor, Value, join},
};

impl sealed::Row for Transaction {
    const TABLE: &'static Table = &schema::TRANSACTIONS;

    fn values(&self) -> Vec<Value> {
        vec![
            self.id.into(),
            self.kind.as_str().into(),
            self.created.into(),
            self.idempotency_key.as_ref().into(),
            join(&self.blockchain_ids),
        ]
    }

    fn read(namespace: &str, row: &mut Cursor) -> Result<Self, Error> {
        row.skip()?;
        Ok(Self {
            id: row.uuid()?,
            namespace: namespace.to_owned(),
            kind: transaction::Type::from(row.text()?.as_str()),
            created: row.time()?,
            idempotency_key: row.opt_text()?,
            blockchain_ids: row.list()?,
        })
    }
}

impl sealed::Row for Operation {
    const TABLE: &'static Table = &schema::OPERATIONS;

    fn values(&self) -> Vec<Value> {
        vec![
            self.id.into(),
            self.tx.into(),
            self.kind.as_str().into(),
            self.status.as_str().into(),
            (&self.plugin).into(),
            self.input.as_ref().into(),
            self.output.as_ref().into(),
            (&self.error).into(),
            self.created.into(),
            self.updated.into(),
            self.retry.into(),
        ]
    }

    fn read(namespace: &str, row: &mut Cursor) -> Result<Self, Error> {
        row.skip()?;
        Ok(Self {
            id: row.uuid()?,
            namespace: namespace.to_owned(),
            tx: row.opt_uuid()?,
            kind: row.parsed()?,
            status: row.parsed()?,
            plugin: row.text()?,
            input: row.opt_json()?,
            output: row.opt_json()?,
            error: row.text()?,
            created: row.time()?,
            updated: row.time()?,
            retry: row.opt_uuid()?,
        })
    }
}
