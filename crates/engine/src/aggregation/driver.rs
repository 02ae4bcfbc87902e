//! The one task that takes facts in and commits what they come to.
//!
//! It drains its inbox, runs the machine over everything that is there, and commits once: machine rows, message states,
//! definitions, pins, events and the ledger cursor together. Whoever handed a fact over is answered after the commit.
//! When a commit fails, or the store does not answer, the facts are taken again from the start; they are idempotent.

use std::{collections::HashMap, sync::Arc, time::Duration};

use photinus_model::{JsonText, Uuid, blockchain_event, event, transaction};
use photinus_ports::blockchain::{Delivery, Log};
use photinus_sequencing::{
    Fact,
    explain::{self, Admission},
    facts::{DataKey, Source},
    rows::{self, Question},
};
use photinus_store::Change;
use tokio::sync::mpsc;

use super::{
    apply, content as contents, cursor, early, fetches,
    group::{After, Group},
    inbox::{Content, Entry, Job},
    ledger::{self, Meaning},
    machine::{Judge, Machine},
    repairs::Work,
};
use crate::{certain, core::Core, data::schema::Schema};

/// Messages and pins that one commit takes at most, beyond which the next job waits for the next commit.
const GROUP: usize = 2_000;

/// How long batches of our own wait for the first thing behind them, which is their pin on a quick ledger: they are in the
/// store already, and nothing comes of them before. One commit then takes both.
const HOLD: Duration = Duration::from_millis(20);

