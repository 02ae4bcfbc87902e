//! A request as handlers see it: its parts are read into types here, with one kind of refusal for each kind of mistake.

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http::{HeaderMap, header};
use parking_lot::Mutex;
use photinus_engine::Namespace;
use photinus_model::{Hash, Uuid, name};
use photinus_ports::pace::Pace;
use photinus_query::Query;
use photinus_store::Read;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::{failure::Failure, lenient, room::Place, server::Shared};

/// A request that matched a route.
pub(crate) struct Request {
    pub(crate) shared: Arc<Shared>,
    /// The namespace; absent on routes of the node as a whole.
    pub(crate) namespace: Option<Namespace>,
    /// What the path's variables stand for.
    pub(crate) variables: Vec<(&'static str, String)>,
    /// All parameters, decoded.
    pub(crate) pairs: Vec<(String, String)>,
    /// The listing that the parameters ask for, on routes that list.
    pub(crate) listing: Option<Query>,
    pub(crate) headers: HeaderMap,
    /// In a lock that nobody waits for: a body alone cannot be shared between threads, and handlers lend their request.
    pub(crate) body: Mutex<Body>,
    /// Room for what was read of the body. Kept until the request is answered: what became of the body is as large.
    pub(crate) held: Option<Place>,
    /// How long the request may take.
    pub(crate) timeout: Duration,
}

impl Request {
    /// The namespace of the request.
    pub(crate) fn namespace(&self) -> Result<&Namespace, Failure> {
        self.namespace.as_ref().ok_or_else(|| Failure::internal("a route without a namespace asks for it"))
    }

    /// Reads of the namespace of the request.
    pub(crate) fn read(&self) -> Result<Read<'_>, Failure> {
        let namespace = self.namespace()?;
        Ok(namespace.store().read(namespace.name()))
    }

    /// A variable of the path.
    pub(crate) fn variable(&self, wanted: &str) -> &str {
        self.variables.iter().find(|(name, _)| *name == wanted).map_or("", |(_, value)| value)
    }

    /// A variable of the path that is a UUID.
    pub(crate) fn id(&self, wanted: &str) -> Result<Uuid, Failure> {
        uuid(self.variable(wanted))
    }

    /// A variable of the path that is a 32-byte value.
    pub(crate) fn hash(&self, wanted: &str) -> Result<Hash, Failure> {
        let text = self.variable(wanted);
        Hash::parse_strict(text.strip_prefix("0x").unwrap_or(text)).map_err(|_| {
            Failure::bad("FF00107", format_args!("'{text}' is not a 32-byte value: 64 hexadecimal digits expected"))
        })
    }

    /// A variable of the path that is a name.
    pub(crate) fn name(&self, wanted: &str) -> Result<&str, Failure> {
        let text = self.variable(wanted);
        name::check(text, wanted).map_err(|error| Failure::bad(error.code(), error))?;
        Ok(text)
    }

    /// The first value of a parameter. Its name is matched exactly.
    pub(crate) fn parameter(&self, wanted: &str) -> Option<&str> {
        self.pairs.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
    }

    /// Whether a parameter is given and says yes.
    pub(crate) fn flag(&self, wanted: &str) -> bool {
        self.parameter(wanted).is_some_and(|value| value.is_empty() || value.eq_ignore_ascii_case("true"))
    }

    /// How long to wait for a confirmation, if the client wants to.
    pub(crate) fn wait(&self) -> Option<Duration> {
        self.flag("confirm").then_some(self.timeout)
    }

    /// The listing that the parameters ask for.
    pub(crate) fn listing(&self) -> Result<Query, Failure> {
        self.listing.clone().ok_or_else(|| Failure::internal("a route without a collection asks for a listing"))
    }

    /// The body as JSON. An empty one is refused.
    pub(crate) async fn json<T: DeserializeOwned>(&mut self) -> Result<T, Failure> {
        match media_type(&self.headers).as_str() {
            "application/json" => {}
            // Not a form's fields: they would be lost without a word.
            "application/x-www-form-urlencoded" => {
                return Err(Failure::bad("FF00162", "send the body as JSON, with Content-Type: application/json"));
            }
            _ => return Err(Failure::media_type("application/json")),
        }
        let body = self.bytes().await?;
        lenient::read(&body).map_err(Failure::from)
    }

    /// The body as JSON, where nothing means all defaults; forms and plain text too are nothing.
    pub(crate) async fn json_or_default<T: DeserializeOwned + Default>(&mut self) -> Result<T, Failure> {
        match media_type(&self.headers).as_str() {
            "application/json" => {}
            "application/x-www-form-urlencoded" | "text/plain" | "" => return Ok(T::default()),
            _ => return Err(Failure::media_type("application/json")),
        }
        let body = self.bytes().await?;
        if body.iter().all(u8::is_ascii_whitespace) {
            Ok(T::default())
        } else {
            lenient::read(&body).map_err(Failure::from)
        }
    }

    async fn bytes(&mut self) -> Result<Bytes, Failure> {
        let limits = self.shared.options.limits.clone();
        let declared =
            self.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        if declared.is_some_and(|length| length > limits.json_size) {
            return Err(Failure::too_large("the body", limits.json_size));
        }
        if let Some(length) = declared {
            self.hold(length)?;
        }
        let mut stream = std::mem::take(self.body.get_mut()).into_data_stream();
        let (mut whole, mut pace) = (BytesMut::new(), Pace::new(limits.read_timeout));
        loop {
            let asked = Instant::now();
            match tokio::time::timeout(pace.patience(), stream.next()).await {
                Err(_) => return Err(Failure::timed_out()),
                Ok(None) => return Ok(whole.freeze()),
                Ok(Some(Err(error))) => {
                    return Err(Failure::bad("FF00161", format_args!("the body broke off: {error}")));
                }
                Ok(Some(Ok(piece))) if whole.len() + piece.len() > limits.json_size => {
                    return Err(Failure::too_large("the body", limits.json_size));
                }
                Ok(Some(Ok(piece))) => {
                    if declared.is_none() {
                        self.hold(piece.len())?;
                    }
                    pace.came(piece.len(), asked.elapsed());
                    whole.extend_from_slice(&piece);
                }
            }
        }
    }

    /// Makes sure that there is room for so many more bytes.
    pub(crate) fn hold(&mut self, bytes: usize) -> Result<(), Failure> {
        let place = self.shared.rooms.body(bytes, &self.shared.metrics)?;
        match &mut self.held {
            Some(held) => held.merge(place),
            None => self.held = Some(place),
        }
        Ok(())
    }
}

/// The media type of a body without its parameters, in lower case.
pub(crate) fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// A text that is a UUID.
pub(crate) fn uuid(text: &str) -> Result<Uuid, Failure> {
    name::read_uuid(text).ok_or_else(|| Failure::bad("FF00138", format_args!("'{text}' is not a UUID")))
}
