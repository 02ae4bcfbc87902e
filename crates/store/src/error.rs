//! Why the store did not do what was asked.

use photinus_model::Uuid;

/// What was in the way of a change set. Nothing of the set was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} \"{key}\" is in the way")]
pub struct Conflict {
    /// Which rule does not hold.
    pub what: What,
    /// The id, key or name that the rule is about.
    pub key: String,
    /// The record that is there already, if the rule is about a record.
    pub existing: Option<Uuid>,
}

/// The rules that a change set may fail on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum What {
    /// A message of this id is there already.
    MessageId,
    /// A message with this idempotency key is there already.
    MessageKey,
    /// The message is absent, or in another state.
    MessageState,
    /// A transaction of this id is there already.
    TransactionId,
    /// A transaction with this idempotency key is there already.
    TransactionKey,
    /// An operation of this id is there already.
    OperationId,
    /// A subscription of this name is there already.
    SubscriptionName,
    /// The entry of the key-value table is another.
    Entry,
}

impl std::fmt::Display for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::MessageId => "message",
            Self::MessageKey => "message with idempotency key",
            Self::MessageState => "state of message",
            Self::TransactionId => "transaction",
            Self::TransactionKey => "transaction with idempotency key",
            Self::OperationId => "operation",
            Self::SubscriptionName => "subscription",
            Self::Entry => "entry",
        })
    }
}

/// Why a read or a change set failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// A rule of the change set does not hold; nothing of it was written.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The database does not answer, or its disk is full. Nothing was written; the same again may succeed.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The connection broke while a commit was under way and could not be restored in time: the change set is written
    /// as a whole or not at all, and only a later read can tell.
    #[error("the outcome of a commit is unknown: {0}")]
    Unknown(String),
    /// The database refuses this change set or query. Nothing was written; the same again fails again.
    #[error("the database refuses the request: {0}")]
    Refused(String),
    /// A row that this version cannot read.
    #[error("a row of table \"{table}\" cannot be read: {reason}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// What is wrong with the row.
        reason: String,
    },
    /// A query names a field that its collection does not have.
    #[error("collection \"{collection}\" has no field \"{field}\"")]
    Field {
        /// The collection.
        collection: &'static str,
        /// The field.
        field: &'static str,
    },
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
}

impl Error {
    /// Whether the same request may succeed later, without harm: nothing of it was written.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}
