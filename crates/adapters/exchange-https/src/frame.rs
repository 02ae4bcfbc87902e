//! How a parcel travels in an HTTP body: four bytes with the length of the head (big endian), the head, then the body up to
//! the end of the stream. HTTP/2 tells an end from a break, so a body that was cut is never taken for a whole one.

use std::{io, pin::Pin, sync::Arc, time::Duration};

use bytes::{Buf, Bytes, BytesMut};
use futures::{Stream, StreamExt, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Body as _, Frame, Incoming};
use photinus_ports::{pace::Pace, peers::Parcel, stream::ByteStream};
use tokio::time::Instant;

/// The largest head.
pub(crate) const MAX_HEAD: usize = 64 * 1024;

/// A body on its way out.
pub(crate) type Outgoing = StreamBody<Pin<Box<dyn Stream<Item = io::Result<Frame<Bytes>>> + Send>>>;

/// Why a body is not a parcel.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the head is larger than {MAX_HEAD} bytes")]
    HeadTooLarge,
    #[error("the head did not arrive in time")]
    Slow,
    #[error("the body ended within the head")]
    Short,
    #[error("the connection broke: {0}")]
    Broken(hyper::Error),
    #[error("the body is larger than {0} bytes, or than it said it would be")]
    TooLarge(u64),
    #[error("the body stopped flowing")]
    Stuck,
    #[error("the body ended too early")]
    Ended,
}

/// A body of a text.
pub(crate) fn text(content: impl Into<Bytes>) -> Outgoing {
    let content = content.into();
    let frames = stream::iter((!content.is_empty()).then(|| Ok(Frame::data(content))));
    StreamBody::new(Box::pin(frames))
}

/// Writes a parcel. `progress` is called whenever the connection takes a chunk.
pub(crate) fn encode(parcel: Parcel, progress: impl Fn() + Send + 'static) -> Result<Outgoing, Error> {
    if parcel.head.len() > MAX_HEAD {
        return Err(Error::HeadTooLarge);
    }
    let length = u32::try_from(parcel.head.len()).map_err(|_| Error::HeadTooLarge)?;
    let mut head = BytesMut::with_capacity(4 + parcel.head.len());
    head.extend_from_slice(&length.to_be_bytes());
    head.extend_from_slice(&parcel.head);
    // HTTP/2 libraries count empty frames and close connections on which they are many.
    let body = parcel.body.filter(|chunk| std::future::ready(!matches!(chunk, Ok(bytes) if bytes.is_empty())));
    let chunks = stream::once(async move { Ok(head.freeze()) }).chain(body);
    Ok(StreamBody::new(Box::pin(chunks.map(move |chunk| {
        progress();
        chunk.map(Frame::data)
    }))))
}

/// What a reader demands of a body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Demands {
    /// Within which the head must be there.
    pub(crate) head: Duration,
    /// Longest pause between two chunks, and the time in which some KiB must come.
    pub(crate) idle: Duration,
    /// Most bytes after the head.
    pub(crate) body: u64,
}

/// Reads a parcel's head and leaves the body to flow.
pub(crate) async fn decode(incoming: Incoming, demands: Demands) -> Result<Parcel, Error> {
    tokio::time::timeout(demands.head, read_head(incoming, demands)).await.map_err(|_| Error::Slow)?
}

async fn read_head(mut incoming: Incoming, demands: Demands) -> Result<Parcel, Error> {
    let mut held = BytesMut::new();
    let mut needed = 4;
    let mut length = None;
    loop {
        if held.len() >= needed {
            match length {
                Some(length) => {
                    let head = held.split_to(length).freeze();
                    return Ok(Parcel { head, body: flow(held.freeze(), incoming, demands) });
                }
                None => {
                    let announced = held.get_u32() as usize;
                    if announced > MAX_HEAD {
                        return Err(Error::HeadTooLarge);
                    }
                    length = Some(announced);
                    needed = announced;
                }
            }
            continue;
        }
        match incoming.frame().await {
            None => return Err(Error::Short),
            Some(Err(error)) => return Err(Error::Broken(error)),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    held.extend_from_slice(&data);
                }
            }
        }
    }
}

