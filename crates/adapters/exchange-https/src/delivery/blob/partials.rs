//! All deliveries of blobs that are not finished: one writer at a time for each, so many per peer, and an end for abandoned ones.

use std::{collections::HashMap, fs, io, path::PathBuf, sync::Arc, time::Duration};

use parking_lot::Mutex;
use photinus_model::Hash;
use photinus_ports::{exchange::Refusal, peers::PeerId};
use tokio::{sync::OwnedMutexGuard, task::spawn_blocking, time::timeout};

use super::{
    Ticket,
    partial::{self, Files, Partial},
};
use crate::delivery::route;

/// Unfinished blobs of one peer that are kept. One more drops the one that was longest without news.
const PER_PEER: usize = 32;
/// How long one without news is kept, in seconds.
const KEPT: i64 = 24 * 3600;
/// How long a second delivery of the same blob waits for the first.
const PATIENCE: Duration = Duration::from_secs(5);

/// What has arrived of one delivery, as far as it was looked at.
type Slot = Arc<tokio::sync::Mutex<Option<Partial>>>;

struct Entry {
    peer: String,
    slot: Slot,
    /// Whether it has files.
    begun: bool,
    /// Unix seconds.
    touched: i64,
}

/// The folder of unfinished blobs.
pub(crate) struct Partials {
    dir: PathBuf,
    entries: Mutex<HashMap<Hash, Entry>>,
}

/// The exclusive use of one delivery. It is given back when it is dropped, with what has arrived.
pub(super) struct Held {
    key: Hash,
    slot: OwnedMutexGuard<Option<Partial>>,
}

impl Held {
    /// What has arrived, if anything.
    pub(super) fn partial(&mut self) -> Option<&mut Partial> {
        self.slot.as_mut()
    }
}

impl Partials {
    /// Opens the folder with what an earlier process left. Blocks on the disk.
    pub(crate) fn open(dir: PathBuf, now: i64) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        let mut entries = HashMap::new();
        for file in fs::read_dir(&dir)? {
            let path = file?.path();
            let Some(ticket) = partial::ticket(&path)? else { continue };
            let modified = fs::metadata(&path)?.modified()?;
            let age = modified.elapsed().map_or(0, |age| i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
            entries.insert(ticket.key(), Entry { begun: true, ..Entry::new(&ticket, now.saturating_sub(age)) });
        }
        let partials = Self { dir, entries: Mutex::new(entries) };
        partials.remove_strays()?;
        Ok(partials)
    }

