//! The connection to one peer: opened in the background, kept alive, opened again with growing pauses when it breaks.
//!
//! One connection carries any number of calls at once. It counts as up only when the peer has answered a first request,
//! because under TLS 1.3 a server's refusal of our certificate shows no earlier.

use std::{sync::Arc, time::Duration};

use http::{Method, Request, StatusCode, header};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::{
    net::TcpStream,
    sync::{Notify, Semaphore, watch},
    time::{Instant, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream, rustls::ClientConfig};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{
    endpoint::Endpoint,
    frame::{self, Outgoing},
    options::Limits,
    sidecar::Pool,
    tls,
    trust::{Presented, Target},
};

/// First pause after a failure.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// A connection that lived this long was good: the next failure begins with the first pause again.
const GOOD: Duration = Duration::from_secs(10);
/// Receive window of one call, and of all calls on a connection, in bytes.
pub(crate) const WINDOWS: (u32, u32) = (1 << 20, 8 << 20);
/// Largest frame that is taken. Files come in large ones: each costs its own.
pub(crate) const FRAME: u32 = 64 << 10;
/// Bytes of one call that may wait to be sent.
pub(crate) const SEND_BUFFER: usize = 256 * 1024;

/// An open connection.
#[derive(Clone)]
pub(crate) struct Channel {
    pub(crate) sender: http2::SendRequest<Outgoing>,
    pub(crate) endpoint: Endpoint,
    /// What the peer proved itself with.
    pub(crate) presented: Presented,
}

/// How a peer is spoken to.
#[derive(Clone)]
pub(crate) enum Way {
    /// It is a Photinus node, with one connection for everything.
    Node(Arc<Channel>),
    /// It runs the FireFly data exchange.
    Sidecar(Arc<Pool>),
}

#[derive(Clone)]
pub(crate) enum State {
    /// The first attempt is under way.
    Connecting,
    /// It can be reached.
    Up(Way),
    /// The last attempt failed, or the connection broke; the next attempt comes by itself.
    Down(String),
}

/// The way to one target.
pub(crate) struct Link {
    pub(crate) target: Target,
    /// Places for calls under way.
    pub(crate) calls: Arc<Semaphore>,
    /// Places for messages under way.
    pub(crate) messages: Arc<Semaphore>,
    /// Places for questions under way.
    pub(crate) questions: Arc<Semaphore>,
    /// Places for blobs under way.
    pub(crate) blobs: Arc<Semaphore>,
    state: watch::Sender<State>,
    wake: Notify,
    /// Where it was reached last.
    last_endpoint: Mutex<Option<Endpoint>>,
    /// Whether it was a Photinus node when it was reached last.
    was_node: Mutex<Option<bool>>,
}

impl Link {
    pub(crate) fn new(target: Target, limits: &Limits) -> Self {
        let places = |count: usize| Arc::new(Semaphore::new(count.clamp(1, Semaphore::MAX_PERMITS)));
        Self {
            target,
            calls: places(limits.calls_per_peer),
            messages: places(limits.messages_per_peer),
            questions: places(limits.questions_per_peer),
            blobs: places(limits.blobs_per_peer),
            state: watch::Sender::new(State::Connecting),
            wake: Notify::new(),
            last_endpoint: Mutex::new(None),
            was_node: Mutex::new(None),
        }
    }

    /// Cuts the current pause short: there is reason to believe that the peer is there.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// How it is reached. Waits for the first attempt only; the reason when it is not.
    pub(crate) async fn way(&self) -> Result<Way, String> {
        let mut state = self.state.subscribe();
        let state = state
            .wait_for(|state| !matches!(state, State::Connecting))
            .await
            .map_err(|_| "the data exchange has stopped".to_owned())?;
        match &*state {
            State::Up(way) => Ok(way.clone()),
            State::Down(reason) => Err(reason.clone()),
            State::Connecting => Err("not connected".to_owned()),
        }
    }

    /// Whether calls can be made, or why not.
    pub(crate) fn health(&self) -> Result<(), String> {
        match &*self.state.borrow() {
            State::Up(_) => Ok(()),
            State::Connecting => Err("not connected yet".to_owned()),
            State::Down(reason) => Err(reason.clone()),
        }
    }

    /// Whether it answers questions, which FireFly's data exchange does not. `None` before it was reached.
    pub(crate) fn answers(&self) -> Option<bool> {
        *self.was_node.lock()
    }

    /// Keeps the connection until it is told to stop, or until `endpoints` has none left.
    pub(crate) async fn run(
        &self,
        config: Arc<ClientConfig>,
        limits: &Limits,
        stop: &CancellationToken,
        endpoints: impl Fn() -> Vec<Endpoint>,
        up: impl Fn(&Presented),
    ) {
        tokio::select! {
            () = self.keep(config, limits, endpoints, up) => {}
            () = stop.cancelled() => {}
        }
        self.state.send_replace(State::Down("the data exchange has stopped".to_owned()));
    }

    async fn keep(
        &self,
        config: Arc<ClientConfig>,
        limits: &Limits,
        endpoints: impl Fn() -> Vec<Endpoint>,
        up: impl Fn(&Presented),
    ) {
        let mut pause = FIRST_PAUSE;
        loop {
            let candidates = endpoints();
            if candidates.is_empty() {
                return;
            }
            let mut reason = String::new();
            for endpoint in self.in_order(candidates) {
                let attempt = timeout(limits.connect, open(&endpoint, Arc::clone(&config), limits));
                match attempt.await.unwrap_or_else(|_| Err("no answer in time".to_owned())) {
                    Err(error) => reason = format!("{endpoint}: {error}"),
                    Ok(opened) => {
                        *self.last_endpoint.lock() = Some(endpoint.clone());
                        let since = Instant::now();
                        reason = format!("{endpoint}: {}", self.stay(opened, &endpoint, limits, &up).await);
                        if since.elapsed() >= GOOD {
                            pause = FIRST_PAUSE;
                        }
                        break;
                    }
                }
            }
            tracing::debug!(target = ?self.target, reason, "peer not connected");
            self.state.send_replace(State::Down(reason));
            tokio::select! {
                () = tokio::time::sleep(jitter(pause)) => pause = (pause * 2).min(limits.max_back_off),
                () = self.wake.notified() => {}
            }
        }
    }

    /// Stays with a peer that was reached until it is lost, and gives the reason.
    async fn stay(&self, opened: Opened, endpoint: &Endpoint, limits: &Limits, up: &impl Fn(&Presented)) -> String {
        *self.was_node.lock() = Some(matches!(opened, Opened::Node(..)));
        match opened {
            Opened::Node(channel, driver) => {
                tracing::info!(target = ?self.target, %endpoint, "peer connected");
                let presented = channel.presented.clone();
                self.state.send_replace(State::Up(Way::Node(channel)));
                up(&presented);
                if driver.await.is_err() {
                    tracing::warn!(%endpoint, "the task of a connection failed");
                }
                "the connection broke".to_owned()
            }
            Opened::Sidecar(pool, presented) => {
                tracing::info!(target = ?self.target, %endpoint, "peer reached, which runs a FireFly data exchange");
                self.state.send_replace(State::Up(Way::Sidecar(Arc::clone(&pool))));
                up(&presented);
                loop {
                    tokio::select! {
                        () = tokio::time::sleep(limits.keep_alive) => {}
                        () = self.wake.notified() => {}
                    }
                    if let Err(reason) = pool.ping().await {
                        return reason;
                    }
                }
            }
        }
    }

    /// The endpoint that worked last goes first.
    fn in_order(&self, mut candidates: Vec<Endpoint>) -> Vec<Endpoint> {
        if let Some(last) = &*self.last_endpoint.lock()
            && let Some(at) = candidates.iter().position(|endpoint| endpoint == last)
        {
            candidates[..=at].rotate_right(1);
        }
        candidates
    }
}

/// Half to all of the pause, so that members who lost each other at the same moment do not meet at the same moments.
fn jitter(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.5..=1.0))
}

