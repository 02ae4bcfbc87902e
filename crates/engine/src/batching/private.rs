//! Private batches: their pins when they are sealed, and the deliveries to the members of their group.
//!
//! A private message is pinned under values that only members of its group can compute, from a nonce for each of its topics. A
//! nonce is given once, in the commit that seals the batch; a nonce that was given and never pinned would close the topic of
//! that author for good.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use bytes::Bytes;
use photinus_model::{
    Hash, JsonText, Time, Uuid,
    batch::{self, Batch},
    event,
    group::Group,
    message::{Message, State},
    operation, pin,
    transaction::{self, Type as TxType},
    wire,
};
use photinus_store::{Change, ChangeSet, change};
use serde_json::json;

use super::{Stream, ahead::Ahead, queue::Waiting, seal::Outbound};
use crate::{
    core::Core,
    delivery::{self, Delivery, What},
    space,
};

/// The next nonces of one author in one group, by topic: as stored, and as a batch that is being sealed will leave them.
#[derive(Default)]
pub(super) struct Nonces {
    stored: HashMap<String, u64>,
    sealing: HashMap<String, u64>,
}

/// Topics whose nonces are held in memory.
const TOPICS: usize = 10_000;

impl Nonces {
    /// The batch under way was stored.
    pub(super) fn keep(&mut self) {
        if self.stored.len() > TOPICS {
            self.stored.clear();
        }
        self.stored.extend(self.sealing.drain());
    }

    /// The batch under way was not stored, or another than the one in memory was: the store knows.
    pub(super) fn forget(&mut self) {
        self.stored.clear();
        self.sealing.clear();
    }

    /// Takes the next nonce of a topic.
    async fn take(
        &mut self,
        core: &Core,
        stream: &Stream,
        group: Hash,
        topic: &str,
    ) -> Result<u64, photinus_store::Error> {
        let next = match self.sealing.get(topic).or_else(|| self.stored.get(topic)) {
            Some(next) => *next,
            None => {
                let key = pin::nonce_key(topic, group, &stream.author);
                let stored = core.store.kv_get(core.name(), space::NONCES, key.as_bytes()).await?;
                stored.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes)
            }
        };
        self.sealing.insert(topic.to_owned(), next + 1);
        Ok(next)
    }
}

/// Makes a batch of messages of one stream and key, with pins if it goes to the ledger.
pub(super) async fn assemble(
    core: &Core,
    stream: &Stream,
    group: Hash,
    nonces: &mut Nonces,
    waiting: &[Waiting],
) -> Result<Outbound, photinus_store::Error> {
    nonces.sealing.clear();
    let mut messages = Vec::with_capacity(waiting.len());
    for one in waiting {
        let mut message = one.sealed.message.clone();
        if stream.pinned {
            message.pins = pins(core, stream, group, nonces, &message).await?;
        }
        messages.push(message);
    }
    let (ids, now) = (&core.ports.ids, core.ports.clock.now());
    let tx = ids.next();
    let kind = if stream.pinned { TxType::BatchPin } else { TxType::Unpinned };
    let draft = batch::Draft {
        id: ids.next(),
        kind: batch::Type::Private,
        namespace: core.options.network_namespace.clone(),
        node: core.multiparty.node(),
        group: Some(group),
        created: now,
        author: stream.author.clone(),
        key: messages.first().map(|message| message.header.key.clone()).unwrap_or_default(),
        tx: transaction::Ref { kind, id: Some(tx) },
        messages,
        data: waiting.iter().flat_map(|one| one.sealed.data.iter().map(|entry| entry.data.clone())).collect(),
    };
    let batch::Sealed { batch, manifest_text, .. } = draft.seal();
    let recipients = recipients(core, group).await?;
    let deliveries = deliveries(core, &batch, &recipients, now);
    Ok(Outbound {
        batch: Arc::new(batch),
        manifest: manifest_text,
        tx,
        upload: Uuid::nil(),
        pin: ids.next(),
        blobs: Vec::new(),
        published: None,
        deliveries,
        owed: Vec::new(),
    })
}

