//! Sealing a batch: ids, manifest, transaction and operations, written in one commit before anything is tried.

use std::sync::Arc;

use photinus_model::{
    Hash, JsonText, Time, Uuid, batch,
    message::{Message, State},
    operation, pin,
    transaction::{self, Transaction},
};
use photinus_store::{Change, ChangeSet, change};
use serde::Serialize;

use super::queue::{Place, Waiting};
use crate::{core::Core, delivery::Delivery, operations};

/// A sealed batch on its way to the ledger.
#[derive(Clone, Debug)]
pub(crate) struct Outbound {
    /// What travels.
    pub(crate) batch: Arc<batch::Batch>,
    /// Its manifest's text.
    pub(crate) manifest: JsonText,
    /// Its transaction.
    pub(crate) tx: Uuid,
    /// The operation that uploads it; `None` once it succeeded.
    pub(crate) upload: Uuid,
    /// The operation that pins it.
    pub(crate) pin: Uuid,
    /// Operations that upload its blobs first: data id and operation.
    pub(crate) blobs: Vec<(Uuid, Uuid)>,
    /// Where the batch lies already, if it does.
    pub(crate) published: Option<Published>,
    /// What is owed to the members of its group.
    pub(crate) deliveries: Vec<Delivery>,
    /// Operations of deliveries that were owed already when a crash cut the batch off.
    pub(crate) owed: Vec<Uuid>,
}

/// A batch that shared storage has.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    /// Where.
    pub(crate) reference: String,
    /// Its size.
    pub(crate) bytes: usize,
}

/// Input of the operation that uploads a batch.
#[derive(Debug, Serialize, serde::Deserialize)]
pub(crate) struct UploadInput {
    /// The batch.
    pub(crate) id: Uuid,
}

/// Input of the operation that pins a batch.
#[derive(Debug, Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PinInput {
    /// The batch.
    pub(crate) batch: Uuid,
    /// What is pinned.
    pub(crate) contexts: Vec<Hash>,
    /// Where the batch lies; empty until it is uploaded.
    pub(crate) payload_ref: String,
}

impl Outbound {
    /// What the ledger is to hold.
    pub(crate) fn contexts(&self) -> Vec<Hash> {
        let messages = &self.batch.payload.messages;
        match self.batch.kind {
            // Whoever seals a private batch gives every message its pins.
            batch::Type::Private => pin::private_contexts(messages).unwrap_or_default(),
            _ => pin::broadcast_contexts(messages),
        }
    }

    /// Whether it goes to the ledger.
    pub(crate) fn is_pinned(&self) -> bool {
        self.batch.payload.tx.kind.is_pinned()
    }

    /// Input of the pin operation, with the reference once it is known.
    pub(crate) fn pin_input(&self, payload_ref: &str) -> Result<JsonText, serde_json::Error> {
        let contexts = self.contexts();
        JsonText::write(&PinInput { batch: self.batch.id, contexts, payload_ref: payload_ref.to_owned() })
    }
}

/// Makes a batch of messages of one author, key and transaction type. Pure but for ids and time, which the ports give.
pub(super) fn assemble(core: &Core, author: &str, messages: &[Waiting]) -> Outbound {
    let ids = &core.ports.ids;
    let tx = ids.next();
    let messages = || messages.iter().map(|waiting| &waiting.sealed);
    let header = messages().next().map(|sealed| &sealed.message.header);
    let draft = batch::Draft {
        id: ids.next(),
        kind: batch::Type::Broadcast,
        namespace: core.options.network_namespace.clone(),
        node: core.multiparty.node(),
        group: None,
        created: core.ports.clock.now(),
        author: author.to_owned(),
        key: header.map(|header| header.key.clone()).unwrap_or_default(),
        tx: transaction::Ref { kind: header.map(|header| header.tx_type.clone()).unwrap_or_default(), id: Some(tx) },
        messages: messages().map(|sealed| sealed.message.clone()).collect(),
        data: messages().flat_map(|sealed| sealed.data.iter().map(|entry| entry.data.clone())).collect(),
    };
    let batch::Sealed { batch, manifest_text, .. } = draft.seal();
    let mut blobs: Vec<(Uuid, Uuid)> = Vec::new();
    for data in &batch.payload.data {
        let unpublished = data.blob.as_ref().is_some_and(|blob| blob.public.is_empty());
        if unpublished && !blobs.iter().any(|(id, _)| *id == data.id) {
            blobs.push((data.id, ids.next()));
        }
    }
    Outbound {
        batch: Arc::new(batch),
        manifest: manifest_text,
        tx,
        upload: ids.next(),
        pin: ids.next(),
        blobs,
        published: None,
        deliveries: Vec::new(),
        owed: Vec::new(),
    }
}

