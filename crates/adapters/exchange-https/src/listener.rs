//! Accepts connections: a handshake with a deadline, then requests of whoever proved to be a peer.

use std::{sync::Arc, time::Duration};

use hyper::{server::conn, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;

use crate::{
    answer::Caller,
    link::{FRAME, SEND_BUFFER, WINDOWS},
    shared::Shared,
    tls,
    trust::Presented,
};

/// How long an open connection may take to end when the node stops.
const FAREWELL: Duration = Duration::from_secs(2);
/// Pause after the system refused to give out a connection, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts until told to stop.
pub(crate) async fn run(shared: &Arc<Shared>, listener: TcpListener, config: ServerConfig) {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let handshakes = Arc::new(Semaphore::new(shared.limits.handshakes));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.stop.cancelled() => return,
        };
        let (tcp, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Strangers compete for these places. Dropping the newest keeps the cost of a flood bounded; the places are free
        // again within the handshake's deadline.
        let Ok(place) = Arc::clone(&handshakes).try_acquire_owned() else {
            tracing::warn!(%from, "too many handshakes at once, connection dropped");
            continue;
        };
        let (shared, acceptor) = (Arc::clone(shared), acceptor.clone());
        let tasks = shared.tasks.clone();
        tasks.spawn(async move {
            if let Err(reason) = connection(&shared, &acceptor, tcp, place).await {
                tracing::debug!(%from, reason, "connection refused");
            }
        });
    }
}

async fn connection(
    shared: &Arc<Shared>,
    acceptor: &TlsAcceptor,
    tcp: TcpStream,
    place: OwnedSemaphorePermit,
) -> Result<(), String> {
    tcp.set_nodelay(true).map_err(|e| e.to_string())?;
    let handshake = tokio::select! {
        handshake = timeout(shared.limits.handshake, acceptor.accept(tcp)) => handshake,
        () = shared.stop.cancelled() => return Ok(()),
    };
    let tls = handshake.map_err(|_| "the handshake took too long".to_owned())?.map_err(|e| e.to_string())?;
    drop(place);
    let presented = match tls.get_ref().1.peer_certificates() {
        Some([leaf, intermediates @ ..]) => Presented::new(leaf, intermediates),
        _ => return Err("no client certificate".to_owned()),
    };
    let presented = presented.map_err(|e| e.to_string())?;
    let id = shared.trust.identify(&presented, shared.now()).map_err(|e| e.to_string())?;
    shared.met(&presented);
    // Who calls here can probably be reached again.
    if let Some(link) = shared.link(&id) {
        link.wake();
    }
    let guest = shared.guest(&id);
    let close = shared.stop.child_token();
    guest.enter(close.clone());
    let caller = Arc::new(Caller { shared: Arc::clone(shared), id, presented, guest });
    let result = serve(caller, tls, &close).await;
    close.cancel();
    result
}

async fn serve(caller: Arc<Caller>, tls: TlsStream<TcpStream>, close: &CancellationToken) -> Result<(), String> {
    let limits = caller.shared.limits.clone();
    let multiplexed = tls.get_ref().1.alpn_protocol() == Some(tls::H2);
    let service = service_fn(move |request| {
        let caller = Arc::clone(&caller);
        async move { caller.answer(request).await }
    });
    // Both kinds of connection are driven in the same way, but are not of one type.
    macro_rules! drive {
        ($connection:expr) => {{
            let mut connection = std::pin::pin!($connection);
            tokio::select! {
                ended = connection.as_mut() => ended.map_err(|e| e.to_string()),
                () = close.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    match timeout(FAREWELL, connection).await {
                        Ok(ended) => ended.map_err(|e| e.to_string()),
                        Err(_) => Ok(()),
                    }
                }
            }
        }};
    }
    let io = TokioIo::new(tls);
    if multiplexed {
        drive!(
            conn::http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .initial_stream_window_size(WINDOWS.0)
                .initial_connection_window_size(WINDOWS.1)
                .max_frame_size(FRAME)
                .max_send_buf_size(SEND_BUFFER)
                .max_header_list_size(16 * 1024)
                .max_concurrent_streams(limits.streams())
                .keep_alive_interval(limits.keep_alive)
                .keep_alive_timeout(limits.keep_alive)
                .serve_connection(io, service)
        )
    } else {
        drive!(
            conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(limits.head)
                .max_buf_size(64 * 1024)
                .serve_connection(io, service)
        )
    }
}
