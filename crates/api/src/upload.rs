//! Uploads: a form of a few fields and, last, one file that streams to disk.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use http::header;
use multer::{Field, Multipart};
use photinus_engine::data::Fields;
use photinus_model::data::Data;
use photinus_ports::pace::Pace;
use tokio::time::Instant;

use crate::{failure::Failure, request::Request, room};

/// Most fields before the file.
const MAX_FIELDS: usize = 32;

/// Reads a form and stores its file.
pub(crate) async fn receive(request: Request) -> Result<Data, Failure> {
    let late = Arc::new(AtomicBool::new(false));
    let received = read(request, &late).await;
    received.map_err(|failure| if late.load(Ordering::Acquire) { Failure::timed_out() } else { failure })
}

async fn read(mut request: Request, late: &Arc<AtomicBool>) -> Result<Data, Failure> {
    let limits = request.shared.options.limits.clone();
    request.hold(room::STREAM)?;
    let boundary = request.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let boundary = multer::parse_boundary(boundary).map_err(broken)?;
    let body = std::mem::take(request.body.get_mut());
    let mut form = Multipart::new(pieces(body, limits.read_timeout, Arc::clone(late)), boundary);
    let mut fields = Fields::default();
    for _ in 0..=MAX_FIELDS {
        let Some(field) = form.next_field().await.map_err(broken)? else {
            return Err(Failure::bad("FF00161", "the form has no file: add a part with a file name"));
        };
        if field.file_name().is_none() {
            let name = field.name().unwrap_or_default().to_owned();
            let text = text(field, limits.field_size).await?;
            set(&mut fields, &name, text);
            continue;
        }
        field.file_name().unwrap_or_default().clone_into(&mut fields.filename);
        fields.mimetype = field.content_type().map(ToString::to_string).unwrap_or_default();
        return store(&request, fields, field, form).await;
    }
    Err(Failure::bad("FF00161", format_args!("the form has more than {MAX_FIELDS} fields before its file")))
}

async fn store(
    request: &Request,
    fields: Fields,
    file: Field<'static>,
    mut form: Multipart<'static>,
) -> Result<Data, Failure> {
    let namespace = request.namespace()?;
    let received = namespace.receive_blob(fields, Box::pin(file.map_err(io::Error::other))).await?;
    let behind = form.next_field().await;
    if let Ok(None) = behind {
        return Ok(namespace.keep_blob(received).await?);
    }
    namespace.discard_blob(received).await;
    match behind {
        Err(error) => Err(broken(error)),
        Ok(_) => Err(Failure::bad("FF00163", "the file must be the last part of the form: send fields before it")),
    }
}

fn set(fields: &mut Fields, name: &str, text: String) {
    match name.to_ascii_lowercase().as_str() {
        "metadata" => fields.metadata = Some(text),
        "autometa" => fields.autometa = text.eq_ignore_ascii_case("true"),
        "validator" => fields.validator = text,
        "datatype.name" => fields.datatype_name = text,
        "datatype.version" => fields.datatype_version = text,
        // What is not known is ignored, as everywhere.
        _ => {}
    }
}

async fn text(mut field: Field<'static>, limit: usize) -> Result<String, Failure> {
    let mut whole = Vec::new();
    while let Some(piece) = field.chunk().await.map_err(broken)? {
        if whole.len() + piece.len() > limit {
            return Err(Failure::too_large("a field of the form", limit));
        }
        whole.extend_from_slice(&piece);
    }
    let name = field.name().unwrap_or_default();
    String::from_utf8(whole)
        .map_err(|_| Failure::bad("FF00161", format_args!("field '{name}' of the form is not text")))
}

/// The pieces of a body, as long as it keeps its pace. When it does not, that is noted.
fn pieces(
    body: Body,
    patience: Duration,
    late: Arc<AtomicBool>,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream::unfold(Some((body.into_data_stream(), Pace::new(patience), late)), move |state| async move {
        let (mut body, mut pace, late) = state?;
        let asked = Instant::now();
        match tokio::time::timeout(pace.patience(), body.next()).await {
            Err(_) => {
                late.store(true, Ordering::Release);
                Some((Err(io::ErrorKind::TimedOut.into()), None))
            }
            Ok(None) => None,
            Ok(Some(Ok(piece))) => {
                pace.came(piece.len(), asked.elapsed());
                Some((Ok(piece), Some((body, pace, late))))
            }
            Ok(Some(Err(error))) => Some((Err(io::Error::other(error)), None)),
        }
    })
}

fn broken(error: multer::Error) -> Failure {
    Failure::bad("FF00161", format_args!("the form cannot be read: {error}"))
}
