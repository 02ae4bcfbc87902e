//! Local blobs: files of namespaces, one copy per content, found by references of their own.
//!
//! ```text
//! <namespace>/<first two digits>/<SHA-256>/<uuid>   one reference to the content
//! .incoming/                                        unfinished files
//! ```
//!
//! All references to a content are hard links to the same file, so the file system counts them. A payload reference is
//! `<namespace>/<SHA-256>/<uuid>`.
//!
//! Deliberately not here: what a blob belongs to, and who may read it.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use parking_lot::Mutex;
use photinus_model::{Hash, Uuid, name};
use photinus_ports::{
    blobs::{BlobStore, Error, Stored},
    ids::Ids,
    stream::ByteStream,
};
use sha2::{Digest, Sha256};

use crate::{
    staging::{self, Staging, Unfinished},
    transfer::{self, blocking},
};

/// Blobs in a folder.
#[derive(Clone)]
pub struct Blobs(Arc<Folder>);

struct Folder {
    dir: PathBuf,
    staging: Staging,
    ids: Arc<dyn Ids>,
    /// Held while references are made or removed, so that no content loses its last one while it gains another.
    linking: Mutex<()>,
}

/// A payload reference that was read.
struct Link {
    namespace: String,
    hash: Hash,
    id: Uuid,
}

impl Link {
    /// `None` for what was never given out, such as a path that climbs.
    fn parse(payload_ref: &str) -> Option<Self> {
        let mut parts = payload_ref.split('/');
        let (namespace, hash, id) = (parts.next()?, parts.next()?, parts.next()?);
        let link = Self {
            namespace: namespace.to_owned(),
            hash: Hash::parse_strict(hash).ok()?,
            id: Uuid::try_parse(id).ok()?,
        };
        (name::is_valid(namespace) && parts.next().is_none() && link.to_string() == payload_ref).then_some(link)
    }

    /// The folder of all references to the content, and its parents that may be missing, outermost first.
    fn folders(&self, dir: &Path) -> [PathBuf; 3] {
        let digits = self.hash.to_string();
        let namespace = dir.join(&self.namespace);
        let shard = namespace.join(&digits[..2]);
        let content = shard.join(digits);
        [namespace, shard, content]
    }

    fn path(&self, dir: &Path) -> PathBuf {
        let [.., content] = self.folders(dir);
        content.join(self.id.to_string())
    }
}

impl std::fmt::Display for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.namespace, self.hash, self.id)
    }
}

impl Blobs {
    /// Opens or makes the folder, and removes what an earlier process left unfinished. Blocks on the disk.
    ///
    /// # Errors
    /// When the folder cannot be used, or another process uses it.
    pub fn open(dir: impl Into<PathBuf>, ids: Arc<dyn Ids>) -> io::Result<Self> {
        let dir = dir.into();
        fs::create_dir_all(&dir)?;
        let staging = Staging::open(dir.join(".incoming"))?;
        Ok(Self(Arc::new(Folder { dir, staging, ids, linking: Mutex::new(()) })))
    }

    async fn file(&self, payload_ref: &str) -> Result<(Link, u64, File), Error> {
        let missing = || Error::NotFound(payload_ref.to_owned());
        let link = Link::parse(payload_ref).ok_or_else(missing)?;
        let folder = Arc::clone(&self.0);
        let opened = blocking(move || folder.open(&link).map(|(size, file)| (link, size, file))).await;
        opened.map_err(|error| if error.kind() == io::ErrorKind::NotFound { missing() } else { Error::Io(error) })
    }
}

impl Folder {
    fn keep(&self, file: Unfinished, link: &Link) -> io::Result<()> {
        file.sync()?;
        self.place(link, |path| file.place(path))
    }

    /// Makes a reference to a content, which `first` brings to its path if it is the first one.
    fn place(&self, link: &Link, first: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
        let folders = link.folders(&self.dir);
        let [.., content] = &folders;
        let path = link.path(&self.dir);
        let _linking = self.linking.lock();
        for folder in &folders {
            staging::make_folder(folder)?;
        }
        match fs::read_dir(content)?.next() {
            _ if path.exists() => {}
            Some(other) => fs::hard_link(other?.path(), &path)?,
            None => first(&path)?,
        }
        staging::sync_folder(content)
    }

