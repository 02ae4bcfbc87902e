//! The listeners: accepting connections, serving them, and stopping in order.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    auth, dispatch,
    metrics::Metrics,
    monitoring,
    namespaces::Namespaces,
    options::{self, By, Listener, Options},
    patient::{Lasting, Patient},
    rate::Limiter,
    room::Rooms,
    tls,
};

/// Why a listener could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken, or not this machine's.
    #[error("cannot listen on {address}:{port}: {error}")]
    Listen {
        /// The address.
        address: String,
        /// The port.
        port: u16,
        /// What the operating system said.
        error: std::io::Error,
    },
    /// Certificate, key or authorities of a listener cannot be used.
    #[error("TLS of {address}:{port}: {error}")]
    Tls {
        /// The address.
        address: String,
        /// The port.
        port: u16,
        /// What is wrong.
        error: tls::Error,
    },
    /// The password file of a listener cannot be used.
    #[error("passwords: {0}")]
    Passwords(#[from] auth::Error),
    /// A setting for other origins that no header can carry.
    #[error("'{0}' cannot be used for cors")]
    Cors(String),
    /// The metrics could not be set up.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// What every request can reach.
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) namespaces: Namespaces,
    /// URL of the API's listener, without a slash at the end.
    pub(crate) base_url: String,
    pub(crate) metrics: Metrics,
    /// Room for requests and what they hold.
    pub(crate) rooms: Rooms,
    /// Texts of records that listings have shown.
    pub(crate) texts: photinus_store::Texts,
    /// The open WebSockets.
    pub(crate) connections: crate::ws::Connections,
}

/// The API of a node.
#[derive(Debug)]
pub struct Server;

/// A running API.
#[derive(Debug)]
pub struct Handle {
    /// Where it listens.
    pub addresses: Addresses,
    stopping: CancellationToken,
    tracker: TaskTracker,
    patience: Duration,
}

/// Where the API listens.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// Applications.
    pub http: SocketAddr,
    /// Administration, when it is on.
    pub spi: Option<SocketAddr>,
    /// Metrics, when they are on.
    pub monitoring: Option<SocketAddr>,
}

impl Server {
    /// Opens the listeners and serves the namespaces. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// When a listener cannot be opened. Nothing runs then.
    pub async fn start(options: Options, namespaces: Namespaces) -> Result<Handle, Error> {
        let http = bind(&options.http).await?;
        let spi = match &options.spi {
            Some(listener) => Some(bind(listener).await?),
            None => None,
        };
        let monitoring = match &options.monitoring {
            Some(monitoring) => Some(bind(&monitoring.listener).await?),
            None => None,
        };
        let addresses = Addresses {
            http: http.address,
            spi: spi.as_ref().map(|door| door.address),
            monitoring: monitoring.as_ref().map(|door| door.address),
        };
        let scheme = if http.tls.is_some() { "https" } else { "http" };
        let base_url = options.http.public_url.clone().unwrap_or_else(|| format!("{scheme}://{}", addresses.http));
        let (stopping, tracker) = (CancellationToken::new(), TaskTracker::new());
        let cors = options.cors.as_ref().map(dispatch::cors).transpose()?;
        let shared = Arc::new(Shared {
            namespaces,
            base_url,
            metrics: Metrics::new()?,
            rooms: Rooms::new(&options.limits),
            texts: photinus_store::Texts::new(crate::listing::KEPT),
            connections: crate::ws::Connections::default(),
            options,
        });
        let serve = |door: Door, router: Router| {
            let listening = Listening {
                router: door.guard(router, &shared.metrics),
                tls: door.tls,
                limits: shared.options.limits.clone(),
                stopping: stopping.clone(),
                tracker: tracker.clone(),
            };
            tracker.spawn(listening.accept(door.listener));
        };
        serve(http, dispatch::api(&shared, cors, &stopping));
        if let Some(door) = spi {
            serve(door, dispatch::spi(&shared, &stopping));
        }
        if let Some(door) = monitoring {
            serve(door, monitoring::router(&shared));
        }
        tracker.close();
        let patience = shared.options.http.shutdown_timeout;
        Ok(Handle { addresses, stopping, tracker, patience })
    }
}

impl Handle {
    /// Takes no more connections, lets requests in progress end, and closes. Bounded by the listener's `shutdown_timeout`.
    pub async fn stop(self) {
        self.stopping.cancel();
        if tokio::time::timeout(self.patience, self.tracker.wait()).await.is_err() {
            tracing::warn!(open = self.tracker.len(), "some requests were cut off");
        }
    }
}