async fn pins(
    core: &Core,
    stream: &Stream,
    group: Hash,
    nonces: &mut Nonces,
    message: &Message,
) -> Result<Vec<String>, photinus_store::Error> {
    let mut pins = Vec::with_capacity(message.header.topics.len());
    for topic in &message.header.topics {
        let nonce = nonces.take(core, stream, group, topic).await?;
        pins.push(pin::text(pin::private_pin(topic, group, &stream.author, nonce), nonce));
    }
    Ok(pins)
}

/// The nodes of a group beside this one, each once.
async fn recipients(core: &Core, group: Hash) -> Result<Vec<Uuid>, photinus_store::Error> {
    // A message is accepted only when its group is stored.
    let Some(group) = core.groups.get(group).await? else { return Ok(Vec::new()) };
    let own = core.multiparty.node();
    let mut nodes: Vec<Uuid> = Vec::with_capacity(group.members.len());
    for node in group.members.iter().filter_map(|member| member.node) {
        if Some(node) != own && !nodes.contains(&node) {
            nodes.push(node);
        }
    }
    Ok(nodes)
}

/// What is owed to each node: the files first, then the batch.
fn deliveries(core: &Core, batch: &Batch, nodes: &[Uuid], now: Time) -> Vec<Delivery> {
    let mut whats: Vec<What> = Vec::new();
    for data in &batch.payload.data {
        let hash = data.blob.as_ref().and_then(|blob| blob.hash);
        let blob = hash.map(|hash| What::Blob { data: data.id, hash });
        whats.extend(blob.filter(|blob| !whats.contains(blob)));
    }
    whats.push(What::Batch { id: batch.id, hash: batch.hash });
    let of = |node: &Uuid| {
        let node = *node;
        whats.iter().map(move |what| Delivery {
            node,
            operation: core.ports.ids.next(),
            what: what.clone(),
            place: core.delivery.place(),
            since: now,
            payload: None,
        })
    };
    nodes.iter().flat_map(of).collect()
}

/// What is written when a private batch is sealed, beside what every batch has.
pub(super) fn changes(
    core: &Core,
    outbound: &Outbound,
    now: Time,
    changes: &mut ChangeSet,
) -> Result<(), serde_json::Error> {
    let batch = &outbound.batch;
    for delivery in &outbound.deliveries {
        changes.push(Change::InsertOperation(operation(core, outbound, delivery, now)?));
        changes.push(delivery.remember()?);
    }
    if !outbound.is_pinned() {
        confirm(core, batch, outbound.tx, now, changes);
        return Ok(());
    }
    let mut nonces: BTreeMap<&str, u64> = BTreeMap::new();
    for message in &batch.payload.messages {
        for (topic, text) in message.header.topics.iter().zip(&message.pins) {
            if let Some((_, Some(nonce))) = pin::parse_text(text) {
                nonces.insert(topic, nonce + 1);
            }
        }
    }
    for (topic, next) in nonces {
        let Some(group) = batch.group else { continue };
        let key = pin::nonce_key(topic, group, &batch.author).as_bytes().to_vec();
        changes.push(Change::PutKv { space: space::NONCES, key, value: next.to_be_bytes().to_vec() });
    }
    changes.push(Change::InsertOperation(operation::Operation {
        id: outbound.pin,
        kind: operation::Type::BlockchainPinBatch,
        plugin: core.ports.blockchain.plugin_type().to_owned(),
        input: Some(outbound.pin_input("")?),
        ..blank(core, outbound, now)
    }));
    Ok(())
}

/// A message without a pin is confirmed as soon as its delivery is certain, which it is from this commit on.
fn confirm(core: &Core, batch: &Batch, tx: Uuid, now: Time, changes: &mut ChangeSet) {
    for message in &batch.payload.messages {
        let header = &message.header;
        changes.push(Change::UpdateMessage(change::Message {
            id: header.id,
            state: Some(State::Confirmed),
            confirmed: Some(now),
            ..change::Message::default()
        }));
        for topic in &header.topics {
            changes.push(Change::InsertEvent(event::Event {
                id: core.ports.ids.next(),
                sequence: 0,
                kind: event::Type::MessageConfirmed,
                namespace: core.name().to_owned(),
                reference: Some(header.id),
                correlator: header.cid,
                tx: Some(tx),
                topic: topic.clone(),
                created: now,
            }));
        }
    }
}

