//! Contents on disk. A content's path follows from its reference, so there is no index to lose.
//!
//! ```text
//! content/<last character>/<reference>   what this node published, or somebody here asked for
//! offered/<peer>/<reference>             what peers pushed and nobody asked for yet; bounded per peer
//! incoming/                              unfinished files
//! ```

mod offered;

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use parking_lot::Mutex;
use photinus_model::{Hash, cid};
use photinus_ports::content::Reference;
use photinus_ports::{peers::PeerId, stream::ByteStream};

use crate::{
    staging::{self, Staging, Unfinished},
    transfer,
};
use offered::Offered;

/// Where a content belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Published here: durable when it is placed.
    Published,
    /// Pulled because somebody here asked for it.
    Wanted,
    /// Pushed by a peer, unasked for.
    Offered(PeerId),
}

/// A content that was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) file: File,
    pub(crate) size: u64,
    path: PathBuf,
}

/// All contents of one node.
#[derive(Debug)]
pub(crate) struct Disk {
    content: PathBuf,
    offered_dir: PathBuf,
    staging: Staging,
    /// Also held while files enter or leave the offered folders, so that index and folders agree.
    offered: Mutex<Offered>,
    corrupt: AtomicU64,
}

impl Disk {
    /// Opens or makes the folder. `quota` is how much unasked-for content is kept per peer, in bytes.
    pub(crate) fn open(dir: &Path, quota: u64) -> io::Result<Self> {
        let (content, offered_dir) = (dir.join("content"), dir.join("offered"));
        fs::create_dir_all(&content)?;
        fs::create_dir_all(&offered_dir)?;
        let staging = Staging::open(dir.join("incoming"))?;
        let offered = offered::scan(&offered_dir, quota)?;
        staging::sync_folder(dir)?;
        Ok(Self { content, offered_dir, staging, offered: Mutex::new(offered), corrupt: AtomicU64::new(0) })
    }

    /// An empty file for content on its way in.
    pub(crate) fn create(&self) -> io::Result<Unfinished> {
        self.staging.create()
    }

    /// How many damaged files were found since the start.
    pub(crate) fn corrupt(&self) -> u64 {
        self.corrupt.load(Ordering::Relaxed)
    }

    /// Moves a whole content to its place.
    pub(crate) fn place(&self, file: Unfinished, reference: &Reference, size: u64, place: &Place) -> io::Result<()> {
        match place {
            Place::Published => {
                file.sync()?;
                let path = self.path(reference)?;
                file.place(&path)?;
                path.parent().map_or(Ok(()), staging::sync_folder)?;
            }
            // What can be pulled again needs no disk barrier; reading finds out if it was torn.
            Place::Wanted => file.place(&self.path(reference)?)?,
            Place::Offered(peer) => return self.offer(file, reference, size, peer),
        }
        let mut offered = self.offered.lock();
        if let Some(folder) = offered.remove(reference) {
            remove(&self.offered_dir.join(folder).join(reference.as_str()));
        }
        Ok(())
    }

    fn offer(&self, file: Unfinished, reference: &Reference, size: u64, peer: &PeerId) -> io::Result<()> {
        let folder = Hash::of(&peer.0).to_string();
        let path = self.offered_dir.join(&folder);
        fs::create_dir_all(&path)?;
        let mut offered = self.offered.lock();
        if offered.contains(reference) {
            return Ok(());
        }
        file.place(&path.join(reference.as_str()))?;
        for dropped in offered.insert(&folder, reference.clone(), size) {
            tracing::debug!(reference = %dropped, peer = %peer.0, "unasked-for content dropped, the peer's share is full");
            remove(&path.join(dropped.as_str()));
        }
        Ok(())
    }

    /// Where a wanted content lies; its folder is made.
    fn path(&self, reference: &Reference) -> io::Result<PathBuf> {
        let shard = self.content.join(reference.shard());
        staging::make_folder(&shard)?;
        Ok(shard.join(reference.as_str()))
    }

    /// Opens a content wherever it lies.
    pub(crate) fn find(&self, reference: &Reference) -> io::Result<Option<Found>> {
        let path = self.content.join(reference.shard()).join(reference.as_str());
        if let Some(found) = open(path)? {
            return Ok(Some(found));
        }
        let folder = self.offered.lock().folder(reference).map(str::to_owned);
        match folder {
            Some(folder) => open(self.offered_dir.join(folder).join(reference.as_str())),
            None => Ok(None),
        }
    }

    /// Opens a content that somebody here asked for: from now on it is kept.
    pub(crate) fn claim(&self, reference: &Reference) -> io::Result<Option<Found>> {
        let path = self.path(reference)?;
        {
            let mut offered = self.offered.lock();
            if let Some(folder) = offered.remove(reference) {
                match fs::rename(self.offered_dir.join(folder).join(reference.as_str()), &path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
        }
        open(path)
    }

    /// Whether a content is here.
    pub(crate) fn has(&self, reference: &Reference) -> bool {
        self.content.join(reference.shard()).join(reference.as_str()).exists()
            || self.offered.lock().contains(reference)
    }

    /// Forgets a content whose bytes are not those of its reference.
    fn discard(&self, path: &Path, reference: &Reference) {
        self.corrupt.fetch_add(1, Ordering::Relaxed);
        tracing::error!(path = %path.display(), "damaged content removed; it will be pulled again when it is asked for");
        remove(path);
        let mut offered = self.offered.lock();
        if path.starts_with(&self.offered_dir) {
            offered.remove(reference);
        }
    }
}

/// Reads a content. The last chunk comes only when the whole matches the reference; a damaged file is removed.
pub(crate) fn read(disk: &std::sync::Arc<Disk>, reference: &Reference, found: Found) -> ByteStream {
    let (disk, reference) = (std::sync::Arc::clone(disk), reference.clone());
    transfer::send(found.file, found.size, cid::Builder::new(), move |digest| {
        if Reference::of(digest) == reference {
            return Ok(());
        }
        disk.discard(&found.path, &reference);
        Err(io::Error::new(io::ErrorKind::InvalidData, format!("the stored content of {reference} is damaged")))
    })
}

fn open(path: PathBuf) -> io::Result<Option<Found>> {
    match File::open(&path) {
        Ok(file) => Ok(Some(Found { size: file.metadata()?.len(), file, path })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn remove(path: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "cannot remove a file");
        }
        _ => {}
    }
}
