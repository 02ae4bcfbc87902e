//! Content addresses as IPFS gives them: version 0, for content of any size.
//!
//! The shape is that of `ipfs add` with its defaults: chunks of 256 KiB, each a UnixFS file node in dag-pb, joined by
//! a balanced tree of at most 174 links per node.

use sha2::{Digest, Sha256};

/// The length of a chunk in bytes.
pub const CHUNK: usize = 256 * 1024;
/// The most links of one node.
const LINKS: usize = 174;

/// The address of some content.
#[must_use]
pub fn of(content: &[u8]) -> String {
    let mut builder = Builder::new();
    builder.update(content);
    builder.finish()
}

/// Whether a text has the form of such an address.
#[must_use]
pub fn is_valid(text: &str) -> bool {
    let mut bytes = [0; 34];
    text.len() == 46 && bs58::decode(text).onto(&mut bytes).is_ok_and(|length| length == 34) && bytes[..2] == MULTIHASH
}

/// SHA-256, 32 bytes.
const MULTIHASH: [u8; 2] = [0x12, 0x20];

/// One node of the tree, seen from above.
#[derive(Debug, Clone)]
struct Link {
    digest: [u8; 32],
    /// Bytes of content under the node.
    content: u64,
    /// Bytes of all blocks under the node, itself included.
    total: u64,
}

/// Computes the address while content passes by; holds one chunk and the open edge of the tree.
#[derive(Debug, Clone, Default)]
pub struct Builder {
    chunk: Vec<u8>,
    /// The nodes not joined yet: leaves first, then level by level.
    levels: Vec<Vec<Link>>,
}

impl Builder {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes.
    pub fn update(&mut self, mut content: &[u8]) {
        while !content.is_empty() {
            if self.chunk.len() == CHUNK {
                self.flush();
            }
            let (now, later) = content.split_at(content.len().min(CHUNK - self.chunk.len()));
            self.chunk.extend_from_slice(now);
            content = later;
        }
    }

    /// The address of everything taken.
    #[must_use]
    pub fn finish(mut self) -> String {
        if self.levels.is_empty() || !self.chunk.is_empty() {
            self.flush();
        }
        let mut level = 0;
        let root = loop {
            let links = std::mem::take(&mut self.levels[level]);
            match (links.as_slice(), self.levels.len() == level + 1) {
                ([root], true) => break root.clone(),
                _ => self.push(level + 1, join(&links)),
            }
            level += 1;
        };
        let mut multihash = [0; 34];
        multihash[..2].copy_from_slice(&MULTIHASH);
        multihash[2..].copy_from_slice(&root.digest);
        bs58::encode(multihash).into_string()
    }

    /// Makes a leaf of the chunk.
    fn flush(&mut self) {
        let link = leaf(&self.chunk);
        self.chunk.clear();
        self.push(0, link);
    }

    /// Adds a node to a level; a level that is full already becomes a node of the level above.
    fn push(&mut self, level: usize, link: Link) {
        if self.levels.len() == level {
            self.levels.push(Vec::new());
        }
        if self.levels[level].len() == LINKS {
            let full = std::mem::take(&mut self.levels[level]);
            self.push(level + 1, join(&full));
        }
        self.levels[level].push(link);
    }
}

/// A number in base 128, low digits first.
fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// A field of bytes: tag, length; the bytes follow.
fn field(out: &mut Vec<u8>, tag: u8, length: usize) {
    out.push(tag);
    varint(out, length as u64);
}

/// A node without links. UnixFS: type (1) file, data (2), size (3). Node: data (1).
fn leaf(chunk: &[u8]) -> Link {
    let size = chunk.len() as u64;
    let mut head = vec![0x08, 2];
    if !chunk.is_empty() {
        field(&mut head, 0x12, chunk.len());
    }
    let mut tail = vec![0x18];
    varint(&mut tail, size);
    let mut node = Vec::with_capacity(8);
    field(&mut node, 0x0a, head.len() + chunk.len() + tail.len());
    let mut hasher = Sha256::new();
    let mut total = 0;
    for part in [&node[..], &head, chunk, &tail] {
        hasher.update(part);
        total += part.len() as u64;
    }
    Link { digest: hasher.finalize().into(), content: size, total }
}

/// A node of links only. UnixFS: type (1) file, size (3), sizes of the parts (4). Node: links (2) before data (1), each
/// link a hash (1), an empty name (2) and a total size (3).
fn join(links: &[Link]) -> Link {
    let content = links.iter().map(|link| link.content).sum();
    let mut file = vec![0x08, 2, 0x18];
    varint(&mut file, content);
    let mut node = Vec::with_capacity(links.len() * 56);
    for link in links {
        file.push(0x20);
        varint(&mut file, link.content);
        let mut entry = vec![0x0a, 34];
        entry.extend_from_slice(&MULTIHASH);
        entry.extend_from_slice(&link.digest);
        entry.extend_from_slice(&[0x12, 0, 0x18]);
        varint(&mut entry, link.total);
        field(&mut node, 0x12, entry.len());
        node.extend_from_slice(&entry);
    }
    field(&mut node, 0x0a, file.len());
    node.extend_from_slice(&file);
    let below: u64 = links.iter().map(|link| link.total).sum();
    Link { digest: Sha256::digest(&node).into(), content, total: below + node.len() as u64 }
}
