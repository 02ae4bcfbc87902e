//! The chains that checks run against.

use photinus_devchain::{Chain, Handle, Options};

use crate::anvil::Anvil;
use crate::rpc::Client;

/// A fresh chain of either kind.
pub(crate) enum Running {
    Photinus(Handle),
    Anvil(Anvil),
}

impl Running {
    pub(crate) async fn photinus() -> Self {
        Self::Photinus(start(Options::default()).await)
    }

    pub(crate) async fn anvil() -> Self {
        Self::Anvil(tokio::task::spawn_blocking(Anvil::start).await.unwrap())
    }

    pub(crate) fn client(&self) -> Client {
        match self {
            Self::Photinus(chain) => client(chain),
            Self::Anvil(anvil) => Client::new(format!("http://{}", anvil.address), format!("ws://{}", anvil.address)),
        }
    }
}

/// Starts this chain on a free port.
pub(crate) async fn start(options: Options) -> Handle {
    Chain::start(Options { port: 0, ..options }).await.unwrap()
}

pub(crate) fn client(chain: &Handle) -> Client {
    Client::new(chain.url(), chain.ws_url())
}

/// Makes two tests of every check: one on each kind of chain, each on a fresh one.
macro_rules! for_each_chain {
    ($($check:ident)*) => {
        mod photinus {
            $(#[tokio::test]
            async fn $check() {
                let chain = $crate::chains::Running::photinus().await;
                super::$check(chain.client()).await;
            })*
        }
        mod anvil {
            $(#[tokio::test]
            async fn $check() {
                let chain = $crate::chains::Running::anvil().await;
                super::$check(chain.client()).await;
            })*
        }
    };
}
pub(crate) use for_each_chain;
