//! The collections, and the fields that they can be filtered and sorted by.
//!
//! Names are those of the REST interface, in lower case. The `Other text and array columns` rule of SQL null is part
//! of the catalogue: [`Field::nullable`] says whether an unset value is null or the empty text.

/// The type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Free text.
    Text,
    /// A UUID, compared as text.
    Uuid,
    /// A 32-byte value, compared as 64 hexadecimal digits.
    Hash,
    /// A point in time.
    Time,
    /// A whole number.
    Integer,
    /// True or false.
    Bool,
    /// A JSON value, compared as its canonical text.
    Json,
    /// An array of texts, compared joined with commas.
    TextArray,
}

/// One field of a collection.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Field {
    /// The name in queries, lower case, with dots between levels.
    pub name: &'static str,
    /// The type.
    pub kind: Kind,
    /// Whether an unset value is null; otherwise it is the empty text, zero or false.
    pub nullable: bool,
}

/// The order of a collection when a query names none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    /// The row inserted last comes first.
    NewestFirst,
    /// Messages: unconfirmed first, then by time of confirmation and of creation, both descending.
    UnconfirmedFirst,
}

/// A collection and its fields.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Collection {
    /// The name in routes.
    pub name: &'static str,
    /// The fields, sorted by name.
    pub fields: &'static [Field],
    /// The order when a query names none.
    pub order: Order,
}

