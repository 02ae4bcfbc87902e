//! Moves streams to files and files to streams, a chunk at a time, on the threads for blocking work.
//!
//! A transfer holds one chunk, whatever the size of the content, and no thread while the other side is slow.

use std::{
    fs::File,
    io::{self, Read},
};

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream};
use photinus_ports::stream::ByteStream;
use tokio::task::spawn_blocking;

use crate::{CHUNK, staging::Unfinished};

/// Something that sees all bytes of a transfer pass by.
pub(crate) trait Digest: Send + 'static {
    fn update(&mut self, bytes: &[u8]);
}

impl Digest for photinus_model::cid::Builder {
    fn update(&mut self, bytes: &[u8]) {
        Self::update(self, bytes);
    }
}

impl Digest for sha2::Sha256 {
    fn update(&mut self, bytes: &[u8]) {
        sha2::Digest::update(self, bytes);
    }
}

/// Looks at nothing.
impl Digest for () {
    fn update(&mut self, _bytes: &[u8]) {}
}

/// Why a stream did not become a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// It carries more than this many bytes.
    #[error("content is larger than {0} bytes")]
    TooLarge(u64),
    /// The stream broke.
    #[error("the stream broke: {0}")]
    Source(io::Error),
    /// The disk failed.
    #[error("the disk failed: {0}")]
    Disk(io::Error),
}

/// Runs blocking work. A panic in it becomes an error.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work).await.unwrap_or_else(|e| Err(io::Error::other(e)))
}

/// Writes a stream of at most `limit` bytes to a file. Gives the file, not yet durable, with its digest and its size.
pub(crate) async fn receive<D: Digest>(
    mut content: ByteStream,
    file: Unfinished,
    digest: D,
    limit: u64,
) -> Result<(Unfinished, D, u64), Error> {
    let mut state = (file, digest);
    let mut size: u64 = 0;
    let mut held = BytesMut::new();
    loop {
        let chunk = content.next().await.transpose().map_err(Error::Source)?;
        let over = chunk.is_none();
        if let Some(chunk) = chunk {
            size = size.saturating_add(chunk.len() as u64);
            if size > limit {
                return Err(Error::TooLarge(limit));
            }
            held.extend_from_slice(&chunk);
        }
        if held.len() >= CHUNK || (over && !held.is_empty()) {
            let bytes = held.split().freeze();
            state = blocking(move || {
                let (mut file, mut digest) = state;
                digest.update(&bytes);
                file.write(&bytes)?;
                Ok((file, digest))
            })
            .await
            .map_err(Error::Disk)?;
        }
        if over {
            return Ok((state.0, state.1, size));
        }
    }
}

struct Reading<D> {
    file: File,
    digest: D,
    left: u64,
    /// Handed out only when the whole is known to be right.
    last: Option<Check<D>>,
}

/// Decides at the end whether the content was right.
type Check<D> = Box<dyn FnOnce(D) -> io::Result<()> + Send>;

/// Reads a file of `size` bytes as a stream. The last chunk comes only after `check` has agreed with the digest of the whole;
/// where it does not, an error comes in its place.
pub(crate) fn send<D: Digest>(
    file: File,
    size: u64,
    digest: D,
    check: impl FnOnce(D) -> io::Result<()> + Send + 'static,
) -> ByteStream {
    let reading = Reading { file, digest, left: size, last: Some(Box::new(check)) };
    Box::pin(stream::unfold(Some(reading), |reading| async move {
        let reading = reading?;
        match blocking(move || read(reading)).await {
            Ok(Some((bytes, next))) => Some((Ok(bytes), next)),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    }))
}

/// The outcome of one step: bytes and what is left to read, or nothing more.
type Step<D> = Option<(Bytes, Option<Reading<D>>)>;

fn read<D: Digest>(mut reading: Reading<D>) -> io::Result<Step<D>> {
    let wanted = usize::try_from(reading.left.min(CHUNK as u64)).map_err(io::Error::other)?;
    let mut bytes = vec![0; wanted];
    reading.file.read_exact(&mut bytes)?;
    reading.digest.update(&bytes);
    reading.left -= wanted as u64;
    if reading.left > 0 {
        return Ok(Some((bytes.into(), Some(reading))));
    }
    if let Some(check) = reading.last.take() {
        check(reading.digest)?;
    }
    Ok((!bytes.is_empty()).then(|| (bytes.into(), None)))
}
