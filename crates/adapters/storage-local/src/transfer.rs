//! Moves streams to files and files to streams, a chunk at a time, on the threads for blocking work.
//!
//! A transfer holds two chunks, whatever the size of the content: one that the disk has, and one that the other side has meanwhile. It
//! holds no thread while the other side is slow.

use std::{
    fs::File,
    io::{self, Read},
};

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream};
use photinus_ports::stream::ByteStream;
use tokio::task::{JoinHandle, spawn_blocking};

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
    let mut writing = Writing::Idle(file, digest);
    let mut size: u64 = 0;
    let mut held = BytesMut::new();
    loop {
        let chunk = match content.next().await.transpose() {
            Ok(chunk) if chunk.as_ref().is_none_or(|chunk| size.saturating_add(chunk.len() as u64) <= limit) => chunk,
            refused => {
                // The file goes with this, and not some time later.
                drop(writing.done().await);
                return Err(refused.err().map_or(Error::TooLarge(limit), Error::Source));
            }
        };
        let over = chunk.is_none();
        if let Some(chunk) = chunk {
            size += chunk.len() as u64;
            held.extend_from_slice(&chunk);
        }
        if held.len() >= CHUNK || (over && !held.is_empty()) {
            writing = writing.write(held.split().freeze()).await.map_err(Error::Disk)?;
        }
        if over {
            let (file, digest) = writing.done().await.map_err(Error::Disk)?;
            return Ok((file, digest, size));
        }
    }
}

/// A file and its digest, while the last chunk is written or when it is.
enum Writing<D> {
    Idle(Unfinished, D),
    Busy(JoinHandle<io::Result<(Unfinished, D)>>),
}

impl<D: Digest> Writing<D> {
    /// Begins to write a chunk, once the one before is written.
    async fn write(self, bytes: Bytes) -> io::Result<Self> {
        let (mut file, mut digest) = self.done().await?;
        Ok(Self::Busy(spawn_blocking(move || {
            digest.update(&bytes);
            file.write(&bytes)?;
            Ok((file, digest))
        })))
    }

    async fn done(self) -> io::Result<(Unfinished, D)> {
        match self {
            Self::Idle(file, digest) => Ok((file, digest)),
            Self::Busy(task) => task.await.unwrap_or_else(|e| Err(io::Error::other(e))),
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
    Box::pin(stream::unfold(Ahead::Next(reading), |ahead| async move {
        let task = match ahead {
            Ahead::Next(reading) => spawn_blocking(move || read(reading)),
            Ahead::Busy(task) => task,
            Ahead::Over => return None,
        };
        match task.await.unwrap_or_else(|e| Err(io::Error::other(e))) {
            Ok(Some((bytes, next))) => {
                let ahead = next.map_or(Ahead::Over, |reading| Ahead::Busy(spawn_blocking(move || read(reading))));
                Some((Ok(bytes), ahead))
            }
            Ok(None) => None,
            Err(error) => Some((Err(error), Ahead::Over)),
        }
    }))
}

/// What of a file is read next, and whether that has begun.
enum Ahead<D> {
    Next(Reading<D>),
    Busy(JoinHandle<io::Result<Step<D>>>),
    Over,
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
