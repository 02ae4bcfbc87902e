//! Decisions of the machine become changes of records and events, in the order in which they were decided.

use photinus_model::{
    Hash, JsonText, Uuid,
    definition::received::{self, Payload},
    event,
    identity::{Identity, Messages, Type},
    message::State,
    tag,
    verifier::{self, Verifier},
};
use photinus_sequencing::{
    Decision, Reason,
    decision::{Alarm, Contract, Decided, Effect, EventKind, Identity as Accepted, Topic, Verdict},
    facts::{DataKey, MessageKey, definition::IdentityKind},
};
use photinus_store::{Change, change};

use super::{equivocation, fetches, group::Group, release, repair, repair_files::LackingFile, waits, withdrawn};
use crate::{core::Core, namespace::Turn};

/// Why a decision could not be applied. The group is given up and taken again.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] photinus_store::Error),
    /// A record of our own cannot be written as JSON.
    #[error("failed to write a record: {0}")]
    Json(#[from] serde_json::Error),
}

/// Adds what a decision means to the group. `tx` is the FireFly transaction of the log under way, if it is one.
pub(super) async fn apply(
    core: &Core,
    group: &mut Group<'_>,
    decision: Decision,
    tx: Option<Uuid>,
) -> Result<(), Error> {
    match decision {
        Decision::Decided(decided) => self::decided(core, group, *decided).await?,
        Decision::Void { pos, batch, indexes } => group.dispatched(pos, batch, indexes),
        Decision::Released { pos, batch, indexes, vote } => {
            release::apply(core, group, pos, batch, indexes, vote).await?
        }
        Decision::Waiting { message, reason, batch, group: of } => {
            tracing::debug!(namespace = core.name(), message = %message.id, ?reason, "message waits");
            // Files of broadcasts come from shared storage.
            if let (Reason::Blob(file), Some(of)) = (reason, of) {
                let lacking = LackingFile::new(of, batch, message, file);
                group.push(lacking.remember()?);
                group.after.files.push(lacking);
            }
        }
        Decision::Fetch { pos, batch, payload_ref, signer } => {
            fetches::begin(core, group, (pos, batch, signer.as_str()), payload_ref, tx)?;
        }
        Decision::Lacking { batch, pos, lane } => {
            group.lacks(core, repair::Lacking::new(batch, pos, &lane))?;
        }
        Decision::ActivatePool { pool, .. } => {
            // Without a token connector the rules reject pools before they ask for one.
            tracing::error!(namespace = core.name(), %pool, "a token pool waits for a connector that is not configured");
        }
        Decision::Withdrawn { pos, event } => withdrawn::apply(core, group, pos, event).await?,
        Decision::Contract(contract) => self::contract(core, group, contract)?,
        Decision::Alarm(alarm) => self::alarm(core, group, &alarm).await?,
    }
    Ok(())
}

async fn decided(core: &Core, group: &mut Group<'_>, decided: Decided) -> Result<(), Error> {
    for effect in decided.effects {
        self::effect(core, group, effect).await?;
    }
    for event in decided.events {
        let topic = topic(group.namespace(), event.topic);
        let event = group.event(kind(event.kind), event.reference, event.correlator, event.tx, topic);
        group.push(Change::InsertEvent(event));
    }
    let (state, reject_reason) = match decided.verdict {
        Verdict::Confirmed => (State::Confirmed, None),
        Verdict::Rejected(code) => (State::Rejected, Some(code.to_string())),
    };
    let MessageKey { id, hash } = decided.message;
    let confirmed = Some(group.now);
    group.push(Change::UpdateMessage(change::Message {
        id,
        hash: Some(hash),
        state: Some(state),
        confirmed,
        reject_reason,
        batch: Some(decided.batch.id),
        ..change::Message::default()
    }));
    for pins in decided.pins {
        group.dispatched(pins.pos, decided.batch, pins.first..pins.first.saturating_add(pins.count));
    }
    Ok(())
}

fn kind(kind: EventKind) -> event::Type {
    match kind {
        EventKind::MessageConfirmed => event::Type::MessageConfirmed,
        EventKind::MessageRejected => event::Type::MessageRejected,
        EventKind::IdentityConfirmed => event::Type::IdentityConfirmed,
        EventKind::IdentityUpdated => event::Type::IdentityUpdated,
        EventKind::DatatypeConfirmed => event::Type::DatatypeConfirmed,
        EventKind::InterfaceConfirmed => event::Type::ContractInterfaceConfirmed,
        EventKind::ApiConfirmed => event::Type::ContractApiConfirmed,
        EventKind::PoolConfirmed => event::Type::TokenPoolConfirmed,
    }
}

