//! Batches that other members send.

use std::{collections::BTreeMap, sync::Arc};

use photinus_model::{
    Hash,
    batch::Batch,
    group::Group,
    message::{TxType, Type},
    wire,
};
use photinus_ports::{exchange::Refusal, peers::PeerId};
use photinus_sequencing::facts::Source;

use super::{
    later, never,
    sender::{self, Standing},
};
use crate::{
    aggregation::{self, Content, equivocation},
    core::Core,
    groups,
};

/// Largest wrapper that is read: four times what senders of the reference may write.
const MAX_MESSAGE: usize = 4 << 20;

/// Of what a peer may send ahead of its pins, so much may be there when a batch comes that cannot be checked yet, because its sender,
/// its author or its group is not known. The sender keeps what is beyond.
const UNPROVEN: (usize, u64) = (1_000, 64 << 20);

/// Takes a batch in. Answers its manifest once it is durable.
pub(super) async fn take(core: &Arc<Core>, peer: &PeerId, payload: &[u8]) -> Result<String, Refusal> {
    let network = &core.options.network_namespace;
    let text = std::str::from_utf8(payload).map_err(|_| never("the message is not UTF-8"))?;
    let wrapper = wire::parse_wrapper(text, MAX_MESSAGE).map_err(never)?;
    let wire::Wrapper { group, batch } = wrapper.ok_or_else(|| never("there is no batch in the message"))?;
    if batch.namespace() != network {
        return Err(Refusal::NotMine);
    }
    let wire::Accepted { batch, manifest_text, .. } = wire::accept(batch, None, network).map_err(never)?;
    let manifest = manifest_text.as_str().to_owned();
    let standing = sender::check(core, peer, &batch).await?;
    let same = standing == Standing::Proven && is_known(core, &batch).await?;
    if same && equivocation::other_payload(core, &batch).await.map_err(later)?.is_none() {
        return Ok(manifest);
    }
    let content =
        Content { batch: Arc::new(batch), manifest: Some(manifest_text), source: Source::Peer(peer.0.clone()) };
    if content.batch.payload.tx.kind == TxType::Unpinned {
        unpinned(core, standing, content, group).await?;
        return Ok(manifest);
    }
    let unknown = audience(core, &content.batch, groups::defined_in(&content.batch)).await?;
    if !core.aggregation.may_wonder(&peer.0, &unknown) {
        return Err(later("this node has to be told of other groups first"));
    }
    let mut most = core.options.delivery.early.clone();
    if standing == Standing::Unknown || !unknown.is_empty() {
        (most.batches, most.size) = (most.batches.min(UNPROVEN.0), most.size.min(UNPROVEN.1));
    }
    if !core.aggregation.has_room(&peer.0, payload.len() as u64, &most) && !is_pinned(core, &content.batch).await? {
        return Err(later("much was sent already ahead of its pin: this comes when the ledger has its own"));
    }
    core.aggregation.received(content).await.map_err(|_| later("the namespace is stopping"))?;
    Ok(manifest)
}

/// Whether the same node delivered the same batch before, or it is our own.
async fn is_known(core: &Core, batch: &Batch) -> Result<bool, Refusal> {
    let known = core.store.read(core.name()).batch_with_hash(batch.id, batch.hash).await.map_err(later)?;
    // A batch that was kept before its sender was known has to be told of again, now that it is. One that another node said was
    // its own is not the same.
    let same = |known: &photinus_model::batch::Record| known.node == batch.node && known.group == batch.group;
    Ok(known.is_some_and(|known| same(&known)))
}

/// Whether the ledger names a batch.
async fn is_pinned(core: &Core, batch: &Batch) -> Result<bool, Refusal> {
    let pins = core.store.read(core.name()).pins_of(batch.id).await.map_err(later)?;
    Ok(pins.iter().any(|pin| pin.batch_hash == batch.hash))
}

/// Checks that the author is a member of the groups that its messages name, and this node as well. Answers the groups that are not
/// known yet. `told` are groups that come with the batch.
async fn audience(core: &Core, batch: &Batch, told: Vec<Group>) -> Result<Vec<Hash>, Refusal> {
    let told: BTreeMap<Hash, Group> = told.into_iter().filter_map(|group| Some((group.hash?, group))).collect();
    let mut checked: Vec<Hash> = Vec::new();
    let mut unknown = Vec::new();
    for hash in batch.payload.messages.iter().filter_map(|message| message.header.group) {
        if checked.contains(&hash) {
            continue;
        }
        checked.push(hash);
        match core.groups.get(hash).await.map_err(later)? {
            Some(group) => check_members(core, &group, batch)?,
            None => match told.get(&hash) {
                Some(group) => check_members(core, group, batch)?,
                None => unknown.push(hash),
            },
        }
    }
    Ok(unknown)
}

fn check_members(core: &Core, group: &Group, batch: &Batch) -> Result<(), Refusal> {
    let name = group.hash.map(|hash| hash.to_string()).unwrap_or_default();
    if !group.members.iter().any(|member| member.identity == batch.author) {
        return Err(never(format!("'{}' is not a member of group {name}", batch.author)));
    }
    let own = core.multiparty.node();
    if own.is_some() && !group.members.iter().any(|member| member.node == own) {
        return Err(never(format!("this node is not a member of group {name}")));
    }
    Ok(())
}

/// Takes messages that have no pin. Nothing but their sender says that they are true, so it must be certain.
async fn unpinned(core: &Arc<Core>, standing: Standing, content: Content, group: Option<Group>) -> Result<(), Refusal> {
    let batch = &content.batch;
    if standing == Standing::Unknown {
        return Err(later("the sending node, or the author, is not registered here yet"));
    }
    let hash = batch.group.ok_or_else(|| never("a message without a pin must name its group"))?;
    for message in &batch.payload.messages {
        let header = &message.header;
        let fits = header.tx_type == TxType::Unpinned && header.kind == Type::Private && header.group == Some(hash);
        if !fits {
            return Err(never(format!("message '{}' is none that may come without a pin", header.id)));
        }
    }
    let known = core.groups.get(hash).await.map_err(later)?;
    let group = match known {
        Some(known) => {
            check_members(core, &known, batch)?;
            None
        }
        None => {
            let group = group.filter(|group| group.identity_hash() == hash);
            let group = group.ok_or_else(|| later("the group is not known here yet"))?;
            let group = Group { hash: Some(hash), local_namespace: core.name().to_owned(), ..group };
            group.validate().map_err(never)?;
            if group.namespace != core.options.network_namespace {
                return Err(never("the group is for another namespace"));
            }
            check_members(core, &group, batch)?;
            Some(group)
        }
    };
    let sends = |group: &Group| batch.node.is_some_and(|node| group.has(&batch.author, node));
    let member = match (&group, core.groups.get(hash).await.map_err(later)?) {
        (Some(group), _) => sends(group),
        (None, Some(known)) => sends(&known),
        (None, None) => false,
    };
    if !member {
        return Err(never("the sending node is not a member of the group"));
    }
    let stopping = |_: aggregation::Closed| later("the namespace is stopping");
    core.aggregation.unpinned(content, group).await.map_err(stopping)
}
