//! The tables and their columns, as the migrations make them.
//!
//! Every table begins with `ns`, the number of the namespace, and `seq`, the local order, which the lane gives. A
//! column of a filterable field has the field's name with `_` for `.`; the field `sequence` is `seq`.

use photinus_query::{Collection, collection};

/// How a column holds its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Int,
    Bool,
    Text,
    Uuid,
    Hash,
    Bytes,
}

/// A column.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// What queries see in place of null, as SQL.
    pub(crate) unset: Option<&'static str>,
    /// The value that nearly all rows have. The index of the column leaves these rows out.
    pub(crate) common: Option<&'static str>,
    /// Whether the index of the column leaves out texts of more than [`INDEXED`] characters.
    pub(crate) long: bool,
}

/// Characters of a text up to which it is in an index: a server cannot index any length.
pub(crate) const INDEXED: usize = 256;

impl Column {
    const fn mostly(self, common: &'static str) -> Self {
        Self { common: Some(common), ..self }
    }

    const fn long(self) -> Self {
        Self { long: true, ..self }
    }
}

/// A table.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [Column],
    /// The fields by which the rows can be filtered.
    pub(crate) collection: Option<&'static Collection>,
}

impl Table {
    /// The position of a column.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// Where the table is in [`ALL`].
    pub(crate) fn index(&self) -> usize {
        ALL.iter().position(|table| std::ptr::eq(*table, self)).unwrap_or(ALL.len())
    }
}

const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, unset: None, common: None, long: false }
}

const fn int(name: &'static str) -> Column {
    column(name, Kind::Int)
}

const fn text(name: &'static str) -> Column {
    column(name, Kind::Text)
}

const fn uuid(name: &'static str) -> Column {
    column(name, Kind::Uuid)
}

const fn hash(name: &'static str) -> Column {
    column(name, Kind::Hash)
}

const fn boolean(name: &'static str) -> Column {
    column(name, Kind::Bool)
}

/// Null in the table, empty in queries: the record tells "absent" from "empty", queries do not.
const fn shown_empty(name: &'static str) -> Column {
    Column { unset: Some("''"), ..text(name) }
}

/// The position of the local order in every table.
pub(crate) const SEQ: usize = 1;