fn topic(namespace: &str, topic: Topic) -> String {
    match topic {
        Topic::Message(topic) => topic,
        Topic::Definition => event::TOPIC_DEFINITION.to_owned(),
        Topic::Interface(name) => Hash::concat(&[b"ffi", namespace.as_bytes(), name.as_bytes()]).to_string(),
        Topic::Pool(id) => id.to_string(),
    }
}

async fn effect(core: &Core, group: &mut Group<'_>, effect: Effect) -> Result<(), Error> {
    match effect {
        Effect::Identity(accepted) => identity(core, group, *accepted).await?,
        Effect::IdentityUpdated { did, message, payload, .. } => {
            update(core, group, did.as_str(), message, payload).await?;
        }
        Effect::Peer { peer, node } => {
            if let Some(node) = find(core, group, node.as_str()).await? {
                verifier(group, node.id, verifier::Type::DxPeerId, peer);
            }
        }
        Effect::Datatype { message, payload, .. } => datatype(core, group, message, payload).await?,
        Effect::Cancelled { message } => group.push(Change::UpdateMessage(change::Message {
            id: message.id,
            hash: Some(message.hash),
            from: vec![State::Pending, State::Sent, State::Ready, State::Staged],
            or_skip: true,
            state: Some(State::Cancelled),
            ..change::Message::default()
        })),
        Effect::Group { group: known, message } => self::learnt(core, group, known.hash, message).await?,
        // The order knows them from here on; records of them come with contracts and tokens.
        Effect::Interface { .. } | Effect::Api { .. } | Effect::Pool { .. } => {}
    }
    Ok(())
}

async fn identity(core: &Core, group: &mut Group<'_>, accepted: Accepted) -> Result<(), Error> {
    let Some(Payload::Claim(received::Identity { profile, .. })) =
        payload(core, group, accepted.payload, tag::IDENTITY_CLAIM).await?
    else {
        tracing::error!(namespace = core.name(), did = %accepted.base.did.as_str(), "the payload of a claim is gone");
        return Ok(());
    };
    let base = accepted.base;
    let kind = match base.kind {
        IdentityKind::Org => Type::Org,
        IdentityKind::Node => Type::Node,
        IdentityKind::Custom => Type::Custom,
    };
    let identity = Identity {
        id: base.id,
        did: base.did.as_str().to_owned(),
        kind,
        parent: base.parent,
        namespace: group.namespace().to_owned(),
        name: base.name,
        description: profile.description,
        profile: profile.profile,
        messages: Messages {
            claim: Some(accepted.claim.id),
            verification: accepted.verification.map(|message| message.id),
            update: None,
        },
        created: Some(group.now),
        updated: Some(group.now),
    };
    if kind != Type::Node {
        let chain = core.ports.blockchain.verifier_type();
        verifier(group, identity.id, chain, accepted.key.as_str().to_owned());
    }
    keep(group, identity);
    Ok(())
}

async fn update(
    core: &Core,
    group: &mut Group<'_>,
    did: &str,
    message: MessageKey,
    data: DataKey,
) -> Result<(), Error> {
    let Some(Payload::Update { updates, .. }) = payload(core, group, data, tag::IDENTITY_UPDATE).await? else {
        tracing::error!(namespace = core.name(), did, "the payload of an identity update is gone");
        return Ok(());
    };
    let Some(mut identity) = find(core, group, did).await? else { return Ok(()) };
    identity.description = updates.description;
    identity.profile = updates.profile;
    identity.messages.update = Some(message.id);
    identity.updated = Some(group.now);
    keep(group, identity);
    Ok(())
}

/// Writes a group down that a message told of, unless it is known.
async fn learnt(core: &Core, group: &mut Group<'_>, hash: Hash, message: MessageKey) -> Result<(), Error> {
    if let Some(known) = core.groups.get(hash).await? {
        group.after.nodes.extend(known.members.iter().filter_map(|member| member.node));
        return Ok(());
    }
    let told = match group.groups.get(&Some(hash)) {
        Some(told) => Some(told.clone()),
        None => {
            let read = core.store.read(core.name());
            let data = read.message_with_hash(message.id, message.hash).await?;
            let data = data.and_then(|message| message.data.first().copied());
            match data {
                Some(data) => {
                    match payload(core, group, DataKey { id: data.id, hash: data.hash }, tag::DEFINE_GROUP).await? {
                        Some(Payload::Group(told)) => Some(told),
                        _ => None,
                    }
                }
                None => None,
            }
        }
    };
    let Some(told) = told else {
        tracing::error!(namespace = core.name(), %hash, "the payload of a group is gone");
        return Ok(());
    };
    group.knows(photinus_model::group::Group {
        local_namespace: group.namespace().to_owned(),
        message: Some(message.id),
        created: told.created.or(Some(group.now)),
        ..told
    });
    Ok(())
}