/// The next bytes of a body, as long as it keeps its pace. Empty frames count as silence.
async fn data(incoming: &mut Incoming, pace: &mut Pace) -> Result<Option<Bytes>, Error> {
    let data = async {
        loop {
            match incoming.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(Error::Broken(error)),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => return Ok(Some(data)),
                    _ => {}
                },
            }
        }
    };
    let asked = Instant::now();
    let data = tokio::time::timeout(pace.patience(), data).await.map_err(|_| Error::Stuck)??;
    pace.came(data.as_ref().map_or(0, Bytes::len), asked.elapsed());
    Ok(data)
}

/// Reads a body of at most `limit` bytes into memory. A pause between two chunks may be as long as `idle`.
pub(crate) async fn collect(mut incoming: Incoming, limit: u64, idle: Duration) -> Result<Bytes, Error> {
    let (mut whole, mut pace) = (BytesMut::new(), Pace::new(idle));
    while let Some(data) = data(&mut incoming, &mut pace).await? {
        if (whole.len() + data.len()) as u64 > limit {
            return Err(Error::TooLarge(limit));
        }
        if whole.is_empty() && incoming.is_end_stream() {
            return Ok(data);
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

/// A body of at most `limit` bytes as a stream.
pub(crate) fn chunks(incoming: Incoming, limit: u64, idle: Duration) -> ByteStream {
    flow(Bytes::new(), incoming, Demands { head: idle, idle, body: limit })
}

/// A body that is read in pieces of known sizes, without copies.
pub(crate) struct Pieces {
    incoming: Incoming,
    held: Bytes,
    pace: Pace,
}

impl Pieces {
    pub(crate) fn new(incoming: Incoming, idle: Duration) -> Self {
        Self { incoming, held: Bytes::new(), pace: Pace::new(idle) }
    }

    /// Exactly so many bytes, in the parts in which they came.
    pub(crate) async fn take(&mut self, mut wanted: u64) -> Result<Vec<Bytes>, Error> {
        let mut parts = Vec::new();
        while wanted > 0 {
            if self.held.is_empty() {
                self.held = data(&mut self.incoming, &mut self.pace).await?.ok_or(Error::Ended)?;
            }
            let most = usize::try_from(wanted).unwrap_or(usize::MAX).min(self.held.len());
            let part = self.held.split_to(most);
            wanted -= part.len() as u64;
            parts.push(part);
        }
        Ok(parts)
    }
}

struct Flow {
    first: Bytes,
    incoming: Incoming,
    left: u64,
    limit: u64,
    pace: Pace,
    over: bool,
}

fn flow(first: Bytes, incoming: Incoming, demands: Demands) -> ByteStream {
    let Demands { idle, body, .. } = demands;
    let flow = Flow { first, incoming, left: body, limit: body, pace: Pace::new(idle), over: false };
    Box::pin(stream::unfold(flow, |mut flow| async move {
        if flow.over {
            return None;
        }
        let item = flow.next().await?;
        flow.over = item.is_err();
        Some((item, flow))
    }))
}

impl Flow {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        let chunk = if self.first.is_empty() {
            match self.receive().await? {
                Ok(chunk) => chunk,
                Err(error) => return Some(Err(error)),
            }
        } else {
            std::mem::take(&mut self.first)
        };
        let Some(left) = self.left.checked_sub(chunk.len() as u64) else {
            let limit = self.limit;
            return Some(Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("body is larger than {limit} bytes"),
            )));
        };
        self.left = left;
        Some(Ok(chunk))
    }

    async fn receive(&mut self) -> Option<io::Result<Bytes>> {
        // Empty frames count as silence, or a peer could keep a call open with them.
        let data = data(&mut self.incoming, &mut self.pace).await;
        data.map_err(|error| match error {
            Error::Stuck => io::Error::new(io::ErrorKind::TimedOut, Error::Stuck),
            error => io::Error::other(error),
        })
        .transpose()
    }
}

/// A stream that keeps something alive until it ends or is dropped, such as the place of a call under way.
pub(crate) fn holding<T: Send + Sync + 'static>(body: ByteStream, held: Arc<T>) -> ByteStream {
    Box::pin(stream::unfold((body, held), |(mut body, held)| async move {
        let item = body.next().await?;
        Some((item, (body, held)))
    }))
}
