//! Deliveries of peers that run the FireFly data exchange.

use std::{fs::File, io, io::Write, path::PathBuf, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use photinus_model::{Hash, name};
use photinus_ports::exchange::{ReceivedBlob, Refusal, Route};
use sha2::{Digest, Sha256};
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep, timeout},
};

use super::{
    API, BLOBS, MESSAGE, MESSAGES, RECIPIENT, SENDER,
    form::{self, Form},
};
use crate::{
    answer::{Caller, PING},
    delivery::{Refused, blob::Ticket, blob::place, refused, route},
    frame::{self, Outgoing},
    guest::Place,
    traffic::Traffic,
};

/// How long what may pass is waited for. Such a peer gives a message five seconds, and tries once.
const PATIENCE: Duration = Duration::from_secs(4);
const PAUSE: Duration = Duration::from_millis(50);
/// The longest name of a node.
const MAX_NAME: u64 = 64;
/// What a form has around its content, at most, in bytes.
const AROUND: u64 = 16 * 1024;
/// Most bytes of a refused blob that are read for nothing, and how long that may take.
const SWALLOWED: usize = 64 << 20;
const SWALLOWING: Duration = Duration::from_secs(10);
/// Bytes of a file that are written at a time.
const PIECE: usize = 1 << 20;

impl Caller {
    /// Answers a request below the data exchange's path.
    pub(crate) async fn data_exchange(&self, request: Request<Incoming>) -> Result<Response<Outgoing>, Refused> {
        let path = request.uri().path().to_owned();
        let method = request.method().clone();
        if method == Method::HEAD && path == PING {
            return Ok(done());
        }
        let (head, body) = request.into_parts();
        if method == Method::POST && path == MESSAGES {
            return self.posted(&head.headers, body).await;
        }
        if method == Method::PUT
            && let Some(place) = path.strip_prefix(BLOBS)
        {
            return self.put(place, &head.headers, body).await;
        }
        Err(Refused(StatusCode::NOT_FOUND, format!("there is no {method} {API}{}", path.trim_start_matches(API))))
    }

    async fn posted(&self, headers: &HeaderMap, body: Incoming) -> Result<Response<Outgoing>, Refused> {
        let patience = Patience::begin();
        let limit = self.shared.limits.message;
        let length = route::number(headers, header::CONTENT_LENGTH.as_str())?.unwrap_or(limit).min(limit + AROUND);
        let _place = self.place(patience, || self.guest.message(length)).await?;
        let mut form = self.form(headers, body, limit + AROUND)?;
        let (mut names, mut message) = (Names::default(), None);
        while let Some(part) = form.part().await.map_err(unreadable)? {
            if part.name == MESSAGE {
                message = Some(form.whole(limit).await.map_err(unreadable)?);
            } else {
                names.read(&part.name, &mut form).await?;
            }
        }
        let message = message.ok_or_else(|| Refused(StatusCode::BAD_REQUEST, "Missing message".to_owned()))?;
        let route = self.route(names, patience).await?;
        while let Err(refusal) = self.shared.receivers.message(&route, message.clone()).await {
            patience.bear(refusal).await?;
        }
        Ok(done())
    }

    async fn put(&self, path: &str, headers: &HeaderMap, body: Incoming) -> Result<Response<Outgoing>, Refused> {
        let patience = Patience::begin();
        let wrong = |reason: &str| Refused(StatusCode::BAD_REQUEST, reason.to_owned());
        let (namespace, _) = place(path).ok_or_else(|| wrong("Invalid path"))?;
        let length = route::number(headers, header::CONTENT_LENGTH.as_str())?;
        let length = length
            .ok_or_else(|| Refused(StatusCode::LENGTH_REQUIRED, "a blob needs a Content-Length header".to_owned()))?;
        let limit = self.shared.limits.body;
        if length > limit.saturating_add(AROUND) {
            return Err(Refused(StatusCode::PAYLOAD_TOO_LARGE, format!("blobs of up to {limit} bytes are taken")));
        }
        let _place = self.place(patience, || self.guest.blob()).await?;
        let mut form = self.form(headers, body, length)?;
        let taken = self.take_blob(path, namespace, length, &mut form, patience).await;
        if taken.is_err() {
            swallow(form).await;
        }
        taken
    }

