//! Which unasked-for contents are kept for which peer, and what makes room for the next.

use std::{
    collections::{HashMap, VecDeque},
    fs, io,
    path::Path,
    time::SystemTime,
};

use photinus_ports::content::Reference;

/// The index of the offered folders. A folder belongs to one peer.
#[derive(Debug)]
pub(super) struct Offered {
    quota: u64,
    places: HashMap<Reference, String>,
    folders: HashMap<String, Folder>,
}

#[derive(Debug, Default)]
struct Folder {
    used: u64,
    /// Oldest first.
    order: VecDeque<(Reference, u64)>,
}

impl Offered {
    pub(super) fn new(quota: u64) -> Self {
        Self { quota, places: HashMap::new(), folders: HashMap::new() }
    }

    pub(super) fn contains(&self, reference: &Reference) -> bool {
        self.places.contains_key(reference)
    }

    /// The folder in which a content lies.
    pub(super) fn folder(&self, reference: &Reference) -> Option<&str> {
        self.places.get(reference).map(String::as_str)
    }

    /// Adds a content, and gives those of the same folder that have to go for it, the oldest first. A content that is larger
    /// than the quota goes itself.
    pub(super) fn insert(&mut self, folder: &str, reference: Reference, size: u64) -> Vec<Reference> {
        let place = self.folders.entry(folder.to_owned()).or_default();
        place.used += size;
        place.order.push_back((reference.clone(), size));
        self.places.insert(reference, folder.to_owned());
        let mut dropped = Vec::new();
        while place.used > self.quota {
            let Some((oldest, size)) = place.order.pop_front() else { break };
            place.used -= size;
            self.places.remove(&oldest);
            dropped.push(oldest);
        }
        dropped
    }

    /// Takes a content out, and gives the folder in which it lay.
    pub(super) fn remove(&mut self, reference: &Reference) -> Option<String> {
        let name = self.places.remove(reference)?;
        if let Some(folder) = self.folders.get_mut(&name)
            && let Some(at) = folder.order.iter().position(|(r, _)| r == reference)
            && let Some((_, size)) = folder.order.remove(at)
        {
            folder.used -= size;
        }
        Some(name)
    }
}

/// Reads the folders again, in the order in which their files came.
pub(super) fn scan(dir: &Path, quota: u64) -> io::Result<Offered> {
    let mut offered = Offered::new(quota);
    for folder in fs::read_dir(dir)? {
        let folder = folder?;
        let Ok(name) = folder.file_name().into_string() else { continue };
        let mut files = Vec::new();
        for entry in fs::read_dir(folder.path())? {
            let entry = entry?;
            let reference = entry.file_name().to_str().and_then(|text| Reference::parse(text).ok());
            let Some(reference) = reference else { continue };
            let metadata = entry.metadata()?;
            files.push((metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), reference, metadata.len()));
        }
        files.sort();
        for (_, reference, size) in files {
            let second = offered.contains(&reference);
            let dropped = if second { vec![reference] } else { offered.insert(&name, reference, size) };
            for reference in dropped {
                fs::remove_file(folder.path().join(reference.as_str()))?;
            }
        }
    }
    Ok(offered)
}

#[cfg(test)]
mod tests {
    use photinus_model::cid;

    use super::*;

    fn reference(n: u8) -> Reference {
        Reference::parse(&cid::of(&[n])).unwrap()
    }

    #[test]
    fn the_oldest_of_the_same_peer_makes_room() {
        let mut offered = Offered::new(100);
        assert!(offered.insert("a", reference(1), 60).is_empty());
        assert!(offered.insert("b", reference(2), 60).is_empty());
        assert!(offered.insert("a", reference(3), 40).is_empty());
        assert_eq!(offered.insert("a", reference(4), 1), [reference(1)]);
        assert_eq!(offered.folder(&reference(2)), Some("b"));
        assert_eq!(offered.folder(&reference(1)), None);
        assert_eq!(offered.insert("b", reference(5), 101), [reference(2), reference(5)]);
    }

    #[test]
    fn what_is_taken_out_frees_its_share() {
        let mut offered = Offered::new(100);
        offered.insert("a", reference(1), 100);
        assert_eq!(offered.remove(&reference(1)).as_deref(), Some("a"));
        assert_eq!(offered.remove(&reference(1)), None);
        assert!(offered.insert("a", reference(2), 100).is_empty());
    }
}