/// A port, and what it asks of those who come.
struct Door {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    passwords: Option<Arc<auth::Passwords>>,
    limiter: Option<Arc<Limiter>>,
}

impl Door {
    /// What stands before the routes. Addresses are counted before passwords are looked at, users behind.
    fn guard(&self, router: Router, metrics: &Metrics) -> Router {
        let limited = |router: Router, by: By| match &self.limiter {
            Some(limiter) if limiter.by() == by => Arc::clone(limiter).guard(router, metrics),
            _ => router,
        };
        let router = limited(router, By::User);
        let router = match &self.passwords {
            Some(passwords) => passwords.guard(router),
            None => router,
        };
        limited(router, By::Address)
    }
}

async fn bind(listener: &Listener) -> Result<Door, Error> {
    let (at, port) = (&listener.address, listener.port);
    let tls = match &listener.tls {
        Some(tls) => {
            let failed = |error| Error::Tls { address: at.clone(), port, error };
            Some(tls::acceptor(tls).await.map_err(failed)?)
        }
        None => None,
    };
    let passwords = match &listener.passwords {
        Some(file) => Some(Arc::new(auth::Passwords::read(file).await?)),
        None => None,
    };
    let failed = |error| Error::Listen { address: at.clone(), port, error };
    let bound = TcpListener::bind((at.as_str(), port)).await.map_err(failed)?;
    let address = bound.local_addr().map_err(failed)?;
    let limiter = listener.rate_limit.as_ref().map(Limiter::new);
    Ok(Door { listener: bound, address, tls, passwords, limiter })
}

/// One open port.
struct Listening {
    router: Router,
    tls: Option<TlsAcceptor>,
    limits: options::Limits,
    stopping: CancellationToken,
    tracker: TaskTracker,
}

/// Pause after the operating system refused a connection, so that a lack of file handles is not met with full speed.
const REFUSED: Duration = Duration::from_millis(50);

/// How often a client of HTTP/2 that says nothing is asked whether it is there.
const ALIVE: Option<Duration> = Some(Duration::from_secs(30));

/// Most bytes of a request's head.
const HEAD: usize = 64 << 10;

impl Listening {
    async fn accept(self, listener: TcpListener) {
        let room = Arc::new(Semaphore::new(self.limits.connections.min(Semaphore::MAX_PERMITS)));
        loop {
            let permit = tokio::select! {
                () = self.stopping.cancelled() => return,
                permit = Arc::clone(&room).acquire_owned() => permit,
            };
            let accepted = tokio::select! {
                () = self.stopping.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let serving = self.serve(stream, peer);
                    self.tracker.spawn(async move {
                        serving.await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(REFUSED).await;
                }
            }
        }
    }

    fn serve(&self, stream: TcpStream, peer: SocketAddr) -> impl Future<Output = ()> + Send + use<> {
        let lasting = Lasting::default();
        let about = (axum::Extension(axum::extract::ConnectInfo(peer)), axum::Extension(lasting.clone()));
        let router = self.router.clone().layer(about.0).layer(about.1);
        let (tls, stopping) = (self.tls.clone(), self.stopping.clone());
        let (patience, reading) = (self.limits.read_timeout, self.limits.write_timeout);
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(patience).max_buf_size(HEAD);
        builder.http2().timer(TokioTimer::new()).max_header_list_size(64 << 10);
        builder.http2().keep_alive_interval(ALIVE).keep_alive_timeout(patience);
        async move {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%peer, %error, "connection without TCP_NODELAY");
            }
            let stream = Patient::new(stream, reading, lasting);
            let Some(tls) = tls else { return talk(stream, peer, &builder, router, stopping).await };
            let greeted = tokio::select! {
                () = stopping.cancelled() => return,
                greeted = tokio::time::timeout(patience, tls.accept(stream)) => greeted,
            };
            match greeted {
                Ok(Ok(stream)) => talk(stream, peer, &builder, router, stopping).await,
                Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS with this client"),
                Err(_) => tracing::debug!(%peer, "the client does not begin with TLS"),
            }
        }
    }
}

/// Serves one connection until it ends. When the listener stops, what was asked is still answered.
async fn talk<S>(
    stream: S,
    peer: SocketAddr,
    builder: &auto::Builder<TokioExecutor>,
    router: Router,
    stopping: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    let mut told = false;
    loop {
        tokio::select! {
            ended = &mut connection => {
                if let Err(error) = ended {
                    tracing::debug!(%peer, error, "connection ended");
                }
                return;
            }
            () = stopping.cancelled(), if !told => {
                told = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}