/// An operation of a batch, to be filled in.
fn blank(core: &Core, outbound: &Outbound, now: Time) -> operation::Operation {
    operation::Operation {
        id: Uuid::nil(),
        namespace: core.name().to_owned(),
        tx: Some(outbound.tx),
        kind: operation::Type::DataExchangeSendBatch,
        status: operation::Status::Initialized,
        plugin: core.ports.exchange.plugin_type().to_owned(),
        input: None,
        output: None,
        error: String::new(),
        created: now,
        updated: now,
        retry: None,
    }
}

fn operation(
    core: &Core,
    outbound: &Outbound,
    delivery: &Delivery,
    now: Time,
) -> Result<operation::Operation, serde_json::Error> {
    let (kind, input) = match &delivery.what {
        What::Batch { id, .. } => {
            let input = json!({ "batch": id, "group": outbound.batch.group, "node": delivery.node });
            (operation::Type::DataExchangeSendBatch, input)
        }
        What::Blob { data, hash } => {
            let input = json!({ "data_id": data, "hash": hash, "node": delivery.node });
            (operation::Type::DataExchangeSendBlob, input)
        }
    };
    let input = Some(JsonText::write(&input)?);
    Ok(operation::Operation { id: delivery.operation, kind, input, ..blank(core, outbound, now) })
}

/// The group that goes with a batch: receivers may not know it if no pin tells them.
pub(crate) async fn wrapper_group(core: &Core, batch: &Batch) -> Result<Option<Group>, photinus_store::Error> {
    let Some(hash) = batch.group.filter(|_| batch.payload.tx.kind == TxType::Unpinned) else { return Ok(None) };
    let group = core.groups.get(hash).await?;
    // Receivers of the reference keep the local name as it comes; most of them have the network's.
    Ok(group.map(|group| Group { local_namespace: group.namespace.clone(), ..Group::clone(&group) }))
}

/// Has a batch delivered. If it is to be pinned, returns when all recipients have it that can be reached, or after
/// [`Delivery::acknowledgement`](crate::options::Delivery). Answers its size, or `None` when the namespace stops.
pub(super) async fn deliver(core: &Arc<Core>, outbound: &Outbound, mut ahead: Ahead) -> Option<usize> {
    let mut group = wrapper_group(core, &outbound.batch).await;
    let mut backoff = core.tasks.backoff(core.options.retry);
    let group = loop {
        match group {
            Ok(group) => break group,
            Err(error) => {
                tracing::warn!(namespace = core.name(), %error, "a group is read later");
                if !core.tasks.pause(backoff.advance()).await {
                    return None;
                }
                group = wrapper_group(core, &outbound.batch).await;
            }
        }
    };
    let payload = ahead.payload().unwrap_or_else(|| Bytes::from(wire::wrap(group.as_ref(), &outbound.batch)));
    let bytes = payload.len();
    let batches = outbound.deliveries.iter().filter(|delivery| matches!(delivery.what, What::Batch { .. }));
    let operations = batches.map(|delivery| delivery.operation).chain(outbound.owed.iter().copied());
    let acks = core.delivery.expect(operations);
    let others = outbound.deliveries.iter().filter(|delivery| !ahead.has(delivery.operation));
    let deliveries = others.cloned().map(|delivery| match delivery.what {
        What::Batch { .. } => Delivery { payload: Some(payload.clone()), ..delivery },
        What::Blob { .. } => delivery,
    });
    delivery::send(core, deliveries);
    if let Err(error) = delivery::settle_ended(core, &outbound.owed).await {
        tracing::warn!(namespace = core.name(), %error, "what is owed cannot be read; the pin waits for its time");
    }
    if !outbound.is_pinned() {
        return Some(bytes);
    }
    let arrived = async {
        ahead.finish(core).await;
        acks.settled().await;
    };
    let end = tokio::select! {
        biased;
        () = arrived => Some(bytes),
        () = core.tasks.stopping().cancelled() => None,
        () = tokio::time::sleep(core.options.delivery.acknowledgement) => Some(bytes),
    };
    ahead.leave(core);
    end
}