    async fn take_blob(
        &self,
        path: &str,
        namespace: &str,
        length: u64,
        form: &mut Form,
        patience: Patience,
    ) -> Result<Response<Outgoing>, Refused> {
        let mut names = Names::default();
        loop {
            let part = form.part().await.map_err(unreadable)?;
            let part = part.ok_or_else(|| Refused(StatusCode::BAD_REQUEST, "Missing blob".to_owned()))?;
            if part.is_file {
                break;
            }
            names.read(&part.name, form).await?;
        }
        let route = self.route(names, patience).await?;
        while let Err(refusal) = self.shared.receivers.admit_blob(&route, path, length).await {
            patience.bear(refusal).await?;
        }
        let store = self.shared.blob_store()?;
        let upload = Upload::receive(self.shared.partials.stray(), form, &self.shared.traffic).await?;
        let ticket = Ticket::new(&route, path, upload.hash, upload.size);
        let known = store.adopted(namespace, upload.hash, ticket.id()).await.map_err(unwritable)?.is_some();
        let stored = store.adopt(namespace, &upload.path, upload.hash, ticket.id()).await.map_err(unwritable)?;
        let blob = ReceivedBlob {
            route,
            path: path.to_owned(),
            hash: stored.hash,
            size: stored.size,
            payload_ref: stored.payload_ref.clone(),
        };
        let taken = self.hand_over(blob).await;
        if taken.is_err()
            && !known
            && let Err(error) = store.delete(&stored.payload_ref).await
        {
            tracing::warn!(%error, stored.payload_ref, "a blob that nobody takes stays behind");
        }
        taken.map(|()| done())
    }

    fn form(&self, headers: &HeaderMap, body: Incoming, limit: u64) -> Result<Form, Refused> {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let boundary = form::boundary(kind).ok_or_else(|| {
            Refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the content type must be multipart/form-data".to_owned())
        })?;
        Ok(Form::new(frame::chunks(body, limit, self.shared.limits.idle), boundary))
    }

    /// From whom to whom, once both are known here.
    async fn route(&self, names: Names, patience: Patience) -> Result<Route, Refused> {
        let route = Route {
            from: route::join(&self.id.0, names.sender.as_deref()),
            to: route::join(self.shared.identity.id(), names.recipient.as_deref()),
        };
        let unknown = |which: &str, name: Option<&String>| {
            let name = name.map_or("none", String::as_str);
            Refused(StatusCode::NOT_FOUND, format!("Unknown {which} destination recieved={name}"))
        };
        while let Err(refusal) = route::known_sender(&self.shared, &route) {
            patience.bear(refusal).await.map_err(|_| unknown("sender", names.sender.as_ref()))?;
        }
        while let Err(refusal) = self.shared.receivers.of(&route.to) {
            patience.bear(refusal).await.map_err(|_| unknown("recipient", names.recipient.as_ref()))?;
        }
        Ok(route)
    }

    /// A place among the deliveries of this peer.
    async fn place(&self, patience: Patience, place: impl Fn() -> Option<Place>) -> Result<Place, Refused> {
        loop {
            match place() {
                Some(place) => return Ok(place),
                None => patience.bear(Refusal::Later("too many deliveries of this peer".to_owned())).await?,
            }
        }
    }

    /// Gives a blob to the namespace that takes it.
    async fn hand_over(&self, blob: ReceivedBlob) -> Result<(), Refused> {
        let patience = Patience::begin();
        while let Err(refusal) = self.shared.receivers.blob(blob.clone()).await {
            patience.bear(refusal).await?;
        }
        Ok(())
    }
}