    /// Removes files that belong to no delivery.
    fn remove_strays(&self) -> io::Result<()> {
        let entries = self.entries.lock();
        for file in fs::read_dir(&self.dir)? {
            let path = file?.path();
            let key = path.file_stem().and_then(|stem| Hash::parse_strict(stem.to_str()?).ok());
            if !key.is_some_and(|key| entries.contains_key(&key)) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// The file of a delivery's content.
    pub(super) fn content(&self, ticket: &Ticket) -> PathBuf {
        Files::of(&self.dir, ticket.key()).content
    }

    /// A name for a file that is not continued when it breaks off. It is gone after a restart.
    pub(crate) fn stray(&self) -> PathBuf {
        self.dir.join(format!("{:032x}.upload", rand::random::<u128>()))
    }

    /// Takes a delivery for exclusive use, and finds out what of it has arrived.
    pub(super) async fn hold(&self, ticket: &Ticket, now: i64) -> Result<Held, Refusal> {
        let key = ticket.key();
        let slot = {
            let mut entries = self.entries.lock();
            // Those that were only asked about.
            entries.retain(|_, entry| entry.begun || Arc::strong_count(&entry.slot) > 1);
            let entry = entries.entry(key).or_insert_with(|| Entry::new(ticket, now));
            entry.touched = now;
            Arc::clone(&entry.slot)
        };
        let later = |reason: &str| Refusal::Later(reason.to_owned());
        let slot = timeout(PATIENCE, slot.lock_owned()).await;
        let mut held = Held { key, slot: slot.map_err(|_| later("this blob is arriving on another call"))? };
        if held.partial().is_some() {
            return Ok(held);
        }
        let (dir, ticket) = (self.dir.clone(), ticket.clone());
        // Reading a large file again takes its time. Whoever asks next finds it done, even if this asker is gone by then.
        let looking = spawn_blocking(move || {
            let found = Partial::open(&dir, &ticket)?;
            *held.slot = found;
            Ok::<_, io::Error>(held)
        });
        looking.await.map_err(io::Error::other).flatten().map_err(|error| Refusal::Later(format!("disk: {error}")))
    }

    /// Begins a delivery of which nothing has arrived.
    pub(super) async fn begin(&self, mut held: Held, ticket: &Ticket) -> Result<Held, Refusal> {
        self.make_room(&route::base(&PeerId(ticket.from.clone())).0, held.key)?;
        let (dir, ticket) = (self.dir.clone(), ticket.clone());
        let beginning = spawn_blocking(move || {
            *held.slot = Some(Partial::create(&dir, &ticket)?);
            Ok::<_, io::Error>(held)
        });
        beginning.await.map_err(io::Error::other).flatten().map_err(|error| Refusal::Later(format!("disk: {error}")))
    }

    /// Ends a delivery, finished or not to be finished.
    pub(super) async fn end(&self, mut held: Held) {
        // The entry itself stays while somebody waits for it, so that there is never a second slot for the same files.
        if let Some(entry) = self.entries.lock().get_mut(&held.key) {
            entry.begun = false;
        }
        let files = Files::of(&self.dir, held.key);
        let ending = spawn_blocking(move || {
            *held.slot = None;
            files.remove()
        });
        if let Ok(Err(error)) = ending.await {
            tracing::warn!(%error, "files of a delivery stay behind until the next start");
        }
    }

    fn make_room(&self, peer: &str, newest: Hash) -> Result<(), Refusal> {
        let mut entries = self.entries.lock();
        if let Some(entry) = entries.get_mut(&newest) {
            entry.begun = true;
        }
        let of_peer = entries.iter().filter(|(_, e)| e.begun && e.peer == peer);
        let mut mine: Vec<_> = of_peer.map(|(key, e)| (e.touched, *key)).collect();
        mine.sort_unstable();
        let mut excess = mine.len().saturating_sub(PER_PEER);
        for (_, key) in mine {
            if excess == 0 {
                break;
            }
            if key != newest && self.drop_idle(&mut entries, key) {
                excess -= 1;
            }
        }
        if excess > 0 {
            if let Some(entry) = entries.get_mut(&newest) {
                entry.begun = false;
            }
            return Err(Refusal::Later("too many blobs of this peer are arriving".to_owned()));
        }
        Ok(())
    }

    /// Drops those that had no news for a long time. Blocks on the disk.
    pub(crate) fn expire(&self, now: i64) {
        let mut entries = self.entries.lock();
        let old: Vec<_> = entries.iter().filter(|(_, e)| e.touched + KEPT <= now).map(|(key, _)| *key).collect();
        for key in old {
            if self.drop_idle(&mut entries, key) {
                tracing::info!(%key, "an unfinished blob was dropped, as nothing of it came for a day");
            }
        }
    }

    /// Removes a delivery that nobody uses at the moment. Returns whether it is gone.
    fn drop_idle(&self, entries: &mut HashMap<Hash, Entry>, key: Hash) -> bool {
        let Some(entry) = entries.get(&key) else { return true };
        // New users come by way of the entries, which are locked.
        if Arc::strong_count(&entry.slot) > 1 {
            return false;
        }
        if let Err(error) = Files::of(&self.dir, key).remove() {
            tracing::warn!(%error, "files of a delivery stay behind until the next start");
        }
        entries.remove(&key);
        true
    }
}

impl Entry {
    fn new(ticket: &Ticket, touched: i64) -> Self {
        let peer = route::base(&PeerId(ticket.from.clone())).0;
        Self { peer, slot: Slot::default(), begun: false, touched }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(from: &str, n: u64) -> Ticket {
        let path = "ns1/0d5a6b5e-1111-4000-8000-000000000001".to_owned();
        Ticket { from: format!("{from}/n"), to: "b/n".to_owned(), path, hash: Hash::of("x"), size: n }
    }

    fn files(dir: &std::path::Path) -> usize {
        fs::read_dir(dir).unwrap().count()
    }

    async fn begin(partials: &Partials, ticket: &Ticket, now: i64) -> Result<Held, Refusal> {
        let mut held = partials.hold(ticket, now).await?;
        if held.partial().is_some() { Ok(held) } else { partials.begin(held, ticket).await }
    }

    #[tokio::test]
    async fn abandoned_ones_expire_and_others_stay() {
        let dir = tempfile::tempdir().unwrap();
        let partials = Partials::open(dir.path().to_owned(), 0).unwrap();
        drop(begin(&partials, &ticket("a", 1), 0).await.unwrap());
        drop(partials.hold(&ticket("a", 9), 0).await.unwrap());
        let used = begin(&partials, &ticket("a", 2), 0).await.unwrap();
        drop(begin(&partials, &ticket("a", 3), KEPT).await.unwrap());
        assert_eq!(files(dir.path()), 6);
        partials.expire(KEPT);
        assert_eq!(files(dir.path()), 4, "not the one in use, nor the newer one");
        drop(used);
        fs::write(dir.path().join("stray.part"), "x").unwrap();
        drop(partials);
        let partials = Partials::open(dir.path().to_owned(), 1_000).unwrap();
        assert_eq!(files(dir.path()), 4);
        assert!(partials.hold(&ticket("a", 3), 1_000).await.unwrap().partial().is_some());
        partials.expire(1_000 + KEPT);
        assert_eq!(files(dir.path()), 0);
    }

    #[tokio::test]
    async fn a_peer_that_begins_many_loses_its_oldest() {
        let dir = tempfile::tempdir().unwrap();
        let partials = Partials::open(dir.path().to_owned(), 0).unwrap();
        drop(begin(&partials, &ticket("b", 1), 0).await.unwrap());
        for n in 0..=PER_PEER as u64 {
            drop(begin(&partials, &ticket("a", n), n as i64).await.unwrap());
        }
        assert_eq!(files(dir.path()), 2 * (PER_PEER + 1));
        assert!(partials.hold(&ticket("a", 0), 0).await.unwrap().partial().is_none());
        assert!(partials.hold(&ticket("b", 1), 0).await.unwrap().partial().is_some());
    }

    #[tokio::test]
    async fn an_ended_one_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let partials = Partials::open(dir.path().to_owned(), 0).unwrap();
        let held = begin(&partials, &ticket("a", 1), 0).await.unwrap();
        partials.end(held).await;
        assert_eq!(files(dir.path()), 0);
        assert!(partials.hold(&ticket("a", 1), 0).await.unwrap().partial().is_none());
    }
}