/// Everything that is written when a batch of these messages is sealed. Each that the store holds must still be `ready`.
pub(super) fn changes(core: &Core, outbound: &Outbound, messages: &[Waiting]) -> Result<ChangeSet, serde_json::Error> {
    let now = core.ports.clock.now();
    let batch = &outbound.batch;
    let private = batch.kind == batch::Type::Private;
    let mut changes = ChangeSet::new(core.name());
    let transaction = Transaction {
        id: outbound.tx,
        namespace: core.name().to_owned(),
        kind: batch.payload.tx.kind.clone(),
        created: now,
        idempotency_key: None,
        blockchain_ids: Vec::new(),
    };
    changes.push(Change::InsertEvent(operations::submitted(core, &transaction)));
    changes.push(Change::InsertTransaction(transaction));
    changes.push(Change::InsertBatch(batch.record(core.name(), outbound.manifest.clone(), None)));
    for (message, waiting) in batch.payload.messages.iter().zip(messages) {
        let pins = if private { message.pins.clone() } else { Vec::new() };
        match waiting.place {
            Place::Stored => changes.push(Change::UpdateMessage(change::Message {
                id: message.header.id,
                from: vec![State::Ready],
                state: Some(State::Sent),
                batch: Some(batch.id),
                tx: Some(outbound.tx),
                pins: (!pins.is_empty()).then_some(pins),
                ..change::Message::default()
            })),
            Place::Here(_) | Place::Doubtful => {
                changes.extend(waiting.sealed.new_data());
                changes.push(Change::InsertMessage(Message {
                    state: Some(State::Sent),
                    batch: Some(batch.id),
                    tx_id: Some(outbound.tx),
                    pins,
                    ..waiting.sealed.message.clone()
                }))
            }
        };
    }
    if private {
        super::private::changes(core, outbound, now, &mut changes)?;
        return Ok(changes);
    }
    for operation in operations(core, outbound, now)? {
        changes.push(Change::InsertOperation(operation));
    }
    Ok(changes)
}

fn operations(core: &Core, outbound: &Outbound, now: Time) -> Result<Vec<operation::Operation>, serde_json::Error> {
    use operation::Type;
    let storage = core.ports.storage.plugin_type();
    let operation = |id, kind, plugin: &str, input| operation::Operation {
        id,
        namespace: core.name().to_owned(),
        tx: Some(outbound.tx),
        kind,
        status: operation::Status::Initialized,
        plugin: plugin.to_owned(),
        input: Some(input),
        output: None,
        error: String::new(),
        created: now,
        updated: now,
        retry: None,
    };
    let mut list = Vec::with_capacity(2 + outbound.blobs.len());
    for (data, id) in &outbound.blobs {
        let input = JsonText::write(&operations::DataInput { data_id: *data })?;
        list.push(operation(*id, Type::SharedStorageUploadBlob, storage, input));
    }
    let input = JsonText::write(&UploadInput { id: outbound.batch.id })?;
    list.push(operation(outbound.upload, Type::SharedStorageUploadBatch, storage, input));
    let ledger = core.ports.blockchain.plugin_type();
    list.push(operation(outbound.pin, Type::BlockchainPinBatch, ledger, outbound.pin_input("")?));
    Ok(list)
}