    /// Links a file that lies elsewhere, or copies it from another file system. Gives its size.
    fn adopt(&self, from: &Path, link: &Link) -> io::Result<u64> {
        let mut file = File::open(from)?;
        file.sync_all()?;
        match self.place(link, |path| fs::hard_link(from, path)) {
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                let mut copy = self.staging.create()?;
                copy.fill(&mut file)?;
                self.keep(copy, link)?;
            }
            placed => placed?,
        }
        Ok(file.metadata()?.len())
    }

    fn size(&self, link: &Link) -> io::Result<Option<u64>> {
        match fs::metadata(link.path(&self.dir)) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens a referenced file. Gives its size, too.
    fn open(&self, link: &Link) -> io::Result<(u64, File)> {
        let file = File::open(link.path(&self.dir))?;
        Ok((file.metadata()?.len(), file))
    }

    fn delete(&self, link: &Link) -> io::Result<()> {
        let _linking = self.linking.lock();
        match fs::remove_file(link.path(&self.dir)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            result => result?,
        }
        let [.., content] = link.folders(&self.dir);
        match fs::remove_dir(&content) {
            Err(error) if error.kind() != io::ErrorKind::DirectoryNotEmpty => Err(error),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl BlobStore for Blobs {
    async fn put(&self, namespace: &str, content: ByteStream, limit: u64) -> Result<Stored, Error> {
        name::check(namespace, "namespace").map_err(io::Error::other)?;
        let folder = Arc::clone(&self.0);
        let file = blocking(move || folder.staging.create()).await?;
        let (file, digest, size) =
            transfer::receive(content, file, Sha256::new(), limit).await.map_err(|error| match error {
                transfer::Error::TooLarge(limit) => Error::TooLarge(limit),
                transfer::Error::Source(error) | transfer::Error::Disk(error) => Error::Io(error),
            })?;
        let hash = Hash(digest.finalize().into());
        let (folder, namespace) = (Arc::clone(&self.0), namespace.to_owned());
        let link = Link { namespace, hash, id: folder.ids.next() };
        let link = blocking(move || folder.keep(file, &link).map(|()| link)).await?;
        Ok(Stored { hash, size, payload_ref: link.to_string() })
    }

    async fn open(&self, payload_ref: &str) -> Result<(u64, ByteStream), Error> {
        let (link, size, file) = self.file(payload_ref).await?;
        let content = transfer::send(file, size, Sha256::new(), move |digest| {
            if Hash(digest.finalize().into()) == link.hash {
                return Ok(());
            }
            tracing::error!(blob = %link, "damaged blob");
            Err(io::Error::new(io::ErrorKind::InvalidData, format!("the stored content of {link} is damaged")))
        });
        Ok((size, content))
    }

    async fn open_unchecked(&self, payload_ref: &str) -> Result<(u64, ByteStream), Error> {
        let (_, size, file) = self.file(payload_ref).await?;
        Ok((size, transfer::send(file, size, (), |()| Ok(()))))
    }

    async fn adopt(&self, namespace: &str, file: &Path, hash: Hash, id: Uuid) -> Result<Stored, Error> {
        name::check(namespace, "namespace").map_err(io::Error::other)?;
        let link = Link { namespace: namespace.to_owned(), hash, id };
        let payload_ref = link.to_string();
        let (folder, file) = (Arc::clone(&self.0), file.to_owned());
        let size = blocking(move || folder.adopt(&file, &link)).await?;
        Ok(Stored { hash, size, payload_ref })
    }

    async fn adopted(&self, namespace: &str, hash: Hash, id: Uuid) -> Result<Option<Stored>, Error> {
        name::check(namespace, "namespace").map_err(io::Error::other)?;
        let link = Link { namespace: namespace.to_owned(), hash, id };
        let payload_ref = link.to_string();
        let folder = Arc::clone(&self.0);
        let size = blocking(move || folder.size(&link)).await?;
        Ok(size.map(|size| Stored { hash, size, payload_ref }))
    }

    async fn delete(&self, payload_ref: &str) -> Result<(), Error> {
        let Some(link) = Link::parse(payload_ref) else { return Ok(()) };
        let folder = Arc::clone(&self.0);
        Ok(blocking(move || folder.delete(&link)).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_of_one_form_only() {
        let hash = Hash::of("x").to_string();
        let id = "0d5a6b5e-1111-4000-8000-000000000001";
        assert!(Link::parse(&format!("ns1/{hash}/{id}")).is_some());
        for wrong in [
            String::new(),
            format!("ns1/{id}"),
            format!("../{hash}/{id}"),
            format!("ns1/{hash}/../{id}"),
            format!("ns1/{hash}/{id}/x"),
            format!("/{hash}/{id}"),
            format!("ns1/0x{hash}/{id}"),
            format!("ns1/{hash}/{}", id.replace('-', "")),
        ] {
            assert!(Link::parse(&wrong).is_none(), "{wrong}");
        }
    }
}