/// Reads what is left of a form that is refused, if it is not too much: whoever still writes does not read the refusal, takes it
/// for a broken connection, and stops all its other deliveries for minutes.
async fn swallow(mut form: Form) {
    let swallowing = async {
        let mut swallowed = 0;
        while swallowed < SWALLOWED
            && let Ok(Some(piece)) = form.chunk().await
        {
            swallowed += piece.len();
        }
    };
    // Whether it came to its end or not, the answer is due.
    let _ = timeout(SWALLOWING, swallowing).await;
}

/// How long this kind of peer can be kept waiting.
#[derive(Clone, Copy)]
struct Patience(Instant);

impl Patience {
    fn begin() -> Self {
        Self(Instant::now())
    }

    /// Waits before another try, unless the refusal is for good or the patience at its end.
    async fn bear(self, refusal: Refusal) -> Result<(), Refused> {
        match refusal {
            // The only status that such a peer does not try again, for which it would stop all its other deliveries.
            Refusal::Never(reason) => Err(Refused(StatusCode::NOT_FOUND, reason)),
            refusal if self.0.elapsed() >= PATIENCE => Err(refused(refusal)),
            _ => {
                sleep(PAUSE).await;
                Ok(())
            }
        }
    }
}

/// The names of nodes in a form.
#[derive(Default)]
struct Names {
    sender: Option<String>,
    recipient: Option<String>,
}

impl Names {
    /// Reads a field, if it is one of these.
    async fn read(&mut self, field: &str, form: &mut Form) -> Result<(), Refused> {
        let place = match field {
            SENDER => &mut self.sender,
            RECIPIENT => &mut self.recipient,
            _ => return Ok(()),
        };
        let text = form.whole(MAX_NAME).await.map_err(unreadable)?;
        let text = String::from_utf8(text.into()).ok().filter(|text| name::is_valid(text));
        let wrong = || Refused(StatusCode::BAD_REQUEST, format!("field '{field}' is no node name"));
        *place = Some(text.ok_or_else(wrong)?);
        Ok(())
    }
}

fn done() -> Response<Outgoing> {
    let mut response = Response::new(frame::text(""));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn unreadable(error: form::Error) -> Refused {
    let code = match error {
        form::Error::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        form::Error::Broken(_) | form::Error::Damaged(_) => StatusCode::BAD_REQUEST,
    };
    Refused(code, error.to_string())
}

fn unwritable(error: impl std::fmt::Display) -> Refused {
    Refused(StatusCode::SERVICE_UNAVAILABLE, format!("the blob cannot be stored now: {error}"))
}

/// A file that has arrived, under a name of its own until it is adopted. Dropping it removes it.
struct Upload {
    path: PathBuf,
    hash: Hash,
    size: u64,
}

impl Upload {
    async fn receive(path: PathBuf, form: &mut Form, traffic: &Traffic) -> Result<Self, Refused> {
        let mut upload = Self { path: path.clone(), hash: Hash([0; 32]), size: 0 };
        let created = spawn_blocking(move || File::create_new(path)).await.map_err(unwritable)?;
        let mut state = (created.map_err(unwritable)?, Sha256::new());
        loop {
            let (mut pieces, mut held) = (Vec::new(), 0);
            while held < PIECE
                && let Some(piece) = form.chunk().await.map_err(unreadable)?
            {
                held += piece.len();
                pieces.push(piece);
            }
            traffic.received(held as u64);
            upload.size += held as u64;
            let written = spawn_blocking(move || write(state, &pieces)).await.map_err(unwritable)?;
            state = written.map_err(unwritable)?;
            if held < PIECE {
                break;
            }
        }
        upload.hash = Hash(state.1.finalize().into());
        Ok(upload)
    }
}

fn write((mut file, mut hasher): (File, Sha256), pieces: &[Bytes]) -> io::Result<(File, Sha256)> {
    for piece in pieces {
        hasher.update(piece);
        file.write_all(piece)?;
    }
    Ok((file, hasher))
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %self.path.display(), "a file stays behind until the next start");
        }
    }
}
