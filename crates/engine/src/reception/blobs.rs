//! Files that other members send, ahead of the messages that carry them or behind them.

use std::sync::Arc;

use photinus_model::{Uuid, blob::Blob};
use photinus_ports::{
    exchange::{ReceivedBlob, Refusal},
    peers::PeerId,
};

use super::{later, never, sender};
use crate::{core::Core, data::held};

/// The data that a path names, if it is one of this namespace: `<network namespace>/<data id>`.
fn data_of(core: &Core, path: &str) -> Result<Uuid, Refusal> {
    let (namespace, data) = path.split_once('/').ok_or_else(|| never("the path of a file is <namespace>/<data id>"))?;
    if namespace != core.options.network_namespace {
        return Err(Refusal::NotMine);
    }
    // One form alone, so that two paths never mean the same data.
    let id = Uuid::try_parse(data).ok().filter(|id| id.to_string() == data);
    id.ok_or_else(|| never("the path of a file ends in the id of its data"))
}

/// Whether a peer may send a file of this size.
pub(super) async fn admit(core: &Core, peer: &PeerId, path: &str, size: u64) -> Result<(), Refusal> {
    let data = data_of(core, path)?;
    if sender::node(core, peer).await?.is_none() {
        return Err(later("the sending node is not registered here yet"));
    }
    let limits = &core.options.limits;
    if size > limits.blob_size {
        return Err(never(format!("the file has {size} bytes, and this node takes {}", limits.blob_size)));
    }
    let held = held::of(core, &peer.0).await.map_err(later)?;
    if held.saturating_add(size) > limits.blobs_per_peer {
        let limit = limits.blobs_per_peer;
        return Err(never(format!("files of {held} bytes of this node are held here, and the limit is {limit}")));
    }
    if core.aggregation.has_room_for_file(&peer.0, size, &core.options.delivery.early) {
        return Ok(());
    }
    let named = core.store.read(core.name()).data(data).await.map_err(later)?.is_some();
    if named { Ok(()) } else { Err(later("many files were sent already ahead of the messages that name them")) }
}

/// Writes a file down that has arrived, and wakes what waits for it.
pub(super) async fn take(core: &Arc<Core>, received: ReceivedBlob) -> Result<(), Refusal> {
    let data = data_of(core, &received.path)?;
    let blob = Blob {
        namespace: core.name().to_owned(),
        hash: received.hash,
        payload_ref: received.payload_ref,
        created: core.ports.clock.now(),
        peer: received.route.from.0,
        size: i64::try_from(received.size).unwrap_or(i64::MAX),
        data_id: Some(data),
    };
    core.aggregation.blob(blob).await.map_err(|_| later("the namespace is stopping"))
}
