//! Deliveries to peers that run the FireFly data exchange.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use http::{Method, Request, StatusCode, header};
use photinus_model::Hash;
use photinus_ports::{
    blobs::BlobStore,
    exchange::{BlobParcel, Error, MessageParcel, Receipt},
    stream::{self, ByteStream},
};
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use super::{BLOBS, MAX_MESSAGE, MESSAGES, Pool, pool::Attempt, write::Form};
use crate::{call::Progress, shared::Shared};

/// Such a peer ends every request after 300 seconds.
const LONGEST: Duration = Duration::from_secs(290);

/// Delivers a message.
pub(crate) async fn message(shared: &Shared, pool: &Pool, parcel: MessageParcel) -> Result<Receipt, Error> {
    let MessageParcel { route, payload, .. } = parcel;
    let refused = |reason: String| Error::Refused { peer: route.to.0.clone(), reason };
    if payload.len() > MAX_MESSAGE {
        let reason = format!(
            "not sent: it has {} bytes, and a FireFly data exchange cuts what is over {MAX_MESSAGE}; use smaller batches",
            payload.len()
        );
        return Err(refused(reason));
    }
    if std::str::from_utf8(&payload).is_err() {
        return Err(refused("not sent: a FireFly data exchange takes text only".to_owned()));
    }
    let form = Form::message(&route);
    let attempt = || {
        let progress = Progress::default();
        Attempt {
            request: Request::builder()
                .method(Method::POST)
                .uri(MESSAGES)
                .header(header::CONTENT_TYPE, form.content_type())
                .header(header::CONTENT_LENGTH, form.length(payload.len() as u64)),
            body: form.body(stream::once(payload.clone()), progress.tick()),
            progress,
        }
    };
    let answer = pool.send(attempt, shared.limits.answer).await;
    verdict(&route.to.0, answer)
}

/// Delivers a blob.
pub(crate) async fn blob(
    shared: &Shared,
    pool: &Pool,
    store: &Arc<dyn BlobStore>,
    parcel: BlobParcel,
) -> Result<Receipt, Error> {
    let name = parcel.path.rsplit('/').next().unwrap_or_default();
    let form = Form::file(&parcel.route, name);
    let damage = Arc::new(AtomicBool::new(false));
    let attempt = || {
        let (damage, hash) = (Arc::clone(&damage), parcel.hash);
        let (store, payload_ref, size) = (Arc::clone(store), parcel.payload_ref.clone(), parcel.size);
        // Opened when the connection asks for it, because an attempt may not come that far.
        let content = futures::stream::once(async move {
            let (found, content) = store.open(&payload_ref).await.map_err(std::io::Error::other)?;
            if found == size {
                Ok(checked(content, hash, damage))
            } else {
                Err(std::io::Error::other("the blob has another size"))
            }
        });
        let (progress, count) = (Progress::default(), shared.traffic.sending());
        let content = content.try_flatten().inspect_ok(move |piece: &Bytes| count(piece.len()));
        Attempt {
            request: Request::builder()
                .method(Method::PUT)
                .uri(format!("{BLOBS}{}", parcel.path))
                .header(header::CONTENT_TYPE, form.content_type())
                .header(header::CONTENT_LENGTH, form.length(size)),
            body: form.body(Box::pin(content), progress.tick()),
            progress,
        }
    };
    match timeout(LONGEST, pool.send(attempt, shared.limits.answer)).await {
        _ if damage.load(Ordering::Acquire) => {
            let reason = format!("not sent: this node's copy of the blob '{}' is damaged", parcel.payload_ref);
            Err(Error::Refused { peer: parcel.route.to.0, reason })
        }
        Ok(answer) => verdict(&parcel.route.to.0, answer),
        Err(_) => Err(Error::Failed(format!(
            "peer '{}' runs a FireFly data exchange, which takes what arrives within {} seconds, and {} bytes did not",
            parcel.route.to.0,
            LONGEST.as_secs(),
            parcel.size
        ))),
    }
}

/// The same bytes, of which the last come only if all of them have this hash: such a peer does not know what it should be.
fn checked(content: ByteStream, hash: Hash, damage: Arc<AtomicBool>) -> ByteStream {
    let state = Some((content, Sha256::new(), None::<Bytes>));
    Box::pin(futures::stream::unfold(state, move |state| {
        let damage = Arc::clone(&damage);
        async move {
            let (mut content, mut hasher, mut held) = state?;
            loop {
                match content.next().await {
                    Some(Ok(piece)) => {
                        hasher.update(&piece);
                        if let Some(before) = held.replace(piece) {
                            return Some((Ok(before), Some((content, hasher, held))));
                        }
                    }
                    Some(Err(error)) => return Some((Err(error), None)),
                    None if Hash(hasher.finalize().into()) == hash => return held.map(|last| (Ok(last), None)),
                    None => {
                        damage.store(true, Ordering::Release);
                        return Some((Err(std::io::Error::other("the blob is damaged")), None));
                    }
                }
            }
        }
    }))
}

fn verdict(peer: &str, answer: Result<(StatusCode, String), String>) -> Result<Receipt, Error> {
    let (code, reason) = answer.map_err(|reason| Error::Unreachable { peer: peer.to_owned(), reason })?;
    match code {
        code if code.is_success() => Ok(Receipt::Transport),
        // It may not have read yet on the ledger who the nodes are.
        StatusCode::NOT_FOUND if reason.starts_with("Unknown") => {
            Err(Error::Failed(format!("peer '{peer}': {reason}")))
        }
        StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::PAYLOAD_TOO_LARGE => {
            Err(Error::Refused { peer: peer.to_owned(), reason })
        }
        _ => Err(Error::Failed(format!("peer '{peer}': {reason}"))),
    }
}