/// Why a group could not be committed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(transparent)]
    Machine(#[from] super::machine::Error),
    #[error(transparent)]
    Apply(#[from] apply::Error),
    #[error(transparent)]
    Store(#[from] photinus_store::Error),
    #[error("failed to write a record: {0}")]
    Json(#[from] serde_json::Error),
}

/// The aggregator of a namespace.
pub(super) struct Driver {
    core: Arc<Core>,
    machine: Machine,
    /// How far each contract's logs are taken. Loaded once, then what was committed.
    cursors: HashMap<u32, cursor::Taken>,
}

impl Driver {
    pub(super) fn new(core: Arc<Core>, machine: Machine) -> Self {
        Self { core, machine, cursors: HashMap::new() }
    }

    /// Works until the namespace stops. Entries that were not committed by then are dropped; their senders learn of it.
    pub(super) async fn run(mut self, inbox: &mut mpsc::Receiver<Entry>) {
        // Work that an earlier run left over goes on before anything new.
        if !self.until_committed(&mut Vec::new()).await {
            return;
        }
        let stopping = self.core.tasks.stopping().clone();
        loop {
            let first = tokio::select! {
                biased;
                () = stopping.cancelled() => return,
                entry = inbox.recv() => match entry {
                    Some(entry) => entry,
                    None => return,
                },
            };
            let mut weight = first.job.weight();
            let mut entries = vec![first];
            // Counted once, so that a stream of small batches is not held for as long as it lasts.
            let until = tokio::time::Instant::now() + HOLD;
            while weight < GROUP {
                let entry = match inbox.try_recv() {
                    Ok(entry) => entry,
                    Err(_) if entries.iter().all(|entry| entry.job.is_own()) => {
                        match tokio::time::timeout_at(until, inbox.recv()).await {
                            Ok(Some(entry)) => entry,
                            Ok(None) | Err(_) => break,
                        }
                    }
                    Err(_) => break,
                };
                weight += entry.job.weight();
                entries.push(entry);
            }
            if !self.until_committed(&mut entries).await {
                return;
            }
        }
    }

    /// Takes the entries until they are committed. `false` when the namespace stops first.
    async fn until_committed(&mut self, entries: &mut Vec<Entry>) -> bool {
        let mut backoff = self.core.tasks.backoff(self.core.options.retry);
        let mut failed = false;
        loop {
            match self.take(entries).await {
                Ok(cut) => {
                    self.core.aggregation.committed();
                    for index in cut {
                        // Its sender learns that it was not taken, and its stream ends.
                        entries[index].durable = None;
                    }
                    break;
                }
                Err(error) => {
                    tracing::error!(namespace = self.core.name(), %error, "facts could not be committed, taking them again");
                    self.core.aggregation.failed(&error);
                    self.machine.reset();
                    self.cursors.clear();
                    failed = true;
                    if !self.core.tasks.pause(backoff.advance()).await {
                        return false;
                    }
                }
            }
        }
        // Of what was committed in parts, a fetch may be written down and nobody told.
        if failed {
            if let Err(error) = fetches::recover(&self.core).await {
                tracing::error!(namespace = self.core.name(), %error, "fetches cannot be read, the next start resumes them");
            }
            if let Err(error) = early::load(&self.core).await {
                tracing::error!(namespace = self.core.name(), %error, "notes cannot be read, the next start reads them");
            }
        }
        for entry in entries.drain(..) {
            if let Some(durable) = entry.durable {
                // Whoever waited may be gone by now; the fact is durable all the same.
                let _ = durable.send(());
            }
        }
        true
    }

    /// Takes entries in one commit or more. Answers the indexes of those that were not taken whole and must be given again.
    async fn take(&mut self, entries: &[Entry]) -> Result<Vec<usize>, Error> {
        let core = Arc::clone(&self.core);
        let mut cut = Vec::new();
        let mut turn = Turn { driver: self, group: new_group(&core), core: &core, tx: None, weight: 0 };
        if entries.is_empty() {
            turn.fact(&Fact::Continue).await?;
        }
        for (index, entry) in entries.iter().enumerate() {
            match &entry.job {
                Job::Ledger(contract, version, delivery) => {
                    let admission = turn.delivery(*contract, *version, delivery).await?;
                    if admission != Admission::Taken {
                        core.multiparty.cut(&core, admission == Admission::Halted);
                        cut.push(index);
                    }
                }
                Job::Content(content, fetch) => {
                    if let Some(done) = fetch {
                        fetches::done(&core, &mut turn.group, done).await?;
                    }
                    turn.content(content).await?;
                }
                Job::Unpinned(content, group) => turn.unpinned(content, group.as_ref()).await?,
                Job::Group(told, peer) => turn.answered(told, peer).await?,
                Job::Expire(items) => {
                    for item in items {
                        turn.expire(*item).await?;
                    }
                }
                Job::Order(order) => turn.fact(&Fact::Operator(order.clone())).await?,
                Job::Blob(blob, fetch) => {
                    let hash = blob.hash;
                    turn.received(blob).await?;
                    turn.file_from_peer(blob).await?;
                    turn.group.push(Change::InsertBlob(blob.clone()));
                    if let Some(done) = fetch {
                        fetches::done(&core, &mut turn.group, done).await?;
                    }
                    turn.fact(&Fact::BlobHeld(hash)).await?;
                    turn.file_came(hash).await?;
                }
            }
        }
        turn.commit().await?;
        if entries.iter().any(|entry| matches!(entry.job, Job::Ledger(..))) {
            core.aggregation.took_ledger();
        }
        Ok(cut)
    }
}

fn new_group(core: &Core) -> Group<'_> {
    Group::new(core.name(), core.ports.clock.as_ref(), core.ports.ids.as_ref())
}

/// Facts on their way into one or more commits.
pub(super) struct Turn<'a> {
    driver: &'a mut Driver,
    pub(super) group: Group<'a>,
    pub(super) core: &'a Arc<Core>,
    /// The FireFly transaction of the log under way.
    tx: Option<Uuid>,
    /// Messages of contents that were at hand.
    weight: usize,
}

impl Turn<'_> {
    /// Runs the machine on a fact. A fact that sets more free than one commit should hold is committed in parts.
    pub(super) async fn fact(&mut self, fact: &Fact) -> Result<(), Error> {
        let mut outcome = {
            let judge = Values { core: self.core, group: &self.group };
            self.driver.machine.step(fact, &judge).await?
        };
        loop {
            for decision in std::mem::take(&mut outcome.decisions) {
                apply::apply(self.core, &mut self.group, decision, self.tx).await?;
            }
            if !outcome.more {
                return Ok(());
            }
            self.commit().await?;
            let judge = Values { core: self.core, group: &self.group };
            outcome = self.driver.machine.step(&Fact::Continue, &judge).await?;
        }
    }

    /// Asks the machine something.
    pub(super) async fn ask<T>(
        &mut self,
        question: impl FnMut(&mut rows::Rows) -> Result<explain::Answer<T>, rows::Error>,
    ) -> Result<T, Error> {
        Ok(self.driver.machine.ask(question).await?)
    }

    async fn commit(&mut self) -> Result<(), Error> {
        let group = std::mem::replace(&mut self.group, new_group(self.core));
        let (mut changes, after) = group.finish();
        let mut next = Vec::new();
        for change in self.driver.machine.take_changes()? {
            if let Some((lane, nonce)) = rows::lane_of(&change).map_err(super::machine::Error::from)? {
                next.push(super::group::next_pin(self.core.name(), &lane, nonce));
            }
            let (key, value) = change;
            changes.push(match value {
                Some(value) => Change::PutKv { space: crate::space::SEQUENCING, key, value },
                None => Change::DeleteKv { space: crate::space::SEQUENCING, key },
            });
        }
        if !next.is_empty() {
            changes.push(Change::UpsertNextPins(next));
        }
        // What follows a commit is said once: facts that are taken again after it happened say nothing.
        let mark = (!after.is_empty()).then(|| self.core.ports.ids.next());
        if let Some(mark) = mark {
            changes.push(Change::PutKv {
                space: crate::space::NETWORK,
                key: MARK.to_vec(),
                value: mark.into_bytes().into(),
            });
        }
        if let Some(mark) = mark {
            let (store, name) = (&self.core.store, self.core.name());
            certain::submit(self.core, changes, || async move {
                Ok(store.kv_get(name, crate::space::NETWORK, MARK).await?.as_deref() == Some(mark.as_bytes()))
            })
            .await?;
        } else if !changes.is_empty() {
            self.core.store.submit(changes).await?;
        }
        self.driver.machine.settle();
        follow(self.core, after);
        Ok(())
    }

    /// Takes a delivery of the ledger. When it was not taken to its end, because no log is taken for the time being, the cursor
    /// stays, so that the stream starts anew at what was left.
    async fn delivery(&mut self, contract: u32, version: u8, delivery: &Delivery) -> Result<Admission, Error> {
        self.driver.machine.set_legacy_namespace(super::legacy(self.core));
        let mut taken = match self.driver.cursors.get(&contract) {
            Some(taken) => taken.clone(),
            None => cursor::load(self.core, contract).await?,
        };
        if let Some(block) = delivery.retracted_from.into_iter().chain(taken.withdrawn(delivery)).min() {
            tracing::warn!(namespace = self.core.name(), block, "the ledger withdrew blocks");
            let from = photinus_sequencing::facts::Pos { block, tx: 0, log: 0 };
            taken.retract(block);
            self.fact(&Fact::Retracted(from)).await?;
        }
        let mut admission = Admission::Taken;
        let mut new = Vec::new();
        for log in &delivery.logs {
            if taken.covers(log.position) {
                continue;
            }
            admission = self.log(contract, version, log).await?;
            if admission != Admission::Taken {
                break;
            }
            taken.take(log.position);
            new.push(log);
        }
        match admission {
            Admission::Taken => taken.reach(delivery.cursor.clone()),
            _ => taken.cut(&new),
        }
        self.group.push(cursor::store(contract, &taken)?);
        self.driver.cursors.insert(contract, taken);
        Ok(admission)
    }

    /// Takes a log. Answers why not, when it must be given again later.
    async fn log(&mut self, contract: u32, version: u8, log: &Log) -> Result<Admission, Error> {
        let pos = ledger::pos(log.position);
        let admission = self.driver.machine.ask(|rows| explain::admission(rows, contract, pos)).await?;
        if matches!(admission, Admission::Held | Admission::Halted) {
            return Ok(admission);
        }
        let counts = admission == Admission::Taken;
        self.core.aggregation.took_log(log.timestamp, self.group.now);
        let network = &self.core.options.network_namespace;
        match ledger::read(log, contract, version, network) {
            Meaning::Nothing(why) => {
                tracing::debug!(namespace = self.core.name(), position = %log.position.protocol_id(), why, "log ignored");
            }
            Meaning::Action(action) => {
                if counts {
                    self.record(log, transaction::Type::Unset, None)?;
                }
                self.fact(&Fact::Action(action)).await?;
            }
            Meaning::Release(release) => {
                if counts {
                    self.record(log, transaction::Type::Unset, None)?;
                }
                self.fact(&Fact::Release(release)).await?;
            }
            Meaning::Pin(event, kind) => {
                if counts {
                    self.record(log, kind, Some(event.tx))?;
                    self.group.pinned(&event);
                }
                self.tx = Some(event.tx);
                let batch = event.batch;
                self.fact(&Fact::Pinned(event)).await?;
                self.tx = None;
                if counts {
                    self.pinned(batch, pos)?;
                }
                self.at_hand().await?;
            }
        }
        Ok(Admission::Taken)
    }

    /// Takes contents whose fetch would begin with this commit and that are here already, as long as the commit stays bounded.
    async fn at_hand(&mut self) -> Result<(), Error> {
        let mut later = Vec::new();
        let mut here = Vec::new();
        for fetch in std::mem::take(&mut self.group.after.fetches) {
            match if self.weight < GROUP { fetches::at_hand(self.core, &fetch).await } else { None } {
                Some(content) => {
                    self.weight += content.batch.payload.messages.len();
                    here.push((fetch, content));
                }
                None => later.push(fetch),
            }
        }
        self.group.after.fetches = later;
        for (fetch, content) in here {
            fetches::end(&mut self.group, &fetch);
            self.content(&content).await?;
        }
        Ok(())
    }

    /// The ledger event's record, its transaction's, and the event that tells of it.
    fn record(&mut self, log: &Log, kind: transaction::Type, tx: Option<Uuid>) -> Result<(), Error> {
        let chain_tx = log.transaction_hash.to_lowercase();
        if let Some(id) = tx {
            self.group.push(Change::KeepTransaction(transaction::Transaction {
                id,
                namespace: self.core.name().to_owned(),
                kind: kind.clone(),
                created: self.group.now,
                idempotency_key: None,
                blockchain_ids: vec![chain_tx.clone()],
            }));
        }
        self.group.after.logs.push(log.info.clone());
        let id = self.group.id();
        let record = blockchain_event::BlockchainEvent {
            id,
            source: self.core.ports.blockchain.plugin_type().to_owned(),
            namespace: self.core.name().to_owned(),
            name: log.name.clone(),
            listener: None,
            protocol_id: log.position.protocol_id(),
            output: Some(JsonText::write(&log.output)?),
            info: Some(JsonText::write(&log.info)?),
            timestamp: log.timestamp,
            tx: blockchain_event::TxRef { kind, id: tx, blockchain_id: chain_tx },
        };
        let topic = event::TOPIC_BATCH_PIN.to_owned();
        let event = self.group.event(event::Type::BlockchainEventReceived, id, None, tx, topic);
        self.group.push(Change::InsertBlockchainEvent { record, event: Some(event) });
        Ok(())
    }

    async fn content(&mut self, content: &Content) -> Result<(), Error> {
        let facts = match contents::facts(&content.batch, self.core.name()) {
            Ok(facts) => facts,
            Err(error) => {
                tracing::error!(namespace = self.core.name(), batch = %content.batch.id, %error, "content refused");
                return Ok(());
            }
        };
        for data in &content.batch.payload.data {
            if let (Some(hash), Some(value)) = (data.hash, &data.value) {
                self.group.values.insert(DataKey { id: data.id, hash }, value.clone());
            }
        }
        let own = content.source == Source::Own;
        if !own {
            let now = self.group.now;
            contents::store(&mut self.group, content, now);
            self.names(&content.batch);
            let standing = self.ask(|rows| explain::batch(rows, &facts.batch)).await?;
            if standing.known {
                self.compare(content).await?;
            } else {
                self.core.tally.arrived(&content.batch.payload.messages);
            }
            if let (Source::Peer(peer), false) = (&content.source, standing.known || standing.pinned) {
                self.unpinned_content(&content.batch, peer)?;
            }
        }
        self.group.groups.extend(crate::groups::definitions_in(&content.batch).map(|(_, group)| (group.hash, group)));
        if let Source::Peer(peer) = &content.source {
            self.unknown_groups(&content.batch, peer).await?;
        }
        let lacking = self.group.after.lacking.iter().any(|lacking| lacking.batch() == facts.batch);
        if lacking || self.core.aggregation.repairs.lacks(facts.batch) {
            self.group.push(super::repair::forget(facts.batch));
            self.group.after.found.push(facts.batch);
        }
        self.blobs(&facts, content, own).await?;
        self.fact(&Fact::Content(Arc::new(facts), content.source.clone())).await
    }
}

