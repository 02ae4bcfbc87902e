//! What one commit of the aggregator will hold, gathered fact by fact.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use photinus_model::{
    self as model, Hash, JsonText, Time, Uuid, event,
    identity::Identity,
    nextpin::NextPin,
    pin::{self, Pin},
    verifier::Verifier,
};
use photinus_ports::{clock::Clock, ids::Ids};
use photinus_sequencing::{
    facts::{BatchKey, DataKey, Event, MessageKey, Pos},
    reason::Lane,
};
use photinus_store::{Change, ChangeSet, change};

use serde_json::{Map, Value};

use crate::{core::Core, namespace::Turn};

use super::{
    early::{Item, Note},
    fetches::{self, Row},
    repair::Lacking,
    repair_groups::Unknown,
};

/// What follows a commit. None of it is needed for correctness: each is done again after a crash.
#[derive(Default)]
pub(super) struct After {
    /// What begins to be fetched; written down at the end, so that what is here already is not.
    pub(super) fetches: Vec<Row>,
    /// What is not to be fetched any longer.
    pub(super) withdrawn: Vec<Row>,
    pub(super) lacking: Vec<Lacking>,
    /// Groups that are not known.
    pub(super) groups: Vec<Unknown>,
    /// Nodes of groups that became known.
    pub(super) nodes: Vec<Uuid>,
    /// Files that messages wait for.
    pub(super) files: Vec<super::repair_files::LackingFile>,
    /// Private payloads that came after they had been lacking.
    pub(super) found: Vec<BatchKey>,
    pub(super) identities: Vec<Identity>,
    pub(super) verifiers: Vec<Verifier>,
    /// Where the events of the ledger came from.
    pub(super) logs: Vec<Map<String, Value>>,
    /// What came early, or does so no longer.
    pub(super) early: BTreeMap<Item, Option<Note>>,
    /// How much was thrown away because nothing came for it.
    pub(super) expired: u64,
    /// Files whose records are gone.
    pub(super) discarded: Vec<model::blob::Blob>,
    /// What was decided about the multiparty contracts, in order.
    pub(super) turns: Vec<Turn>,
}

impl After {
    /// Whether nothing follows that must be known to have followed.
    pub(super) fn is_empty(&self) -> bool {
        let Self { fetches, withdrawn, lacking, groups, files, found, .. } = self;
        let Self { identities, verifiers, turns, discarded, .. } = self;
        let contents = fetches.is_empty() && withdrawn.is_empty() && lacking.is_empty() && groups.is_empty();
        let records = identities.is_empty() && verifiers.is_empty() && turns.is_empty() && discarded.is_empty();
        contents && records && files.is_empty() && found.is_empty()
    }
}

/// The pin that a lane expects next.
pub(super) fn next_pin(namespace: &str, lane: &Lane, nonce: u64) -> NextPin {
    let Lane { group, topic, author } = lane;
    NextPin {
        namespace: namespace.to_owned(),
        context: pin::private_context(topic, *group),
        identity: author.as_str().to_owned(),
        hash: pin::private_pin(topic, *group, author.as_str(), nonce),
        nonce,
    }
}

/// A commit in the making.
pub(super) struct Group<'a> {
    namespace: &'a str,
    ids: &'a dyn Ids,
    /// The time of everything in the group.
    pub(super) now: Time,
    pub(super) changes: ChangeSet,
    /// Values of the contents in this group, which the store does not have yet.
    pub(super) values: HashMap<DataKey, JsonText>,
    /// Identities changed in this group.
    pub(super) identities: HashMap<String, Identity>,
    /// Pins of events in this group; written at the end, so that those decided already are written once.
    pins: BTreeMap<Pos, Vec<Pin>>,
    /// Positions whose records go with this group.
    withdrawn: HashSet<String>,
    /// Groups that contents of this group define.
    pub(super) groups: HashMap<Option<Hash>, model::group::Group>,
    /// Bytes of files that came from peers, with those of this group.
    pub(super) received: HashMap<String, u64>,
    /// Files that were counted in this group.
    pub(super) counted: HashSet<(Hash, String)>,
    /// Messages without a pin that are confirmed in this group.
    pub(super) unpinned: HashSet<MessageKey>,
    /// Files that came in this group.
    pub(super) files: HashSet<Hash>,
    /// Batches of this group without a pin that wait for files.
    pub(super) incomplete: Vec<Arc<model::batch::Batch>>,
    /// Files that batches of this group name, with their data.
    pub(super) named: HashSet<(Uuid, Hash)>,
    pub(super) after: After,
}

