//! The order of private messages is chosen once.
//!
//! Whoever changed it later would order what is under way in another way than the other members, and than what was told to
//! applications before. So what a namespace was started with first is written down, and anything else is refused.

use std::sync::Arc;

use photinus_sequencing::rules::PrivateOrder;
use photinus_store::{Change, ChangeSet};

use super::Error;
use crate::{core::Core, space};

const KEY: &[u8] = b"private-order";

fn name(order: PrivateOrder) -> &'static str {
    match order {
        PrivateOrder::Author => "author",
        PrivateOrder::Ledger => "ledger",
    }
}

/// Compares what is configured with what was chosen first, and writes it down the first time.
pub(super) async fn check(core: &Arc<Core>) -> Result<(), Error> {
    let configured = name(core.options.private_order);
    let stored = match core.store.kv_get(core.name(), space::NETWORK, KEY).await? {
        Some(stored) => Some(String::from_utf8_lossy(&stored).into_owned()),
        // Whatever was ordered before there was a choice.
        None if is_used(core).await? => Some(name(PrivateOrder::Author).to_owned()),
        None => None,
    };
    match stored {
        Some(stored) if stored != configured => Err(Error::Order { configured, stored }),
        Some(_) => Ok(()),
        None => {
            let mut changes = ChangeSet::new(core.name());
            let value = configured.as_bytes().to_vec();
            changes.push(Change::PutKv { space: space::NETWORK, key: KEY.to_vec(), value });
            core.store.submit(changes).await?;
            Ok(())
        }
    }
}

async fn is_used(core: &Core) -> Result<bool, photinus_store::Error> {
    Ok(!core.store.kv_range(core.name(), space::SEQUENCING, &[], None, 1).await?.is_empty())
}
