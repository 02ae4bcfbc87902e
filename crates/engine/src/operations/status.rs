//! The status of a transaction, derived from what belongs to it and never stored.
//!
//! Pure rules; [`crate::Namespace::transaction_status`] reads the records.

use photinus_model::{JsonText, Time, Uuid, batch, blockchain_event::BlockchainEvent, operation, transaction};
use serde::Serialize;

/// Derived status of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// `Failed` if any operation that was not repeated failed, else the last open status, else `Succeeded`.
    pub status: operation::Status,
    /// What it is derived from: without a time first, then the newest first.
    pub details: Vec<Detail>,
}

/// What a detail describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Kind {
    /// An operation of this node.
    Operation,
    /// An event of the ledger.
    BlockchainEvent,
    /// The batch that the transaction pins.
    Batch,
}

/// One thing that belongs to a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Detail {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Its own type: of the operation, the event or the batch.
    #[serde(rename = "subtype", skip_serializing_if = "String::is_empty")]
    pub subtype: String,
    /// How far it is.
    pub status: operation::Status,
    /// When it last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Time>,
    /// Its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// Why it failed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub error: String,
    /// What came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub info: Option<JsonText>,
}

impl Detail {
    fn missing(kind: Kind) -> Self {
        Self {
            kind,
            subtype: String::new(),
            status: operation::Status::Pending,
            timestamp: None,
            id: None,
            error: String::new(),
            info: None,
        }
    }
}

/// Derives the status of a transaction from everything that belongs to it.
pub(crate) fn derive(
    kind: &transaction::Type,
    operations: &[operation::Operation],
    events: &[BlockchainEvent],
    batch: Option<&batch::Record>,
) -> Status {
    let mut status = operation::Status::Succeeded;
    let mut details = Vec::with_capacity(operations.len() + events.len() + 1);
    let mut merge = |next: operation::Status| {
        if status != operation::Status::Failed && next != operation::Status::Succeeded {
            status = next;
        }
    };
    for operation in operations {
        if operation.retry.is_none() {
            merge(operation.status);
        }
        details.push(Detail {
            kind: Kind::Operation,
            subtype: operation.kind.as_str().to_owned(),
            status: operation.status,
            timestamp: Some(operation.updated),
            id: Some(operation.id),
            error: operation.error.clone(),
            info: operation.output.clone(),
        });
    }
    for event in events {
        details.push(Detail {
            kind: Kind::BlockchainEvent,
            subtype: event.name.clone(),
            status: operation::Status::Succeeded,
            timestamp: Some(event.timestamp),
            id: Some(event.id),
            error: String::new(),
            info: event.info.clone(),
        });
    }
    let on_ledger = kind.is_pinned() || *kind == transaction::Type::NetworkAction;
    if on_ledger && events.is_empty() {
        merge(operation::Status::Pending);
        details.push(Detail::missing(Kind::BlockchainEvent));
    }
    if kind.is_pinned() || *kind == transaction::Type::Unpinned {
        match batch {
            Some(batch) => details.push(Detail {
                subtype: batch.kind.as_str().to_owned(),
                status: operation::Status::Succeeded,
                timestamp: batch.confirmed,
                id: Some(batch.id),
                ..Detail::missing(Kind::Batch)
            }),
            None => {
                merge(operation::Status::Pending);
                details.push(Detail::missing(Kind::Batch));
            }
        }
    }
    details.sort_by_key(|detail| detail.timestamp.map(std::cmp::Reverse));
    Status { status, details }
}

#[cfg(test)]
mod tests {
    use photinus_model::operation::Status as S;

    use super::*;

    fn operation(id: u128, status: S, updated: i64) -> operation::Operation {
        operation::Operation {
            id: Uuid::from_u128(id),
            namespace: "ns".into(),
            tx: None,
            kind: operation::Type::BlockchainPinBatch,
            status,
            plugin: "ethereum".into(),
            input: None,
            output: None,
            error: String::new(),
            created: Time::from_unix_nanos(0),
            updated: Time::from_unix_nanos(updated),
            retry: None,
        }
    }

    fn event(at: i64) -> BlockchainEvent {
        BlockchainEvent {
            id: Uuid::from_u128(99),
            source: "ethereum".into(),
            namespace: "ns".into(),
            name: "BatchPin".into(),
            listener: None,
            protocol_id: String::new(),
            output: None,
            info: None,
            timestamp: Time::from_unix_nanos(at),
            tx: Default::default(),
        }
    }

    fn batch() -> batch::Record {
        batch::Record {
            id: Uuid::from_u128(7),
            kind: batch::Type::Broadcast,
            namespace: "ns".into(),
            node: None,
            group: None,
            created: None,
            author: String::new(),
            key: String::new(),
            hash: None,
            manifest: None,
            tx: transaction::Ref { kind: transaction::Type::BatchPin, id: None },
            confirmed: None,
        }
    }

    #[track_caller]
    fn check(kind: transaction::Type, operations: &[(S, bool)], event_seen: bool, batch_known: bool, expected: S) {
        let operations: Vec<_> = operations
            .iter()
            .enumerate()
            .map(|(at, (status, repeated))| operation::Operation {
                retry: repeated.then(|| Uuid::from_u128(5)),
                ..operation(at as u128, *status, at as i64)
            })
            .collect();
        let events = if event_seen { vec![event(50)] } else { Vec::new() };
        let batch = batch_known.then(batch);
        assert_eq!(derive(&kind, &operations, &events, batch.as_ref()).status, expected);
    }

    #[test]
    fn merging() {
        use transaction::Type as T;
        check(T::BatchPin, &[(S::Succeeded, false), (S::Succeeded, false)], true, true, S::Succeeded);
        check(T::BatchPin, &[(S::Succeeded, false)], false, true, S::Pending);
        check(T::BatchPin, &[(S::Succeeded, false)], true, false, S::Pending);
        check(T::BatchPin, &[(S::Failed, false), (S::Pending, false)], false, true, S::Failed);
        check(T::BatchPin, &[(S::Failed, true), (S::Succeeded, false)], true, true, S::Succeeded);
        check(T::BatchPin, &[(S::Failed, true), (S::Initialized, false)], true, true, S::Initialized);
        check(T::Unpinned, &[(S::Succeeded, false)], false, true, S::Succeeded);
        check(T::NetworkAction, &[(S::Succeeded, false)], false, false, S::Pending);
        check(T::DataPublish, &[(S::Pending, false)], false, false, S::Pending);
        check(T::DataPublish, &[], false, false, S::Succeeded);
    }

    #[test]
    fn order_is_untimed_first_then_newest() {
        let operations = [operation(1, S::Succeeded, 10), operation(2, S::Succeeded, 30)];
        let status = derive(&transaction::Type::BatchPin, &operations, &[event(20)], Some(&batch()));
        let ids: Vec<_> = status.details.iter().map(|detail| detail.id.unwrap().as_u128()).collect();
        assert_eq!(ids, [7, 2, 99, 1]);
    }
}