impl<'a> Group<'a> {
    pub(super) fn new(namespace: &'a str, clock: &dyn Clock, ids: &'a dyn Ids) -> Self {
        Self {
            namespace,
            ids,
            now: clock.now(),
            changes: ChangeSet::new(namespace),
            values: HashMap::new(),
            identities: HashMap::new(),
            pins: BTreeMap::new(),
            withdrawn: HashSet::new(),
            groups: HashMap::new(),
            received: HashMap::new(),
            counted: HashSet::new(),
            unpinned: HashSet::new(),
            files: HashSet::new(),
            incomplete: Vec::new(),
            named: HashSet::new(),
            after: After::default(),
        }
    }

    pub(super) fn namespace(&self) -> &str {
        self.namespace
    }

    /// A new id.
    pub(super) fn id(&self) -> Uuid {
        self.ids.next()
    }

    pub(super) fn push(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// An event of this group.
    pub(super) fn event(
        &self,
        kind: event::Type,
        reference: Uuid,
        correlator: Option<Uuid>,
        tx: Option<Uuid>,
        topic: String,
    ) -> event::Event {
        event::Event {
            id: self.ids.next(),
            sequence: 0,
            kind,
            namespace: self.namespace.to_owned(),
            reference: Some(reference),
            correlator,
            tx,
            topic,
            created: self.now,
        }
    }

    /// A group became known.
    pub(super) fn knows(&mut self, group: model::group::Group) {
        self.after.nodes.extend(group.members.iter().filter_map(|member| member.node));
        self.push(Change::UpsertGroup(group));
    }

    /// A payload is lacking: it is written down, unless it is known to.
    pub(super) fn lacks(&mut self, core: &Core, lacking: Lacking) -> Result<(), serde_json::Error> {
        let batch = lacking.batch();
        // What one node told of is missing indeed, when the ledger says so too.
        let known = core.aggregation.repairs.lacks(batch)
            && (lacking.told.is_some() || !core.aggregation.repairs.is_told(batch));
        if !known && !self.after.lacking.contains(&lacking) {
            self.push(lacking.remember()?);
            self.after.lacking.push(lacking);
        }
        Ok(())
    }

    /// The pins of an event that was just taken.
    pub(super) fn pinned(&mut self, event: &Event) {
        let pins = event.values.iter().zip(0..).map(|(hash, index)| Pin {
            sequence: 0,
            namespace: self.namespace.to_owned(),
            masked: event.masked(),
            hash: *hash,
            batch: event.batch.id,
            batch_hash: event.batch.hash,
            index,
            dispatched: false,
            signer: event.signer.as_str().to_owned(),
            created: self.now,
        });
        let pins = pins.collect();
        self.pins.insert(event.pos, pins);
    }

    /// Forgets the pins of a position that the ledger withdrew. `true` when that was an event of this group, so that nothing is
    /// written of its pins.
    pub(super) fn unpinned_again(&mut self, pos: Pos, protocol_id: String) -> bool {
        self.withdrawn.insert(protocol_id);
        self.pins.remove(&pos).is_some()
    }

    /// Whether the record of a position goes with this group.
    pub(super) fn is_withdrawn(&self, protocol_id: &str) -> bool {
        self.withdrawn.contains(protocol_id)
    }

    /// Values of an event that nobody waits for any longer. `batch` finds those of earlier commits.
    pub(super) fn dispatched(&mut self, pos: Pos, batch: BatchKey, indexes: impl IntoIterator<Item = u32>) {
        if let Some(pins) = self.pins.get_mut(&pos) {
            for index in indexes {
                if let Some(pin) = usize::try_from(index).ok().and_then(|index| pins.get_mut(index)) {
                    pin.dispatched = true;
                }
            }
            return;
        }
        self.push(Change::MarkPinsDispatched(change::Dispatched {
            batch: batch.id,
            batch_hash: batch.hash,
            indexes: indexes.into_iter().map(i64::from).collect(),
        }));
    }

    /// Everything to commit, and what follows.
    pub(super) fn finish(mut self) -> (ChangeSet, After) {
        let pins: Vec<Pin> = std::mem::take(&mut self.pins).into_values().flatten().collect();
        if !pins.is_empty() {
            self.changes.push(Change::InsertPins(pins));
        }
        self.changes.extend(self.after.fetches.iter().flat_map(fetches::remember));
        (self.changes, self.after)
    }
}
