//! What happened: events, events of the ledger, pins; and who listens: subscriptions.

use photinus_model::{
    blockchain_event::{BlockchainEvent, TxRef},
    event::Event,
    nextpin::NextPin,
    pin::Pin,
    subscription::Subscription,
    transaction,
};

use super::{json, sealed};
use crate::{
    error::Error,
    schema::{self, Table},
    value::{Cursor, Value},
};

impl sealed::Row for Event {
    const TABLE: &'static Table = &schema::EVENTS;

    fn values(&self) -> Vec<Value> {
        vec![
            self.id.into(),
            self.kind.as_str().into(),
            self.reference.into(),
            self.correlator.into(),
            self.tx.into(),
            (&self.topic).into(),
            self.created.into(),
        ]
    }

    fn read(namespace: &str, row: &mut Cursor) -> Result<Self, Error> {
        Ok(Self {
            sequence: row.int()?,
            id: row.uuid()?,
            kind: row.parsed()?,
            namespace: namespace.to_owned(),
            reference: row.opt_uuid()?,
            correlator: row.opt_uuid()?,
            tx: row.opt_uuid()?,
            topic: row.text()?,
            created: row.time()?,
        })
    }
}

impl sealed::Row for BlockchainEvent {
    const TABLE: &'static Table = &schema::BLOCKCHAIN_EVENTS;

    fn values(&self) -> Vec<Value> {
        vec![
            self.id.into(),
            (&self.source).into(),
            (&self.name).into(),
            self.listener.into(),
            (&self.protocol_id).into(),
            self.output.as_ref().into(),
            self.info.as_ref().into(),
            self.timestamp.into(),
            self.tx.kind.as_str().into(),
            self.tx.id.into(),
            (&self.tx.blockchain_id).into(),
        ]
    }

    fn read(namespace: &str, row: &mut Cursor) -> Result<Self, Error> {
        row.skip()?;
        Ok(Self {
            id: row.uuid()?,
            namespace: namespace.to_owned(),
            source: row.text()?,
            name: row.text()?,
            listener: row.opt_uuid()?,
            protocol_id: row.text()?,
            output: row.opt_json()?,
            info: row.opt_json()?,
            timestamp: row.time()?,
            tx: TxRef {
                kind: transaction::Type::from(row.text()?.as_str()),
                id: row.opt_uuid()?,
                blockchain_id: row.text()?,
            },
        })
    }
}

impl sealed::Row for Pin {
    const TABLE: &'static Table = &schema::PINS;

    fn values(&self) -> Vec<Value> {
        vec![
            self.masked.into(),
            self.hash.into(),
            self.batch.into(),
            self.batch_hash.into(),
            self.index.into(),
            self.dispatched.into(),
            (&self.signer).into(),
            self.created.into(),
        ]
    }

    fn read(namespace: &str, row: &mut Cursor) -> Result<Self, Error> {
        Ok(Self {
            sequence: row.int()?,
            namespace: namespace.to_owned(),
            masked: row.bool()?,
            hash: row.hash()?,
            batch: row.uuid()?,
            batch_hash: row.hash()?,
            index: row.int()?,
            dispatched: row.bool()?,
            signer: row.text()?,
            created: row.time()?,
        })
    }
}

impl sealed::Row for NextPin {
    const TABLE: &'static Table = &schema::NEXTPINS;

    fn values(&self) -> Vec<Value> {
        vec![self.context.into(), (&self.identity).into(), self.hash.into(), self.nonce.cast_signed().into()]
    }

    fn read(namespace: &str, row: &mut Cursor) -> Result<Self, Error> {
        row.skip()?;
        Ok(Self {
            namespace: namespace.to_owned(),
            context: row.hash()?,
            identity: row.text()?,
            hash: row.hash()?,
            nonce: row.int()?.cast_unsigned(),
        })
    }
}

impl sealed::Row for Subscription {
    const TABLE: &'static Table = &schema::SUBSCRIPTIONS;

    fn values(&self) -> Vec<Value> {
        vec![
            self.id.into(),
            (&self.name).into(),
            (&self.transport).into(),
            json(&self.filter),
            json(&self.options),
            self.created.into(),
            self.updated.into(),
        ]
    }

    fn read(namespace: &str, row: &mut Cursor) -> Result<Self, Error> {
        row.skip()?;
        Ok(Self {
            id: row.uuid()?,
            namespace: namespace.to_owned(),
            name: row.text()?,
            transport: row.text()?,
            filter: row.read_json()?,
            options: row.read_json()?,
            ephemeral: false,
            created: row.time()?,
            updated: row.opt_time()?,
        })
    }
}
