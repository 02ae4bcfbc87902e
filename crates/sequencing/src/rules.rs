//! What differs between namespaces: parameters of the rules.

use std::collections::BTreeSet;

/// How the messages of different authors to one group on one topic stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PrivateOrder {
    /// Each author's messages are in order. Whoever's payload is missing delays nobody but its author.
    #[default]
    Author,
    /// There is one order across authors, the same on every member. A payload that is missing delays all behind it.
    Ledger,
}

/// Parameters of the rules of one namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// How many multiparty contracts are configured, one after another.
    pub contracts: u32,
    /// The namespace that early members of version-1 contracts put in front of the name when they computed the topic
    /// of a definition. Such topics count if it is given.
    pub legacy_namespace: Option<String>,
    /// The names under which members broadcast the token connectors that are configured here.
    pub connectors: BTreeSet<String>,
    /// The order of private messages. Every member of a network must have the same.
    pub private_order: PrivateOrder,
    /// How many messages one step may decide. The rest is left for [`Fact::Continue`](crate::Fact::Continue).
    pub decisions_per_step: usize,
    /// How many items of work one step may look at, decided or not.
    pub work_per_step: usize,
    /// How many unverified claims are kept for one signing key.
    pub claims_per_key: u32,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            contracts: 1,
            legacy_namespace: None,
            connectors: BTreeSet::new(),
            private_order: PrivateOrder::Author,
            decisions_per_step: 2_000,
            work_per_step: 20_000,
            claims_per_key: 64,
        }
    }
}
