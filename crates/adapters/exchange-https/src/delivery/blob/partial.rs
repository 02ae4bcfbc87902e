//! The part of a blob that has arrived: a file, and a journal of the proofs up to which it was right.
//!
//! The journal's first line is the ticket; each further line is the SHA-256 of the blob up to the end of one more chunk. What a
//! crash leaves is believed only as far as the file hashes to the journal's lines, so neither file needs to be written in step
//! with the other. Everything here blocks on the disk.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use photinus_model::Hash;
use sha2::{Digest, Sha256};

use super::{CHUNK, Ticket};

/// Bytes after which the disk is told to keep what is proved. A power failure takes at most twice as many, besides the chunk that was
/// arriving: those that are being flushed, and those that came meanwhile.
const SYNC: u64 = 16 << 20;

/// Bytes of a proof's line.
const PROOF: u64 = 65;

/// Where the two files of a delivery are.
#[derive(Clone, Debug)]
pub(super) struct Files {
    pub(super) content: PathBuf,
    journal: PathBuf,
}

impl Files {
    pub(super) fn of(dir: &Path, key: Hash) -> Self {
        Self { content: dir.join(format!("{key}.part")), journal: dir.join(format!("{key}.journal")) }
    }

    /// Removes both. The journal goes first: without it the other is nothing.
    pub(super) fn remove(&self) -> io::Result<()> {
        for path in [&self.journal, &self.content] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// A blob that is arriving.
#[derive(Debug)]
pub(super) struct Partial {
    size: u64,
    content: File,
    journal: File,
    /// Where the journal's proofs begin.
    proofs: u64,
    /// Over everything that is written.
    hasher: Sha256,
    written: u64,
    /// Over what is proved.
    proved_hasher: Sha256,
    proved: u64,
    /// Bytes proved since the disk was last told to keep them.
    unsynced: u64,
}

/// What was proved and is not durable.
pub(super) struct Unsynced {
    content: File,
    journal: File,
}

impl Unsynced {
    pub(super) fn sync(&self) -> io::Result<()> {
        self.content.sync_data()?;
        self.journal.sync_data()
    }
}

impl Partial {
    /// Begins with nothing.
    pub(super) fn create(dir: &Path, ticket: &Ticket) -> io::Result<Self> {
        let files = Files::of(dir, ticket.key());
        let options = || OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).clone();
        let content = options().open(&files.content)?;
        let mut journal = options().open(&files.journal)?;
        let header = header(ticket)?;
        journal.write_all(&header)?;
        journal.sync_data()?;
        File::open(dir)?.sync_all()?;
        Ok(Self::of(ticket.size, content, journal, header.len() as u64))
    }

    /// Goes on with what is there: the chunks that hash to the journal's proofs. `None` when there is nothing of use.
    pub(super) fn open(dir: &Path, ticket: &Ticket) -> io::Result<Option<Self>> {
        let files = Files::of(dir, ticket.key());
        let options = || OpenOptions::new().read(true).write(true).clone();
        let (content, journal) = match (options().open(&files.content), options().open(&files.journal)) {
            (Ok(content), Ok(journal)) => (content, journal),
            (Err(error), _) | (_, Err(error)) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => return Ok(None),
        };
        let header = header(ticket)?;
        let mut lines = BufReader::new(&journal);
        let mut line = Vec::new();
        lines.by_ref().take(header.len() as u64).read_to_end(&mut line)?;
        if line != header {
            return Ok(None);
        }
        let proofs: Vec<_> = lines.lines().map_while(Result::ok).map_while(|l| Hash::parse_strict(&l).ok()).collect();
        let mut partial = Self::of(ticket.size, content, journal, header.len() as u64);
        let mut buffer = vec![0; 1 << 20];
        for proof in &proofs {
            if !partial.reread(*proof, &mut buffer)? {
                break;
            }
        }
        partial.journal.set_len(partial.proofs + partial.proved.div_ceil(CHUNK) * PROOF)?;
        partial.rewind()?;
        Ok(Some(partial))
    }

    fn of(size: u64, content: File, journal: File, proofs: u64) -> Self {
        let (hasher, proved_hasher) = (Sha256::new(), Sha256::new());
        Self { size, content, journal, proofs, hasher, written: 0, proved_hasher, proved: 0, unsynced: 0 }
    }

    /// Reads one more chunk from the file. Whether it is there and right.
    fn reread(&mut self, proof: Hash, buffer: &mut [u8]) -> io::Result<bool> {
        let end = self.chunk_end();
        let mut hasher = self.proved_hasher.clone();
        let mut at = self.proved;
        while at < end {
            let most = usize::try_from(end - at).unwrap_or(usize::MAX).min(buffer.len());
            let read = self.content.read_at(&mut buffer[..most], at)?;
            if read == 0 {
                return Ok(false);
            }
            hasher.update(&buffer[..read]);
            at += read as u64;
        }
        if at == self.proved || Hash(hasher.clone().finalize().into()) != proof {
            return Ok(false);
        }
        (self.proved, self.proved_hasher) = (at, hasher);
        Ok(true)
    }

    /// Up to where it is proved.
    pub(super) const fn offset(&self) -> u64 {
        self.proved
    }

    /// Where the chunk ends that follows what is proved.
    pub(super) fn chunk_end(&self) -> u64 {
        (self.proved + CHUNK).min(self.size)
    }

    pub(super) const fn is_whole(&self) -> bool {
        self.proved == self.size
    }

    /// The hash of what is proved.
    pub(super) fn hash(&self) -> Hash {
        Hash(self.proved_hasher.clone().finalize().into())
    }

    /// Forgets what was written and is not proved.
    pub(super) fn rewind(&mut self) -> io::Result<()> {
        (self.written, self.hasher) = (self.proved, self.proved_hasher.clone());
        self.content.set_len(self.proved)
    }

    /// Forgets everything.
    pub(super) fn restart(&mut self) -> io::Result<()> {
        (self.proved, self.proved_hasher) = (0, Sha256::new());
        self.journal.set_len(self.proofs)?;
        self.rewind()
    }

    /// Writes what follows.
    pub(super) fn write(&mut self, pieces: &[Bytes]) -> io::Result<()> {
        for piece in pieces {
            self.content.write_all_at(piece, self.written)?;
            self.hasher.update(piece);
            self.written += piece.len() as u64;
        }
        Ok(())
    }

    /// Takes the proof of the chunk that was written. Returns whether it holds; if not, the chunk is gone.
    pub(super) fn prove(&mut self, proof: Hash) -> io::Result<bool> {
        let hasher = self.hasher.clone();
        if self.written == self.proved
            || self.written != self.chunk_end()
            || Hash(hasher.clone().finalize().into()) != proof
        {
            self.rewind()?;
            return Ok(false);
        }
        // All chunks before this one are whole.
        let at = self.proofs + self.proved / CHUNK * PROOF;
        self.journal.write_all_at(format!("{proof}\n").as_bytes(), at)?;
        self.unsynced += self.written - self.proved;
        (self.proved, self.proved_hasher) = (self.written, hasher);
        Ok(true)
    }

    /// What the disk is to be told to keep, if that is much. It may be told so while more is written.
    pub(super) fn unsynced(&mut self) -> io::Result<Option<Unsynced>> {
        if self.unsynced < SYNC {
            return Ok(None);
        }
        let unsynced = Unsynced { content: self.content.try_clone()?, journal: self.journal.try_clone()? };
        self.unsynced = 0;
        Ok(Some(unsynced))
    }
}

fn header(ticket: &Ticket) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(ticket)?;
    line.push(b'\n');
    Ok(line)
}