/// Under which the last commit that something follows left its mark.
const MARK: &[u8] = b"commit";

/// What a commit sets going. A crash before it loses nothing: fetches are rows, and nodes are added again at the start.
fn follow(core: &Arc<Core>, after: After) {
    core.identities.apply(&after.identities, &after.verifiers);
    for identity in after.identities {
        super::nodes::introduce(core, identity);
    }
    for lacking in after.lacking {
        core.aggregation.repairs.add(core, Work::Batch(lacking));
    }
    core.aggregation.silent.learn(after.nodes);
    for unknown in after.groups {
        core.aggregation.repairs.add(core, Work::Group(unknown));
    }
    for lacking in after.files {
        core.aggregation.repairs.add(core, Work::File(lacking));
    }
    core.aggregation.early().take(after.early);
    core.aggregation.early().count_expired(after.expired);
    if !after.discarded.is_empty() {
        let owner = Arc::clone(core);
        core.tasks.spawn_once("removal of files", async move {
            for blob in after.discarded {
                let held = owner.store.read(owner.name()).blobs_by_hash(blob.hash).await;
                // It may have come again, under the same reference.
                if held.is_ok_and(|held| held.iter().all(|held| held.payload_ref != blob.payload_ref)) {
                    crate::data::blob::discard(&owner, &blob.payload_ref).await;
                }
            }
        });
    }
    for batch in after.found {
        core.aggregation.repairs.found(batch);
        core.aggregation.came(batch.hash);
    }
    core.aggregation.fetches().withdrawn(&after.withdrawn);
    core.aggregation.fetches().offer(&after.fetches);
    after.logs.iter().for_each(|info| core.tally.log(info));
    for turn in after.turns {
        core.multiparty.turned(core, turn);
    }
}

/// Values of the group under way, or of the store.
struct Values<'a> {
    core: &'a Core,
    group: &'a Group<'a>,
}

#[async_trait::async_trait]
impl Judge for Values<'_> {
    async fn conforms(&self, question: &Question) -> Result<bool, photinus_store::Error> {
        let definition = apply::value(self.core, self.group, question.payload).await?;
        let value = apply::value(self.core, self.group, question.data).await?;
        let (Some(definition), Some(value)) = (definition, value) else { return Ok(false) };
        let schema = match photinus_model::definition::received::parse(
            photinus_model::tag::DEFINE_DATATYPE,
            Some(&definition),
        ) {
            photinus_model::definition::received::Payload::Datatype(datatype) => datatype.value,
            _ => None,
        };
        let Some(schema) = schema else { return Ok(false) };
        // The definition was confirmed, so its schema compiled; one that does not is nobody's to satisfy.
        let Ok(schema) = self.core.schemas.compile(&schema.hash(), schema.as_str()) else { return Ok(false) };
        Ok(Schema::check(&schema, value.as_str()).is_ok())
    }
}