async fn datatype(core: &Core, group: &mut Group<'_>, message: MessageKey, data: DataKey) -> Result<(), Error> {
    let Some(Payload::Datatype(mut datatype)) = payload(core, group, data, tag::DEFINE_DATATYPE).await? else {
        tracing::error!(namespace = core.name(), message = %message.id, "the payload of a datatype is gone");
        return Ok(());
    };
    datatype.message = Some(message.id);
    datatype.namespace = group.namespace().to_owned();
    datatype.created = datatype.created.or(Some(group.now));
    group.push(Change::InsertDatatype(datatype));
    Ok(())
}

/// A definition's payload, from the group under way or from the store.
async fn payload(core: &Core, group: &Group<'_>, data: DataKey, tag: &str) -> Result<Option<Payload>, Error> {
    Ok(value(core, group, data).await?.map(|value| received::parse(tag, Some(&value))))
}

/// A data element's value, from the group under way or from the store.
pub(super) async fn value(
    core: &Core,
    group: &Group<'_>,
    data: DataKey,
) -> Result<Option<JsonText>, photinus_store::Error> {
    if let Some(value) = group.values.get(&data) {
        return Ok(Some(value.clone()));
    }
    let found = core.store.read(core.name()).data_with_hash(data.id, data.hash).await?;
    Ok(found.and_then(|data| data.value))
}

async fn find(core: &Core, group: &Group<'_>, did: &str) -> Result<Option<Identity>, Error> {
    if let Some(identity) = group.identities.get(did) {
        return Ok(Some(identity.clone()));
    }
    Ok(core.store.read(core.name()).identity_by_did(did).await?)
}

fn keep(group: &mut Group<'_>, identity: Identity) {
    group.push(Change::UpsertIdentity(identity.clone()));
    group.after.identities.push(identity.clone());
    group.identities.insert(identity.did.clone(), identity);
}

fn verifier(group: &mut Group<'_>, identity: Uuid, kind: verifier::Type, value: String) {
    let verifier = Verifier {
        hash: Some(verifier::hash(group.namespace(), kind, &value)),
        identity: Some(identity),
        namespace: group.namespace().to_owned(),
        kind,
        value,
        created: Some(group.now),
    };
    group.push(Change::UpsertVerifier(verifier.clone()));
    group.after.verifiers.push(verifier);
}

/// What becomes of the multiparty contract. The end of one is written with the decision.
fn contract(core: &Core, group: &mut Group<'_>, decided: Contract) -> Result<(), Error> {
    tracing::warn!(namespace = core.name(), ?decided, "the multiparty contract");
    match decided {
        Contract::Ended { contract, at } => {
            if let Some(contracts) = core.multiparty.after_end(contract, waits::position(at)) {
                group.push(contracts.change()?);
                group.after.turns.push(Turn::Ended);
            }
        }
        Contract::Hold { at } => {
            let at = waits::position(at).protocol_id();
            let why = format!(
                "whether the contract was terminated at {at} depends on messages that the signer pinned before and that are not here yet"
            );
            group.after.turns.push(Turn::Held(why));
        }
        Contract::Resume { .. } => group.after.turns.push(Turn::Resumed),
        // The driver asks before it gives a log.
        Contract::NotTaken { .. } => {}
    }
    Ok(())
}

async fn alarm(core: &Core, group: &mut Group<'_>, alarm: &Alarm) -> Result<(), Error> {
    if equivocation::alarmed(core, group, alarm).await? {
        return Ok(());
    }
    if let Alarm::NoNextContract { at } = alarm {
        let at = waits::position(*at).protocol_id();
        let why =
            format!("the contract was terminated at {at} and no next one is configured: add it to multiparty.contract");
        group.after.turns.push(Turn::Held(why));
    }
    if core.aggregation.raise(format!("{alarm:?}")) {
        tracing::error!(namespace = core.name(), ?alarm, "the ledger's order needs an operator");
    }
    Ok(())
}