/// The ticket and the age of a delivery that is on disk, by the path of its journal. `None` for other files.
pub(super) fn ticket(journal: &Path) -> io::Result<Option<Ticket>> {
    if journal.extension().is_none_or(|extension| extension != "journal") {
        return Ok(None);
    }
    let mut line = Vec::new();
    BufReader::new(File::open(journal)?).take(64 * 1024).read_until(b'\n', &mut line)?;
    Ok(serde_json::from_slice(&line).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket_of(size: u64) -> Ticket {
        let path = "ns1/0d5a6b5e-1111-4000-8000-000000000001".to_owned();
        Ticket { from: "a/n".to_owned(), to: "b/n".to_owned(), path, hash: Hash::of("x"), size }
    }

    fn content(size: u64) -> Bytes {
        (0..size).map(|n| (n % 251) as u8).collect::<Vec<_>>().into()
    }

    /// Writes the chunks from the proved ones up to `end`.
    fn advance(partial: &mut Partial, content: &Bytes, end: u64) {
        while partial.offset() < end {
            let (from, to) = (partial.offset() as usize, partial.chunk_end() as usize);
            partial.write(&[content.slice(from..from + 1), content.slice(from + 1..to)]).unwrap();
            assert!(partial.prove(Hash::of(&content[..to])).unwrap());
        }
    }

    #[test]
    fn an_interrupted_blob_goes_on_behind_its_last_proved_chunk() {
        let dir = tempfile::tempdir().unwrap();
        let (ticket, content) = (ticket_of(2 * CHUNK + 5), content(2 * CHUNK + 5));
        assert!(Partial::open(dir.path(), &ticket).unwrap().is_none());
        let mut partial = Partial::create(dir.path(), &ticket).unwrap();
        advance(&mut partial, &content, CHUNK);
        partial.write(&[content.slice(CHUNK as usize..CHUNK as usize + 100)]).unwrap();
        drop(partial);
        let mut partial = Partial::open(dir.path(), &ticket).unwrap().unwrap();
        assert_eq!((partial.offset(), partial.is_whole()), (CHUNK, false));
        advance(&mut partial, &content, ticket.size);
        assert!(partial.is_whole());
        assert_eq!(partial.hash(), Hash::of(&content));
        drop(partial);
        let partial = Partial::open(dir.path(), &ticket).unwrap().unwrap();
        assert!(partial.is_whole() && partial.hash() == Hash::of(&content));
        let files = Files::of(dir.path(), ticket.key());
        assert_eq!(fs::read(&files.content).unwrap(), content);
        files.remove().unwrap();
        files.remove().unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_wrong_proof_costs_its_chunk_only() {
        let dir = tempfile::tempdir().unwrap();
        let (ticket, content) = (ticket_of(CHUNK + 5), content(CHUNK + 5));
        let mut partial = Partial::create(dir.path(), &ticket).unwrap();
        advance(&mut partial, &content, CHUNK);
        for (piece, proof) in
            [(5, Hash::of("wrong")), (4, Hash::of(&content)), (0, Hash::of(&content[..CHUNK as usize]))]
        {
            let start = CHUNK as usize;
            partial.write(&[content.slice(start..start + piece)]).unwrap();
            assert!(!partial.prove(proof).unwrap());
            assert_eq!(partial.offset(), CHUNK);
        }
        advance(&mut partial, &content, ticket.size);
    }

    #[test]
    fn what_a_crash_damaged_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let (ticket, content) = (ticket_of(3 * CHUNK), content(3 * CHUNK));
        let files = Files::of(dir.path(), ticket.key());
        let begin = || {
            let mut partial = Partial::create(dir.path(), &ticket).unwrap();
            advance(&mut partial, &content, 2 * CHUNK);
        };
        let offset = || Partial::open(dir.path(), &ticket).unwrap().map(|partial| partial.offset());
        begin();
        let file = OpenOptions::new().write(true).open(&files.content).unwrap();
        file.write_all_at(b"zzz", CHUNK + 7).unwrap();
        assert_eq!(offset(), Some(CHUNK), "a chunk that changed");
        begin();
        file.set_len(CHUNK + 1).unwrap();
        assert_eq!(offset(), Some(CHUNK), "a file that was cut");
        begin();
        let journal = OpenOptions::new().write(true).open(&files.journal).unwrap();
        journal.set_len(journal.metadata().unwrap().len() - 30).unwrap();
        assert_eq!(offset(), Some(CHUNK), "a journal that was cut");
        let mut partial = Partial::open(dir.path(), &ticket).unwrap().unwrap();
        advance(&mut partial, &content, ticket.size);
        drop(partial);
        assert_eq!(offset(), Some(ticket.size), "and it can be mended");
        journal.write_all_at(b"[", 0).unwrap();
        assert_eq!(offset(), None, "a journal of something else");
    }

    #[test]
    fn an_empty_blob_is_whole_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let partial = Partial::create(dir.path(), &ticket_of(0)).unwrap();
        assert!(partial.is_whole() && partial.hash() == Hash::of(""));
    }
}