impl Collection {
    /// The field of an exact, lower-case name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

const fn text(name: &'static str) -> Field {
    Field { name, kind: Kind::Text, nullable: false }
}

const fn nullable_text(name: &'static str) -> Field {
    Field { name, kind: Kind::Text, nullable: true }
}

const fn uuid(name: &'static str) -> Field {
    Field { name, kind: Kind::Uuid, nullable: true }
}

const fn hash(name: &'static str) -> Field {
    Field { name, kind: Kind::Hash, nullable: true }
}

const fn time(name: &'static str) -> Field {
    Field { name, kind: Kind::Time, nullable: true }
}

const fn json(name: &'static str) -> Field {
    Field { name, kind: Kind::Json, nullable: true }
}

const fn integer(name: &'static str) -> Field {
    Field { name, kind: Kind::Integer, nullable: false }
}

const fn boolean(name: &'static str) -> Field {
    Field { name, kind: Kind::Bool, nullable: false }
}

const fn array(name: &'static str) -> Field {
    Field { name, kind: Kind::TextArray, nullable: false }
}

/// Messages.
pub static MESSAGES: Collection = Collection {
    name: "messages",
    fields: &[
        text("author"),
        uuid("batch"),
        uuid("cid"),
        time("confirmed"),
        time("created"),
        hash("datahash"),
        hash("group"),
        hash("hash"),
        uuid("id"),
        nullable_text("idempotencykey"),
        text("key"),
        array("pins"),
        text("rejectreason"),
        integer("sequence"),
        text("state"),
        text("tag"),
        array("topics"),
        uuid("txid"),
        uuid("txparent.id"),
        text("txparent.type"),
        text("txtype"),
        text("type"),
    ],
    order: Order::UnconfirmedFirst,
};

/// Data elements.
pub static DATA: Collection = Collection {
    name: "data",
    fields: &[
        hash("blob.hash"),
        text("blob.name"),
        text("blob.path"),
        text("blob.public"),
        integer("blob.size"),
        time("created"),
        text("datatype.name"),
        text("datatype.version"),
        hash("hash"),
        uuid("id"),
        text("public"),
        text("validator"),
        json("value"),
    ],
    order: Order::NewestFirst,
};

/// Datatypes.
pub static DATATYPES: Collection = Collection {
    name: "datatypes",
    fields: &[time("created"), uuid("id"), uuid("message"), text("name"), text("validator"), text("version")],
    order: Order::NewestFirst,
};

/// Batches. The `payloadref` of the reference has no column there and is left out.
pub static BATCHES: Collection = Collection {
    name: "batches",
    fields: &[
        text("author"),
        time("confirmed"),
        time("created"),
        hash("group"),
        hash("hash"),
        uuid("id"),
        text("key"),
        uuid("node"),
        uuid("tx.id"),
        text("tx.type"),
        text("type"),
    ],
    order: Order::NewestFirst,
};

/// Transactions.
pub static TRANSACTIONS: Collection = Collection {
    name: "transactions",
    fields: &[array("blockchainids"), time("created"), uuid("id"), nullable_text("idempotencykey"), text("type")],
    order: Order::NewestFirst,
};

/// Operations.
pub static OPERATIONS: Collection = Collection {
    name: "operations",
    fields: &[
        time("created"),
        text("error"),
        uuid("id"),
        json("input"),
        json("output"),
        text("plugin"),
        uuid("retry"),
        text("status"),
        uuid("tx"),
        text("type"),
        time("updated"),
    ],
    order: Order::NewestFirst,
};

/// Events.
pub static EVENTS: Collection = Collection {
    name: "events",
    fields: &[
        uuid("correlator"),
        time("created"),
        uuid("id"),
        uuid("reference"),
        integer("sequence"),
        text("topic"),
        uuid("tx"),
        text("type"),
    ],
    order: Order::NewestFirst,
};

/// Subscriptions. The `events` of the reference has no column there and is left out.
pub static SUBSCRIPTIONS: Collection = Collection {
    name: "subscriptions",
    fields: &[time("created"), json("filters"), uuid("id"), text("name"), text("options"), text("transport")],
    order: Order::NewestFirst,
};

/// Pins.
pub static PINS: Collection = Collection {
    name: "pins",
    fields: &[
        uuid("batch"),
        time("created"),
        boolean("dispatched"),
        hash("hash"),
        integer("index"),
        boolean("masked"),
        integer("sequence"),
    ],
    order: Order::NewestFirst,
};

/// Next pins.
pub static NEXTPINS: Collection = Collection {
    name: "nextpins",
    fields: &[hash("context"), hash("hash"), text("identity"), integer("nonce")],
    order: Order::NewestFirst,
};

/// Identities.
pub static IDENTITIES: Collection = Collection {
    name: "identities",
    fields: &[
        time("created"),
        text("description"),
        text("did"),
        uuid("id"),
        uuid("messages.claim"),
        uuid("messages.update"),
        uuid("messages.verification"),
        text("name"),
        uuid("parent"),
        json("profile"),
        text("type"),
        time("updated"),
    ],
    order: Order::NewestFirst,
};

/// Verifiers.
pub static VERIFIERS: Collection = Collection {
    name: "verifiers",
    fields: &[time("created"), hash("hash"), uuid("identity"), text("type"), text("value")],
    order: Order::NewestFirst,
};

/// Groups. `description` and `ledger` of the reference have no column there and are left out.
pub static GROUPS: Collection =
    Collection { name: "groups", fields: &[time("created"), hash("hash"), uuid("message")], order: Order::NewestFirst };

/// Ledger events.
pub static BLOCKCHAIN_EVENTS: Collection = Collection {
    name: "blockchainevents",
    fields: &[
        uuid("id"),
        nullable_text("listener"),
        text("name"),
        text("protocolid"),
        text("source"),
        time("timestamp"),
        text("tx.blockchainid"),
        uuid("tx.id"),
        text("tx.type"),
    ],
    order: Order::NewestFirst,
};

/// Every collection.
pub static ALL: [&Collection; 14] = [
    &MESSAGES,
    &DATA,
    &DATATYPES,
    &BATCHES,
    &TRANSACTIONS,
    &OPERATIONS,
    &EVENTS,
    &SUBSCRIPTIONS,
    &PINS,
    &NEXTPINS,
    &IDENTITIES,
    &VERIFIERS,
    &GROUPS,
    &BLOCKCHAIN_EVENTS,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_case_unique_and_sorted() {
        for collection in ALL {
            assert!(collection.fields.is_sorted_by(|a, b| a.name < b.name), "{}", collection.name);
            for field in collection.fields {
                assert_eq!(field.name, field.name.to_ascii_lowercase());
                assert_eq!(collection.field(field.name), Some(field));
            }
        }
    }
}
