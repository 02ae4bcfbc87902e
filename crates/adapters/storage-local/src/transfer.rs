//! Moves streams to files and files to streams, a chunk at a time, on the threads for blocking work.
//!
//! A transfer holds two pieces, whatever the size of the content: one that the disk has, and one that the other side has meanwhile. It
//! holds no thread while the other side is slow. What comes is written and digested at the same time.

use std::{
    fs::File,
    io::{self, Read},
    sync::Arc,
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use photinus_ports::stream::ByteStream;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::{CHUNK, staging::Unfinished};

/// Bytes that are written at a time.
const PIECE: usize = 512 << 10;

/// Bytes after which the disk is told to keep what is written, while more comes: at the end there is little to wait for.
const FLUSH: usize = 16 << 20;

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
    let mut writing = Writing { at: Step::Idle(file, digest), unflushed: 0, flush: None };
    let mut size: u64 = 0;
    // Two pieces take turns: memory that is freed on another thread than its own is given back late.
    let mut held = Vec::new();
    loop {
        let mut chunk = match content.next().await.transpose() {
            Ok(Some(chunk)) if size.saturating_add(chunk.len() as u64) <= limit => chunk,
            Ok(None) => {
                if !held.is_empty() {
                    (writing, _) = writing.write(held).await.map_err(Error::Disk)?;
                }
                let (file, digest) = writing.done().await.map_err(Error::Disk)?;
                return Ok((file, digest, size));
            }
            refused => {
                // The file goes with this, and not some time later.
                drop(writing.done().await);
                return Err(refused.err().map_or(Error::TooLarge(limit), Error::Source));
            }
        };
        size += chunk.len() as u64;
        while !chunk.is_empty() {
            held.extend_from_slice(&chunk.split_to(chunk.len().min(PIECE - held.len())));
            if held.len() == PIECE {
                (writing, held) = writing.write(held).await.map_err(Error::Disk)?;
            }
        }
    }
}

/// A file and its digest, on their way.
struct Writing<D> {
    at: Step<D>,
    /// Bytes since the disk was last told to keep them.
    unflushed: usize,
    flush: Option<JoinHandle<io::Result<()>>>,
}

/// While the last piece is written and digested, or when it is.
enum Step<D> {
    Idle(Unfinished, D),
    Busy(JoinHandle<io::Result<Unfinished>>, JoinHandle<D>, Arc<Vec<u8>>),
}

impl<D: Digest> Writing<D> {
    /// Begins to write a piece, once the one before is written; its memory is given back.
    async fn write(self, piece: Vec<u8>) -> io::Result<(Self, Vec<u8>)> {
        let Self { at, mut unflushed, mut flush } = self;
        let (mut file, mut digest, spare) = at.done().await?;
        if unflushed >= FLUSH {
            flushed(flush).await?;
            let written = file.written()?;
            (unflushed, flush) = (0, Some(spawn_blocking(move || written.sync_data())));
        }
        unflushed += piece.len();
        let piece = Arc::new(piece);
        let (to_write, to_digest) = (Arc::clone(&piece), Arc::clone(&piece));
        let writing = spawn_blocking(move || file.write(&to_write).map(|()| file));
        let digesting = spawn_blocking(move || {
            digest.update(&to_digest);
            digest
        });
        Ok((Self { at: Step::Busy(writing, digesting, piece), unflushed, flush }, spare))
    }

    async fn done(self) -> io::Result<(Unfinished, D)> {
        let (file, digest, _) = self.at.done().await?;
        // The system tells of what it could not write only once, so it is not left to whoever flushes next.
        flushed(self.flush).await?;
        Ok((file, digest))
    }
}

