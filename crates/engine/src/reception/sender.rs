//! Who sent it: from the certificate to the author of a batch.

use std::sync::Arc;

use photinus_model::{batch::Batch, identity::Identity, verifier};
use photinus_ports::{exchange::Refusal, peers::PeerId};

use super::{later, never};
use crate::core::Core;

/// What is known of a sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Its node belongs to the author of the batch, or to an identity above it.
    Proven,
    /// Its node or the author is not registered here yet.
    Unknown,
}

/// The node of a peer, if it is registered here.
pub(super) async fn node(core: &Core, peer: &PeerId) -> Result<Option<Arc<Identity>>, Refusal> {
    core.identities.by_verifier(verifier::Type::DxPeerId, &peer.0).await.map_err(later)
}

/// Whether a peer may send this batch.
pub(super) async fn check(core: &Core, peer: &PeerId, batch: &Batch) -> Result<Standing, Refusal> {
    let Some(node) = node(core, peer).await? else { return Ok(Standing::Unknown) };
    if batch.node != Some(node.id) {
        let said = batch.node.map_or_else(|| "no node".to_owned(), |node| format!("node '{node}'"));
        return Err(never(format!("the batch says that {said} assembled it, but '{}' sent it", node.did)));
    }
    let Some(author) = core.identities.by_did(&batch.author).await.map_err(later)? else {
        return Ok(Standing::Unknown);
    };
    if core.identities.is_or_is_below(&author, node.parent).await.map_err(later)? {
        Ok(Standing::Proven)
    } else {
        Err(never(format!("'{}' does not send for the author '{}'", node.did, author.did)))
    }
}