/// A peer that was reached.
enum Opened {
    Node(Arc<Channel>, AbortOnDropHandle<()>),
    Sidecar(Arc<Pool>, Presented),
}

/// A TLS connection whose other end is trusted to be the target that `config` is for.
pub(crate) async fn handshake(endpoint: &Endpoint, config: Arc<ClientConfig>) -> Result<TlsStream<TcpStream>, String> {
    let tcp = TcpStream::connect((endpoint.host(), endpoint.port())).await.map_err(|e| e.to_string())?;
    tcp.set_nodelay(true).map_err(|e| e.to_string())?;
    TlsConnector::from(config).connect(endpoint.server_name(), tcp).await.map_err(|e| e.to_string())
}

async fn open(endpoint: &Endpoint, config: Arc<ClientConfig>, limits: &Limits) -> Result<Opened, String> {
    let tls = handshake(endpoint, Arc::clone(&config)).await?;
    let session = tls.get_ref().1;
    let presented = match session.peer_certificates() {
        Some([leaf, intermediates @ ..]) => Presented::new(leaf, intermediates).map_err(|e| e.to_string())?,
        _ => return Err("the peer has no certificate".to_owned()),
    };
    if session.alpn_protocol() != Some(tls::H2) {
        let pool = Pool::new(endpoint.clone(), config, limits.connect);
        drop(tls);
        pool.ping().await?;
        return Ok(Opened::Sidecar(pool, presented));
    }
    let (mut sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(WINDOWS.0)
        .initial_connection_window_size(WINDOWS.1)
        .max_frame_size(FRAME)
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(16 * 1024)
        .keep_alive_interval(limits.keep_alive)
        .keep_alive_timeout(limits.keep_alive)
        .keep_alive_while_idle(true)
        .handshake(TokioIo::new(tls))
        .await
        .map_err(|e| e.to_string())?;
    let driver = AbortOnDropHandle::new(tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection to a peer broke");
        }
    }));
    let ping = Request::builder()
        .method(Method::HEAD)
        .uri(format!("https://{}{}/api/v1/ping", endpoint.authority(), endpoint.prefix()))
        .header(header::CONTENT_LENGTH, 0)
        .body(frame::text(""))
        .map_err(|e| e.to_string())?;
    let answer = sender.send_request(ping).await.map_err(|e| format!("the peer closed the connection ({e})"))?;
    if answer.status() != StatusCode::NO_CONTENT {
        return Err(format!("the peer answered {} to a ping", answer.status()));
    }
    let channel = Channel { sender, endpoint: endpoint.clone(), presented };
    Ok(Opened::Node(Arc::new(channel), driver))
}
