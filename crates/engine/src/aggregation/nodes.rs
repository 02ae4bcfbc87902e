//! Telling the data exchange of the nodes of the network: when their identities are accepted, and all of them at the start.
//!
//! The exchange's answer changes no verdict. It is asked again until it takes the node, or says that the profile is no good.

use std::sync::Arc;

use photinus_model::identity::{Identity, Type};
use photinus_ports::exchange;
use photinus_query::{Condition, Query, collection};
use serde_json::{Map, Value};

use crate::core::Core;

/// Tells the exchange of a node; other identities are none of its business. Returns at once.
pub(super) fn introduce(core: &Arc<Core>, identity: Identity) {
    if identity.kind != Type::Node {
        return;
    }
    core.multiparty.noticed(&identity);
    let owner = Arc::clone(core);
    core.tasks.spawn_once(format!("introduce {}", identity.did), async move {
        until_known(&owner, &identity).await;
    });
}

async fn until_known(core: &Core, node: &Identity) {
    let profile: Map<String, Value> = match node.profile.as_ref().map(|profile| profile.read()) {
        Some(Ok(profile)) => profile,
        _ => return tracing::warn!(namespace = core.name(), node = node.did, "the node has no profile"),
    };
    let network = &core.options.network_namespace;
    let mut backoff = core.tasks.backoff(core.options.retry);
    loop {
        match core.ports.exchange.add_node(network, &node.name, &profile).await {
            Ok(()) => return,
            Err(exchange::Error::InvalidProfile(why)) => {
                return tracing::warn!(
                    namespace = core.name(),
                    node = node.did,
                    why,
                    "the node's profile cannot be used"
                );
            }
            Err(error) => {
                tracing::warn!(namespace = core.name(), node = node.did, %error, "the node could not be introduced");
            }
        }
        if !core.tasks.pause(backoff.advance()).await {
            return;
        }
    }
}

/// Tells the exchange of every node that is known.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn introduce_all(core: &Arc<Core>) -> Result<(), photinus_store::Error> {
    let Some(kind) = collection::IDENTITIES.field("type") else { return Ok(()) };
    let nodes = Query::filtered(Condition::text(kind, Type::Node.as_str()));
    for identity in core.store.read(core.name()).find::<Identity>(&nodes).await?.items {
        introduce(core, identity);
    }
    Ok(())
}