impl<D> Step<D> {
    /// The file, its digest, and the emptied memory of the last piece.
    async fn done(self) -> io::Result<(Unfinished, D, Vec<u8>)> {
        match self {
            Self::Idle(file, digest) => Ok((file, digest, Vec::new())),
            Self::Busy(writing, digesting, piece) => {
                let digest = digesting.await;
                let file = writing.await.map_err(io::Error::other)??;
                let mut spare = Arc::into_inner(piece).unwrap_or_default();
                spare.clear();
                Ok((file, digest.map_err(io::Error::other)?, spare))
            }
        }
    }
}

async fn flushed(flush: Option<JoinHandle<io::Result<()>>>) -> io::Result<()> {
    match flush {
        Some(flush) => flush.await.map_err(io::Error::other)?,
        None => Ok(()),
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
    Busy(JoinHandle<io::Result<Found<D>>>),
    Over,
}

/// Bytes and what is left to read, or nothing more.
type Found<D> = Option<(Bytes, Option<Reading<D>>)>;

fn read<D: Digest>(mut reading: Reading<D>) -> io::Result<Found<D>> {
    let wanted = usize::try_from(reading.left.min(CHUNK as u64)).map_err(io::Error::other)?;
    // Not zeroed first, as a buffer to be filled would be.
    let mut bytes = Vec::with_capacity(wanted);
    if reading.file.by_ref().take(wanted as u64).read_to_end(&mut bytes)? < wanted {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
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

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;
    use sha2::Sha256;

    use super::*;
    use crate::staging::Staging;

    /// What becomes of parts of these sizes, and of their bytes.
    async fn received(sizes: &[usize], limit: u64) -> Result<(Vec<u8>, Vec<u8>, u64), Error> {
        let folder = tempfile::tempdir().unwrap();
        let staging = Staging::open(folder.path().join("incoming")).unwrap();
        let mut next = 0_u8;
        let mut part = |size: &usize| {
            next = next.wrapping_add(1);
            Bytes::from((0..*size).map(|at| (at % 251) as u8 ^ next).collect::<Vec<_>>())
        };
        let parts: Vec<Bytes> = sizes.iter().map(&mut part).collect();
        let content = stream::iter(parts.clone().into_iter().map(Ok));
        let (file, digest, size) =
            receive(Box::pin(content), staging.create().unwrap(), Sha256::default(), limit).await?;
        let whole = parts.concat();
        assert_eq!(sha2::Digest::finalize(digest)[..], <Sha256 as sha2::Digest>::digest(&whole)[..]);
        let path = folder.path().join("whole");
        file.place(&path).unwrap();
        let file = File::open(&path).unwrap();
        let back = send(file, size, (), |()| Ok(())).try_collect::<Vec<_>>().await.unwrap().concat();
        Ok((whole, back, size))
    }

    #[tokio::test]
    async fn parts_of_every_size_arrive_in_their_order() {
        let many: Vec<usize> = (0..1500).collect();
        let few = [4096, PIECE - 1, 2, PIECE, 0, 1, 2 * PIECE + 3, FLUSH + 1, PIECE];
        for sizes in [&[][..], &[0], &[1], &[PIECE], &many, &few] {
            let (sent, back, size) = received(sizes, u64::MAX).await.unwrap();
            assert_eq!(sent.len() as u64, size);
            assert!(sent == back, "{} bytes", sent.len());
        }
    }

    #[tokio::test]
    async fn what_is_too_large_is_refused_at_its_first_byte_too_many() {
        assert!(received(&[PIECE, PIECE], 2 * PIECE as u64).await.is_ok());
        let refused = received(&[PIECE, PIECE, 1], 2 * PIECE as u64).await;
        assert!(matches!(refused, Err(Error::TooLarge(limit)) if limit == 2 * PIECE as u64));
    }

    #[tokio::test]
    async fn a_file_that_was_cut_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cut");
        std::fs::write(&path, vec![7; CHUNK + 5]).unwrap();
        let read = send(File::open(&path).unwrap(), CHUNK as u64 + 6, (), |()| Ok(()));
        let error = read.try_collect::<Vec<_>>().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
