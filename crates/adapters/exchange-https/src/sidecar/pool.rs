//! Connections to a peer that runs the FireFly data exchange, for one request at a time each.
//!
//! Such a peer closes a connection that was idle for five seconds, so one is used again only when it is younger than that.

use std::{sync::Arc, time::Duration};

use http::{Method, Request, Response, StatusCode, header};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::time::{Instant, timeout};
use tokio_rustls::rustls::ClientConfig;

use crate::{
    call::{self, Progress},
    endpoint::Endpoint,
    frame::{self, Outgoing},
    link,
};

/// How long an idle connection is used again.
const FRESH: Duration = Duration::from_secs(3);
/// Idle connections that are kept.
const KEPT: usize = 4;

/// The connections to one such peer.
pub(crate) struct Pool {
    endpoint: Endpoint,
    config: Arc<ClientConfig>,
    connect: Duration,
    idle: Mutex<Vec<(Instant, http1::SendRequest<Outgoing>)>>,
}

/// A request of which every attempt is made anew.
pub(super) struct Attempt {
    pub(super) request: http::request::Builder,
    pub(super) body: Outgoing,
    pub(super) progress: Progress,
}

impl Pool {
    pub(crate) fn new(endpoint: Endpoint, config: Arc<ClientConfig>, connect: Duration) -> Arc<Self> {
        Arc::new(Self { endpoint, config, connect, idle: Mutex::default() })
    }

    /// Takes in a connection that nothing was sent on yet, or whose last answer was read to its end.
    pub(crate) fn keep(&self, connection: http1::SendRequest<Outgoing>) {
        let mut idle = self.idle.lock();
        idle.retain(|(since, connection)| since.elapsed() < FRESH && !connection.is_closed());
        if idle.len() < KEPT {
            idle.push((Instant::now(), connection));
        }
    }

    fn kept(&self) -> Option<http1::SendRequest<Outgoing>> {
        let mut idle = self.idle.lock();
        idle.retain(|(since, connection)| since.elapsed() < FRESH && connection.is_ready());
        idle.pop().map(|(_, connection)| connection)
    }

    async fn connection(&self) -> Result<http1::SendRequest<Outgoing>, String> {
        let opening = link::handshake(&self.endpoint, Arc::clone(&self.config));
        let tls = timeout(self.connect, opening).await.map_err(|_| "no connection in time".to_owned())??;
        let (sender, connection) = http1::handshake(TokioIo::new(tls)).await.map_err(|e| e.to_string())?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection to a peer broke");
            }
        });
        Ok(sender)
    }

    /// Asks for a sign of life.
    pub(crate) async fn ping(&self) -> Result<(), String> {
        let attempt = || Attempt {
            request: Request::builder().method(Method::HEAD).uri("/api/v1/ping"),
            body: frame::text(""),
            progress: Progress::default(),
        };
        let (code, _) = self.send(attempt, self.connect).await?;
        if code == StatusCode::NO_CONTENT { Ok(()) } else { Err(format!("the peer answered {code} to a ping")) }
    }

    /// Sends a request, and gives status and the reason in the answer. A connection that had been closed meanwhile is no failure.
    pub(super) async fn send(
        &self,
        attempt: impl Fn() -> Attempt,
        patience: Duration,
    ) -> Result<(StatusCode, String), String> {
        if let Some(connection) = self.kept()
            && let Ok(answer) = self.once(connection, attempt(), patience).await
        {
            return Ok(answer);
        }
        let connection = self.connection().await?;
        self.once(connection, attempt(), patience).await
    }

    async fn once(
        &self,
        mut connection: http1::SendRequest<Outgoing>,
        attempt: Attempt,
        patience: Duration,
    ) -> Result<(StatusCode, String), String> {
        let Attempt { request, body, progress } = attempt;
        let mut request =
            request.header(header::HOST, self.endpoint.authority()).body(body).map_err(|e| e.to_string())?;
        let uri = format!("{}{}", self.endpoint.prefix(), request.uri().path());
        *request.uri_mut() = uri.parse().map_err(|_| "the address cannot be used".to_owned())?;
        connection.ready().await.map_err(|e| e.to_string())?;
        let response: Response<Incoming> = progress.wait(connection.send_request(request), patience).await?;
        let (code, body) = (response.status(), response.into_body());
        if code.is_success() {
            let read = frame::collect(body, 64 * 1024, patience).await;
            if read.is_ok() {
                self.keep(connection);
            }
            return Ok((code, String::new()));
        }
        Ok((code, call::reason(code, body, patience).await))
    }
}
