//! Starting and stopping a chain.

use std::fmt;
use std::future::IntoFuture as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alloy::primitives::{B256, U256};
use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::accounts::{Account, Accounts};
use crate::archive::{Archive, Lock};
use crate::block::{Block, Frame};
use crate::ledger::{Clock, Ledger};
use crate::rpc::Api;
use crate::state::{self, AccountDelta, Delta, RecentHashes, State, World};
use crate::{Error, Options, http, producer};

/// Wei in one ether.
const ETHER: u64 = 1_000_000_000_000_000_000;

/// How long a stopping chain waits for clients to finish their requests.
const GRACE: Duration = Duration::from_secs(3);

/// A development chain; see [`Chain::start`].
#[derive(Debug)]
pub struct Chain;

/// A running chain. Dropping it stops the chain as well, but does not wait.
pub struct Handle {
    address: SocketAddr,
    accounts: Arc<Accounts>,
    stop: CancellationToken,
    stopped: CancellationToken,
    server: JoinHandle<()>,
}

impl Chain {
    /// Opens or creates the chain and serves it. When this returns, requests are answered.
    pub async fn start(options: Options) -> Result<Handle, Error> {
        Self::start_at(options, Box::new(seconds_since_1970)).await
    }

    async fn start_at(options: Options, clock: Clock) -> Result<Handle, Error> {
        options.validate()?;
        let address = SocketAddr::new(options.host, options.port);
        let listen = |source| Error::Listen { address, source };
        // Before the chain is opened: a port in use is the most likely failure, and the quickest found.
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let (ledger, accounts, lock) = match tokio::task::spawn_blocking(move || open(options, clock)).await {
            Ok(opened) => opened?,
            Err(failure) => return Err(Error::Thread(failure.into())),
        };
        let (ledger, accounts) = (Arc::new(ledger), Arc::new(accounts));
        let stop = CancellationToken::new();
        let thread = {
            let (ledger, alive) = (Arc::clone(&ledger), stop.clone().drop_guard());
            std::thread::Builder::new()
                .name("devchain".to_owned())
                .spawn(move || producer::run(&ledger, alive))
                .map_err(Error::Thread)?
        };
        let api = Arc::new(Api::new(Arc::clone(&ledger), Arc::clone(&accounts)));
        let router = http::router(api, stop.clone());
        let stopped = CancellationToken::new();
        let server = tokio::spawn({
            let (stop, stopped) = (stop.clone(), stopped.clone());
            async move {
                let _stopped = stopped.drop_guard();
                serve(listener, router, stop, &ledger, thread).await;
                // Nobody but the producer writes, and it has ended: the directory is free.
                drop(lock);
            }
        });
        Ok(Handle { address, accounts, stop, stopped, server })
    }
}

/// Serves until told to stop, then stops the producer and lets open requests finish.
async fn serve(
    listener: TcpListener,
    router: axum::Router,
    stop: CancellationToken,
    ledger: &Ledger,
    producer: std::thread::JoinHandle<()>,
) {
    let told = stop.clone();
    let listener = listener.tap_io(|connection| {
        // Answers and notifications are small and awaited: none may wait for the one before to be acknowledged.
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
    });
    let server = axum::serve(listener, router).with_graceful_shutdown(async move { told.cancelled().await });
    let server = tokio::spawn(server.into_future());
    stop.cancelled().await;
    // Requests that wait for a block are answered now, so that the server can finish.
    ledger.stop();
    if let Ok(Err(_)) = tokio::task::spawn_blocking(move || producer.join()).await {
        tracing::error!("the block producer has panicked");
    }
    ledger.close();
    match tokio::time::timeout(GRACE, server).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(error))) => tracing::error!(%error, "the server has failed"),
        Ok(Err(error)) => tracing::error!(%error, "the server has failed"),
        Err(_) => tracing::warn!("some clients were still sending their request when the chain stopped"),
    }
}

impl Handle {
    /// The address of JSON-RPC over HTTP, as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address of JSON-RPC over WebSocket, as a URL.
    pub fn ws_url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// The address that the chain listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The development accounts, in the order of their derivation.
    pub fn accounts(&self) -> &[Account] {
        self.accounts.list()
    }

    /// Returns when the chain has stopped, for whatever reason.
    pub async fn stopped(&self) {
        self.stopped.cancelled().await;
    }

    /// Stops the chain and waits until its port and its directory are free.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Err(error) = (&mut self.server).await {
            tracing::error!(%error, "the server has not ended well");
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("address", &self.address).finish_non_exhaustive()
    }
}

fn seconds_since_1970() -> u64 {
    // A clock before 1970 counts as 1970; block times never go back in any case.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}

fn open(options: Options, clock: Clock) -> Result<(Ledger, Accounts, Option<Lock>), Error> {
    let accounts = Accounts::derive(&options.mnemonic, options.accounts)?;
    let (archive, lock) = match &options.data_dir {
        Some(directory) => {
            let (archive, lock) = Archive::open(directory, options.chain_id)?;
            (archive, Some(lock))
        }
        None => (Archive::in_memory(options.chain_id)?, None),
    };
    let mut hashes = RecentHashes::default();
    let (head, state) = match archive.load()? {
        Some(contents) => {
            for (number, hash) in contents.hashes {
                hashes.push(number, hash);
            }
            (contents.head, contents.state)
        }
        None => {
            let (block, state, delta) = genesis(&options, accounts.list(), clock());
            archive.append(&block, &delta)?;
            hashes.push(0, block.hash);
            (block, state)
        }
    };
    let world = World { state, hashes: Arc::new(hashes) };
    Ok((Ledger::new(options, archive, clock, head, world), accounts, lock))
}

/// The first block, in which the development accounts hold what the options give them.
fn genesis(options: &Options, accounts: &[Account], timestamp: u64) -> (Block, State, Delta) {
    let balance = U256::from(options.balance) * U256::from(ETHER);
    let mut state = State::default();
    let mut delta = Delta::default();
    for account in accounts {
        let funded = state::Account::funded(balance);
        state.restore(&account.address, funded.clone());
        delta.accounts.insert(account.address, AccountDelta { account: Some(funded), ..AccountDelta::default() });
    }
    let frame = Frame {
        parent: B256::ZERO,
        number: 0,
        timestamp,
        gas_limit: options.block_gas_limit,
        base_fee: options.base_fee,
    };
    (frame.seal(Vec::new(), Vec::new(), state.root()), state, delta)
}
