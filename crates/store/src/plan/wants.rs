//! What a change set has to know of the rows. Each change here has its counterpart in `apply`.

use photinus_model::Hash;

use super::{Find, Lookup, Want, Wants, lookup};
use crate::{
    change::{Change, ChangeSet, Precondition},
    value::Value,
};

/// Adds what a set of the namespace `ns` has to know.
pub(crate) fn wants(ns: i64, set: &ChangeSet, into: &mut Wants) {
    for precondition in &set.preconditions {
        into.insert(match precondition {
            Precondition::KvIs { space, key, .. } => Want::Entry { ns, space: *space, key: key.clone() },
            Precondition::MessageState { id, .. } => rows(ns, &lookup::MESSAGES, [(*id).into()]),
        });
    }
    for change in &set.changes {
        add(ns, change, into);
    }
}

fn rows<const N: usize>(ns: i64, lookup: &'static Lookup, key: [Value; N]) -> Want {
    Want::Rows(Find { lookup, ns, key: key.into() })
}

fn add(ns: i64, change: &Change, into: &mut Wants) {
    let mut want = |lookup, key: Value| into.insert(rows(ns, lookup, [key]));
    match change {
        Change::InsertMessage(message) => {
            want(&lookup::MESSAGES, message.header.id.into());
            if let Some(key) = &message.idempotency_key {
                want(&lookup::MESSAGE_KEYS, key.into());
            }
        }
        Change::KeepMessage(message) => {
            want(&lookup::MESSAGES, message.header.id.into());
        }
        Change::UpdateMessage(message) => {
            want(&lookup::MESSAGES, message.id.into());
        }
        Change::InsertData(data) => {
            want(&lookup::DATA, data.id.into());
        }
        Change::UpdateData(data) => {
            want(&lookup::DATA, data.id.into());
        }
        Change::DeleteData(id) | Change::DropData { id, .. } => {
            want(&lookup::DATA, (*id).into());
        }
        Change::DeleteMessage { id, .. } => {
            want(&lookup::MESSAGES, (*id).into());
        }
        Change::DeleteBatch { id, .. } => {
            want(&lookup::BATCHES, (*id).into());
        }
        Change::InsertBlob(blob) => {
            want(&lookup::BLOBS, blob.hash.into());
        }
        Change::DeleteBlob { hash, .. } => {
            want(&lookup::BLOBS, (*hash).into());
        }
        Change::InsertBatch(batch) => {
            want(&lookup::BATCHES, batch.id.into());
        }
        Change::ConfirmBatch { id, .. } => {
            want(&lookup::BATCHES, (*id).into());
        }
        Change::InsertTransaction(transaction) => {
            want(&lookup::TRANSACTIONS, transaction.id.into());
            if let Some(key) = &transaction.idempotency_key {
                want(&lookup::TRANSACTION_KEYS, key.into());
            }
        }
        Change::KeepTransaction(transaction) => {
            want(&lookup::TRANSACTIONS, transaction.id.into());
        }
        Change::AddBlockchainIds { tx, .. } => {
            want(&lookup::TRANSACTIONS, (*tx).into());
        }
        Change::InsertOperation(operation) => {
            want(&lookup::OPERATIONS, operation.id.into());
        }
        Change::UpdateOperation(operation) => {
            want(&lookup::OPERATIONS, operation.id.into());
        }
        Change::InsertBlockchainEvent { record, .. } => {
            want(&lookup::BLOCKCHAIN_EVENTS, (&record.protocol_id).into());
        }
        Change::DeleteBlockchainEvent { protocol_id } => {
            want(&lookup::BLOCKCHAIN_EVENTS, protocol_id.into());
        }
        Change::DeletePins { batch, .. } => {
            want(&lookup::PINS, (*batch).into());
        }
        Change::InsertPins(pins) => {
            for pin in pins {
                want(&lookup::PINS, pin.batch.into());
            }
        }
        Change::MarkPinsDispatched(pins) => {
            want(&lookup::PINS, pins.batch.into());
        }
        Change::UpsertIdentity(identity) => {
            want(&lookup::IDENTITIES, (&identity.did).into());
        }
        Change::UpsertVerifier(verifier) => {
            let key = [verifier.kind.as_str().into(), Hash::of(&verifier.value).into()];
            into.insert(rows(ns, &lookup::VERIFIERS, key));
        }
        Change::InsertDatatype(datatype) => {
            into.insert(rows(ns, &lookup::DATATYPES, [(&datatype.name).into(), (&datatype.version).into()]));
        }
        Change::UpsertGroup(group) => {
            want(&lookup::GROUPS, group.hash.into());
        }
        Change::InsertSubscription(subscription) | Change::UpsertSubscription(subscription) => {
            want(&lookup::SUBSCRIPTIONS, (&subscription.name).into());
            want(&lookup::SUBSCRIPTION_IDS, subscription.id.into());
        }
        Change::DeleteSubscription(id) => {
            want(&lookup::SUBSCRIPTION_IDS, (*id).into());
        }
        Change::SetOffset { kind, name, .. } | Change::DeleteOffset { kind, name } => {
            into.insert(rows(ns, &lookup::OFFSETS, [(*kind).into(), name.into()]));
        }
        Change::UpsertNextPins(pins) => {
            for pin in pins {
                into.insert(rows(ns, &lookup::NEXTPINS, [pin.context.into(), (&pin.identity).into()]));
            }
        }
        Change::UpsertNamespace(_) | Change::InsertEvent(_) | Change::PutKv { .. } | Change::DeleteKv { .. } => {}
    }
}
