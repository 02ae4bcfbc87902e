//! What must be known of the rows before a change set can be judged.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use crate::{
    schema::{self, Table},
    value::{Row, Value},
};

/// A way to find rows of a table by one or two columns beside the namespace.
#[derive(Debug)]
pub(crate) struct Lookup {
    pub(crate) table: &'static Table,
    /// One or two columns, with an index on them.
    pub(crate) keys: &'static [&'static str],
    /// What is read of the rows found, oldest row first.
    pub(crate) columns: &'static [&'static str],
}

macro_rules! lookups {
    ($($name:ident = $table:ident [$($key:literal),+] -> [$($column:literal),+];)+) => {
        $(pub(crate) static $name: Lookup =
            Lookup { table: &schema::$table, keys: &[$($key),+], columns: &[$($column),+] };)+
        /// Every lookup, to test that each has its columns.
        #[cfg(test)]
        pub(crate) static ALL: &[&Lookup] = &[$(&$name),+];
    };
}

lookups! {
    MESSAGES = MESSAGES["id"] -> ["seq", "hash", "state", "batch"];
    MESSAGE_KEYS = MESSAGES["idempotencykey"] -> ["id"];
    DATA = DATA["id"] -> ["seq", "hash"];
    BLOBS = BLOBS["hash"] -> ["seq", "payloadref", "data"];
    BATCHES = BATCHES["id"] -> ["seq", "hash", "confirmed"];
    TRANSACTIONS = TRANSACTIONS["id"] -> ["seq", "blockchainids"];
    TRANSACTION_KEYS = TRANSACTIONS["idempotencykey"] -> ["id"];
    OPERATIONS = OPERATIONS["id"] -> ["seq", "status"];
    BLOCKCHAIN_EVENTS = BLOCKCHAIN_EVENTS["protocolid"] -> ["seq", "listener", "id"];
    PINS = PINS["batch"] -> ["seq", "batchhash", "index", "hash"];
    NEXTPINS = NEXTPINS["context", "identity"] -> ["seq"];
    IDENTITIES = IDENTITIES["did"] -> ["seq"];
    VERIFIERS = VERIFIERS["type", "valuehash"] -> ["seq"];
    DATATYPES = DATATYPES["name", "version"] -> ["seq"];
    GROUPS = GROUPS["hash"] -> ["seq"];
    SUBSCRIPTIONS = SUBSCRIPTIONS["name"] -> ["seq", "id"];
    SUBSCRIPTION_IDS = SUBSCRIPTIONS["id"] -> ["seq", "name"];
    OFFSETS = OFFSETS["kind", "name"] -> ["seq"];
}

/// One look-up, or one entry of the key-value table.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Want {
    Rows(Find),
    Entry { ns: i64, space: u8, key: Vec<u8> },
}

/// One look-up of rows.
#[derive(Debug, Clone)]
pub(crate) struct Find {
    pub(crate) lookup: &'static Lookup,
    pub(crate) ns: i64,
    pub(crate) key: Vec<Value>,
}

impl PartialEq for Find {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.lookup, other.lookup) && self.ns == other.ns && self.key == other.key
    }
}

impl Eq for Find {}

impl std::hash::Hash for Find {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        std::ptr::from_ref(self.lookup).hash(state);
        self.ns.hash(state);
        self.key.hash(state);
    }
}

/// What was found, by look-up: of rows the look-up's columns, of an entry its value.
pub(crate) type Facts = HashMap<Want, Vec<Row>, RandomState>;

/// What is asked for. Hashed fast, as there are several for each message; the seed is random, so nobody can aim.
pub(crate) type Wants = HashSet<Want, RandomState>;

#[cfg(test)]
mod tests {
    #[test]
    fn every_lookup_has_its_columns() {
        for lookup in super::ALL {
            for column in lookup.keys.iter().chain(lookup.columns) {
                assert!(lookup.table.position(column).is_some(), "{} {column}", lookup.table.name);
            }
        }
    }
}
