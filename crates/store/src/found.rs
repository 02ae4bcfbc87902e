//! How rows are found by each field that queries can name: by an index, or by walking, with the reason.
//!
//! An index costs every write something, on each member; walking costs a query that is seldom made, and ends when the page is full.
//! `docs/filters.md` is made from this table.

use Found::{By, Walk};

/// How rows are found by a field.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Found {
    /// By an index of this name; of tables whose key is the number of the row, the table itself.
    By(&'static str),
    /// By looking at rows in the order of the listing until the page is full, because:
    Walk(&'static str),
}

const FEW: &str = "few values, each of them frequent";
const RANDOM: &str = "an index of random values is the most expensive there is, and the id finds the same row";
const TEXT: &str = "free text";
const JSON: &str = "values of any size";
const SMALL: &str = "few rows: as many as there are members, not messages";
const RECENT: &str = "the order of the listing is nearly that of the field: recent rows come first";

/// Collection, and each of its fields.
pub(crate) type Fields = (&'static str, &'static [(&'static str, Found)]);

pub(crate) static ALL: &[Fields] = &[
    (
        "messages",
        &[
            ("author", By("messages_author")),
            ("batch", By("messages_batch")),
            ("cid", By("messages_cid")),
            ("confirmed", By("messages_order")),
            ("created", By("messages_created")),
            ("datahash", Walk(RANDOM)),
            ("group", By("messages_group")),
            ("hash", Walk(RANDOM)),
            ("id", By("messages_id")),
            ("idempotencykey", By("messages_idempotencykey")),
            ("key", By("messages_key")),
            ("pins", Walk("long texts; `GET /pins` finds them by hash and by batch")),
            ("rejectreason", Walk("free text; `state=rejected` finds the messages that have one")),
            ("sequence", By("messages")),
            ("state", By("messages_state")),
            ("tag", By("messages_tag")),
            ("topics", By("messages_topics")),
            ("txid", By("messages_txid")),
            ("txparent.id", By("messages_txparent")),
            ("txparent.type", Walk(FEW)),
            ("txtype", Walk(FEW)),
            ("type", By("messages_type")),
        ],
    ),
    (
        "data",
        &[
            ("blob.hash", By("data_blob")),
            ("blob.name", Walk(TEXT)),
            ("blob.path", By("data_path")),
            ("blob.public", Walk(TEXT)),
            ("blob.size", Walk(FEW)),
            ("created", Walk(RECENT)),
            ("datatype.name", By("data_datatype")),
            ("datatype.version", Walk("few values; beside `datatype.name` its index has it")),
            ("hash", Walk(RANDOM)),
            ("id", By("data_id")),
            ("public", Walk(TEXT)),
            ("validator", Walk(FEW)),
            ("value", Walk(JSON)),
        ],
    ),
    (
        "datatypes",
        &[
            ("created", Walk(SMALL)),
            ("id", By("datatypes_id")),
            ("message", Walk(SMALL)),
            ("name", By("datatypes_name")),
            ("validator", Walk(SMALL)),
            ("version", Walk(SMALL)),
        ],
    ),
    (
        "batches",
        &[
            ("author", By("batches_author")),
            ("confirmed", Walk(RECENT)),
            ("created", By("batches_created")),
            ("group", By("batches_group")),
            ("hash", Walk(RANDOM)),
            ("id", By("batches_id")),
            ("key", Walk("an author has few keys: `author` finds the same")),
            ("node", Walk("a node has few authors: `author` finds the same")),
            ("tx.id", By("batches_tx")),
            ("tx.type", Walk(FEW)),
            ("type", Walk(FEW)),
        ],
    ),
    (
        "transactions",
        &[
            ("blockchainids", By("transactions_blockchainids")),
            ("created", By("transactions_created")),
            ("id", By("transactions_id")),
            ("idempotencykey", By("transactions_idempotencykey")),
            ("type", By("transactions_type")),
        ],
    ),
    (
        "operations",
        &[
            ("created", By("operations_created")),
            ("error", Walk("free text; `status=Failed` finds the operations that have one")),
            ("id", By("operations_id")),
            ("input", Walk(JSON)),
            ("output", Walk(JSON)),
            ("plugin", Walk(FEW)),
            ("retry", By("operations_retry")),
            ("status", By("operations_status")),
            ("tx", By("operations_tx")),
            ("type", By("operations_type")),
            ("updated", Walk(RECENT)),
        ],
    ),
    (
        "events",
        &[
            ("correlator", By("events_correlator")),
            ("created", By("events_created")),
            ("id", By("events_id")),
            ("reference", By("events_reference")),
            ("sequence", By("events")),
            ("topic", By("events_topic")),
            ("tx", By("events_tx")),
            ("type", By("events_type")),
        ],
    ),
    (
        "subscriptions",
        &[
            ("created", Walk(SMALL)),
            ("filters", Walk(SMALL)),
            ("id", By("subscriptions_id")),
            ("name", By("subscriptions_name")),
            ("options", Walk(SMALL)),
            ("transport", Walk(SMALL)),
        ],
    ),
    (
        "pins",
        &[
            ("batch", By("pins_batch")),
            ("created", Walk(RECENT)),
            ("dispatched", By("pins_open")),
            ("hash", By("pins_hash")),
            ("index", Walk(FEW)),
            ("masked", Walk(FEW)),
            ("sequence", By("pins")),
        ],
    ),
    (
        "nextpins",
        &[
            ("context", By("nextpins_context")),
            ("hash", Walk("rows are few: as many as topics of private groups; `context` finds them")),
            ("identity", Walk("rows are few: as many as topics of private groups; `context` finds them")),
            ("nonce", Walk("rows are few: as many as topics of private groups; `context` finds them")),
        ],
    ),
    (
        "identities",
        &[
            ("created", Walk(SMALL)),
            ("description", Walk(TEXT)),
            ("did", By("identities_did")),
            ("id", By("identities_id")),
            ("messages.claim", Walk(SMALL)),
            ("messages.update", Walk(SMALL)),
            ("messages.verification", Walk(SMALL)),
            ("name", Walk("few rows; beside `type` its index has it")),
            ("parent", By("identities_parent")),
            ("profile", Walk(JSON)),
            ("type", By("identities_name")),
            ("updated", Walk(SMALL)),
        ],
    ),
    (
        "verifiers",
        &[
            ("created", Walk(SMALL)),
            ("hash", By("verifiers_hash")),
            ("identity", By("verifiers_identity")),
            ("type", By("verifiers_value")),
            ("value", Walk("few rows, and values of any length")),
        ],
    ),
    ("groups", &[("created", Walk(SMALL)), ("hash", By("groups_hash")), ("message", Walk(SMALL))]),
    (
        "blockchainevents",
        &[
            ("id", By("blockchain_events_id")),
            ("listener", By("blockchain_events_listener")),
            ("name", Walk("few values; `listener` finds those of a listener")),
            ("protocolid", By("blockchain_events_protocolid")),
            ("source", Walk(FEW)),
            ("timestamp", By("blockchain_events_timestamp")),
            ("tx.blockchainid", By("blockchain_events_ledger")),
            ("tx.id", By("blockchain_events_tx")),
            ("tx.type", Walk(FEW)),
        ],
    ),
];

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fmt::Write as _, path::Path};

    use photinus_query::collection;

    use super::*;
    use crate::{
        migrate::{self, Migration},
        schema,
    };

    #[test]
    fn every_field_is_told_of() {
        for collection in collection::ALL {
            let told = ALL.iter().find(|(name, _)| *name == collection.name).expect(collection.name).1;
            let fields: Vec<_> = collection.fields.iter().map(|field| field.name).collect();
            assert_eq!(told.iter().map(|(name, _)| *name).collect::<Vec<_>>(), fields, "{}", collection.name);
        }
    }

    /// The indexes that the steps leave.
    fn indexes(migrations: &[Migration]) -> BTreeSet<&'static str> {
        let mut names = BTreeSet::new();
        for line in migrations.iter().flat_map(|migration| migration.sql.lines()) {
            let mut words = line.split([' ', ';']);
            match (words.next(), words.next(), words.next(), words.next()) {
                (Some("CREATE"), Some("INDEX"), Some(name), _)
                | (Some("CREATE"), Some("UNIQUE"), Some("INDEX"), Some(name)) => {
                    assert!(names.insert(name), "{name}");
                }
                (Some("DROP"), Some("INDEX"), Some(name), _) => assert!(names.remove(name), "{name}"),
                _ => {}
            }
        }
        names
    }

    #[test]
    fn every_index_is_there() {
        for (table, fields) in ALL {
            for (field, found) in *fields {
                let By(index) = found else { continue };
                let is_table = schema::ALL.iter().any(|table| table.name == *index);
                for migrations in [migrate::SQLITE, migrate::POSTGRES] {
                    assert!(is_table || indexes(migrations).contains(index), "{table} {field}: {index}");
                }
            }
        }
    }

    #[test]
    fn the_page_about_filters_tells_this() {
        let mut text = include_str!("filters.md").to_owned();
        for (collection, fields) in ALL {
            // Writing to a string cannot fail.
            let _written = write!(text, "\n## {collection}\n\n| field | found |\n|---|---|\n");
            for (field, found) in *fields {
                let how = match found {
                    By(_) => "by an index".to_owned(),
                    Walk(reason) => format!("by walking: {reason}"),
                };
                let _written = writeln!(text, "| `{field}` | {how} |");
            }
        }
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/filters.md");
        if std::env::var_os("PHOTINUS_BLESS").is_some() {
            std::fs::write(&page, &text).unwrap();
        }
        let found = std::fs::read_to_string(&page).unwrap_or_default();
        assert!(found == text, "docs/filters.md is out of date: run this test with PHOTINUS_BLESS=1");
    }
}
