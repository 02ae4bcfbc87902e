//! The stream of events: a WebSocket over the connections that the calls use, so that proxy, TLS and headers are the same.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use photinus_remote::{Remote, chain};
use reqwest::{Method, StatusCode, Upgraded, header};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        handshake::{client::generate_key, derive_accept_key},
        protocol::{Role, WebSocketConfig},
    },
};
use url::Url;

/// A connected stream of events.
pub(crate) struct Socket(WebSocketStream<Upgraded>);

/// What can come.
pub(crate) enum Frame {
    Text(String),
    /// A sign of life.
    Alive,
}

/// The address of the stream: that of the calls, or one of its own, with its path replaced.
pub(crate) fn address(base: &Url, own: Option<&str>, path: &str) -> Result<Url, photinus_remote::Error> {
    let mut url = match own {
        // Written as the address of a WebSocket, or of HTTP.
        Some(own) => photinus_remote::parse(&match own.strip_prefix("ws") {
            Some(rest) if rest.starts_with("://") || rest.starts_with("s://") => format!("http{rest}"),
            _ => own.to_owned(),
        })?,
        None => base.clone(),
    };
    url.set_path(path);
    Ok(url)
}

impl Socket {
    pub(crate) async fn connect(remote: &Remote, url: &Url, largest: usize) -> Result<Self, String> {
        let key = generate_key();
        let request = remote
            .to(Method::GET, url.as_str())
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, &key);
        let response = request.send().await.map_err(|error| chain(&error))?;
        match response.status() {
            StatusCode::SWITCHING_PROTOCOLS => {}
            StatusCode::UNAUTHORIZED => {
                return Err(
                    "it refuses the stream of events (401): the header x-api-key must be its apiKey, and must \
                            not be sent when it has none"
                        .to_owned(),
                );
            }
            code => return Err(format!("it answered {code} instead of a stream of events")),
        }
        let accepted = response.headers().get(header::SEC_WEBSOCKET_ACCEPT).and_then(|value| value.to_str().ok());
        if accepted != Some(derive_accept_key(key.as_bytes()).as_str()) {
            return Err("its answer is not that of a WebSocket".to_owned());
        }
        let upgraded = response.upgrade().await.map_err(|error| chain(&error))?;
        let limits = WebSocketConfig::default().max_message_size(Some(largest)).max_frame_size(Some(largest));
        Ok(Self(WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(limits)).await))
    }

    /// What comes next.
    pub(crate) async fn next(&mut self) -> Result<Frame, String> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => return Ok(Frame::Text(text.as_str().to_owned())),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Ok(Frame::Alive),
                Some(Ok(Message::Close(_))) | None => return Err("it closed the stream of events".to_owned()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(chain(&error)),
            }
        }
    }

    pub(crate) async fn send(&mut self, text: String, most: Duration) -> Result<(), String> {
        self.put(Message::text(text), most).await
    }

    pub(crate) async fn ping(&mut self, most: Duration) -> Result<(), String> {
        self.put(Message::Ping(bytes::Bytes::new()), most).await
    }

    async fn put(&mut self, message: Message, most: Duration) -> Result<(), String> {
        let sent = tokio::time::timeout(most, self.0.send(message)).await;
        sent.map_err(|_| "it takes no acknowledgements".to_owned())?.map_err(|error| chain(&error))
    }

    pub(crate) async fn close(mut self) {
        // It notices in any case.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.0.close(None)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_the_calls_is_replaced() {
        let base = Url::parse("https://dx:3000/below").unwrap();
        let at = |own: Option<&str>| address(&base, own, "/ws").map(String::from);
        assert_eq!(at(None).unwrap(), "https://dx:3000/ws");
        assert_eq!(at(Some("ws://other:1/x")).unwrap(), "http://other:1/ws");
        assert_eq!(at(Some("wss://other")).unwrap(), "https://other/ws");
        assert_eq!(at(Some("http://other")).unwrap(), "http://other/ws");
        assert!(at(Some("ftp://other")).is_err());
    }
}