macro_rules! tables {
    ($($(#[$meta:meta])* $name:ident = $text:literal ($collection:expr) [$($column:expr),+ $(,)?];)+) => {
        $(
            $(#[$meta])*
            pub(crate) static $name: Table =
                Table { name: $text, columns: &[int("ns"), int("seq"), $($column),+], collection: $collection };
        )+
        /// Every table that rows are numbered in.
        pub(crate) static ALL: &[&Table] = &[$(&$name),+];
    };
}

tables! {
    /// Here `ns` and `seq` are the same. Times and network name are null until the record is written.
    NAMESPACES = "namespaces" (None) [text("name"), text("networkname"), text("description"), int("created")];
    MESSAGES = "messages" (Some(&collection::MESSAGES)) [
        uuid("id"), uuid("cid"), text("type").long(), text("txtype"), text("author").long(), text("key").long(), int("created"),
        text("namespace"), hash("group"), text("topics").long(), text("tag").long(), hash("datahash"), shown_empty("txparent_type"),
        uuid("txparent_id"), hash("hash"), uuid("batch"), uuid("txid"), shown_empty("state").mostly("confirmed"), int("confirmed"),
        text("rejectreason"), column("data", Kind::Bytes), text("pins"), text("idempotencykey"),
    ];
    /// Which messages refer to a data element; `seq` is that of the message.
    MESSAGE_DATA = "message_data" (None) [uuid("data")];
    DATA = "data" (Some(&collection::DATA)) [
        uuid("id"), text("validator"), hash("hash"), int("created"), shown_empty("datatype_name"),
        shown_empty("datatype_version"), text("value"), text("public"), hash("blob_hash"),
        Column { unset: Some("0"), ..int("blob_size") }, text("blob_name"), text("blob_path"),
        text("blob_public"),
    ];
    BLOBS = "blobs" (None) [
        hash("hash"), text("payloadref"), int("created"), text("peer"), int("size"), uuid("data"),
    ];
    BATCHES = "batches" (Some(&collection::BATCHES)) [
        uuid("id"), text("type"), uuid("node"), hash("group"), int("created"), text("author").long(), text("key"),
        hash("hash"), text("manifest"), text("tx_type"), uuid("tx_id"), int("confirmed"),
    ];
    TRANSACTIONS = "transactions" (Some(&collection::TRANSACTIONS)) [
        uuid("id"), text("type").mostly("batch_pin"), int("created"), text("idempotencykey"), text("blockchainids").long(),
    ];
    OPERATIONS = "operations" (Some(&collection::OPERATIONS)) [
        uuid("id"), uuid("tx"), text("type"), text("status").mostly("Succeeded"), text("plugin"), text("input"), text("output"),
        text("error"), int("created"), int("updated"), uuid("retry"),
    ];
    BLOCKCHAIN_EVENTS = "blockchain_events" (Some(&collection::BLOCKCHAIN_EVENTS)) [
        uuid("id"), text("source"), text("name"), uuid("listener"), text("protocolid"), text("output"), text("info"),
        int("timestamp"), text("tx_type"), uuid("tx_id"), text("tx_blockchainid").long(),
    ];
    PINS = "pins" (Some(&collection::PINS)) [
        boolean("masked"), hash("hash"), uuid("batch"), hash("batchhash"), int("index"), boolean("dispatched"),
        text("signer"), int("created"),
    ];
    NEXTPINS = "nextpins" (Some(&collection::NEXTPINS)) [
        hash("context"), text("identity"), hash("hash"), int("nonce"),
    ];
    IDENTITIES = "identities" (Some(&collection::IDENTITIES)) [
        uuid("id"), text("did"), text("type"), uuid("parent"), text("name"), text("description"), text("profile"),
        uuid("messages_claim"), uuid("messages_verification"), uuid("messages_update"), int("created"), int("updated"),
    ];
    /// `valuehash` is the digest of `value`, which may be too long for an index.
    VERIFIERS = "verifiers" (Some(&collection::VERIFIERS)) [
        hash("hash"), uuid("identity"), text("type"), text("value"), hash("valuehash"), int("created"),
    ];
    DATATYPES = "datatypes" (Some(&collection::DATATYPES)) [
        uuid("id"), uuid("message"), text("validator"), text("name"), text("version"), hash("hash"), int("created"),
        text("value"),
    ];
    GROUPS = "groups" (Some(&collection::GROUPS)) [
        hash("hash"), uuid("message"), text("namespace"), text("name"), text("members"), int("created"),
    ];
    SUBSCRIPTIONS = "subscriptions" (Some(&collection::SUBSCRIPTIONS)) [
        uuid("id"), text("name"), text("transport"), text("filters"), text("options"), int("created"), int("updated"),
    ];
    OFFSETS = "offsets" (None) [text("kind"), text("name"), int("current")];
    EVENTS = "events" (Some(&collection::EVENTS)) [
        uuid("id"), text("type").mostly("message_confirmed"), uuid("reference"), uuid("correlator"), uuid("tx"), text("topic").long(), int("created"),
    ];
}

/// The ordered key-value table. Its rows are not numbered.
pub(crate) static ENTRIES: Table =
    Table { name: "entries", columns: &[column("key", Kind::Bytes), column("value", Kind::Bytes)], collection: None };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_its_column() {
        for table in ALL {
            for field in table.collection.iter().flat_map(|collection| collection.fields) {
                let column = if field.name == "sequence" { "seq".to_owned() } else { field.name.replace('.', "_") };
                let column = table.columns.iter().find(|known| known.name == column);
                let column = column.unwrap_or_else(|| panic!("{} {}", table.name, field.name));
                assert!(field.nullable || column.unset.is_none_or(|unset| !unset.is_empty()));
            }
        }
    }
}
