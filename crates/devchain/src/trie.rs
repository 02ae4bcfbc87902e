//! A persistent Merkle Patricia trie over 32-byte keys.
//!
//! A copy of a trie is a pointer: copies share what they have in common, and a change copies only the path to the
//! changed leaf. So a reader keeps the state of a block for as long as it likes while later blocks are made. Each branch
//! remembers its hash, so that the root after a change costs as much as the path.
//!
//! The root is the one that Ethereum's yellow paper defines (appendix D). In memory a chain of branches with one child
//! each stands for an extension node; it becomes one when it is encoded.
//!
//! Not here: proofs, iteration, and nodes on disk.

use std::sync::{Arc, OnceLock};

use alloy::consensus::constants::EMPTY_ROOT_HASH;
use alloy::primitives::{B256, keccak256};
use alloy::rlp::{self, EMPTY_STRING_CODE, Encodable};

/// What a leaf holds.
pub(crate) trait Leaf: Clone {
    /// Appends the RLP form that is hashed.
    fn encode(&self, out: &mut Vec<u8>);
}

/// A map from hashed keys to leaves, with a root hash.
#[derive(Debug, Clone)]
pub(crate) struct Trie<V> {
    root: Option<Arc<Node<V>>>,
}

#[derive(Debug, Clone)]
enum Node<V> {
    Leaf { key: B256, value: V },
    Branch(Branch<V>),
}

/// At least two leaves lie below a branch.
#[derive(Debug, Clone)]
struct Branch<V> {
    children: [Option<Arc<Node<V>>>; 16],
    /// How a parent refers to this node: its RLP if that is shorter than 32 bytes, else the RLP of its hash.
    reference: OnceLock<Vec<u8>>,
}

impl<V> Default for Trie<V> {
    fn default() -> Self {
        Self { root: None }
    }
}

impl<V: Leaf> Trie<V> {
    pub(crate) fn get(&self, key: &B256) -> Option<&V> {
        let mut node = self.root.as_deref()?;
        for depth in 0..64 {
            match node {
                Node::Leaf { key: found, value } => return (found == key).then_some(value),
                Node::Branch(branch) => node = branch.children[nibble(key, depth)].as_deref()?,
            }
        }
        match node {
            Node::Leaf { key: found, value } if found == key => Some(value),
            _ => None,
        }
    }

    pub(crate) fn insert(&mut self, key: B256, value: V) {
        match &mut self.root {
            Some(root) => insert(root, 0, key, value),
            empty => *empty = Some(Arc::new(Node::Leaf { key, value })),
        }
    }

    pub(crate) fn remove(&mut self, key: &B256) {
        // Looked up first, so that a miss copies nothing.
        if self.get(key).is_some() {
            remove(&mut self.root, 0, key);
        }
    }

    pub(crate) fn root(&self) -> B256 {
        let Some(root) = &self.root else { return EMPTY_ROOT_HASH };
        let reference = refer(root, 0);
        match reference.split_first() {
            // The reference is already the RLP of a 32-byte hash.
            Some((_, hash)) if reference.len() == 33 => B256::from_slice(hash),
            _ => keccak256(&reference),
        }
    }
}

fn nibble(key: &B256, depth: usize) -> usize {
    let byte = key[depth / 2];
    usize::from(if depth.is_multiple_of(2) { byte >> 4 } else { byte & 0x0f })
}

impl<V> Branch<V> {
    fn new(children: [Option<Arc<Node<V>>>; 16]) -> Self {
        Self { children, reference: OnceLock::new() }
    }

    /// The only child and its nibble, if there is just one.
    fn single(&self) -> Option<(usize, &Arc<Node<V>>)> {
        let mut present =
            self.children.iter().enumerate().filter_map(|(nibble, child)| Some((nibble, child.as_ref()?)));
        let first = present.next()?;
        present.next().is_none().then_some(first)
    }
}

fn insert<V: Leaf>(node: &mut Arc<Node<V>>, depth: usize, key: B256, value: V) {
    if let Node::Leaf { key: present, .. } = &**node
        && *present != key
    {
        *node = Arc::new(split(Arc::clone(node), *present, depth, key, value));
        return;
    }
    match Arc::make_mut(node) {
        Node::Leaf { value: present, .. } => *present = value,
        Node::Branch(branch) => {
            branch.reference.take();
            match &mut branch.children[nibble(&key, depth)] {
                Some(child) => insert(child, depth + 1, key, value),
                empty => *empty = Some(Arc::new(Node::Leaf { key, value })),
            }
        }
    }
}

/// The branches that tell a present leaf from a new one.
fn split<V: Leaf>(present: Arc<Node<V>>, present_key: B256, depth: usize, key: B256, value: V) -> Node<V> {
    let (old, new) = (nibble(&present_key, depth), nibble(&key, depth));
    let mut children = [const { None }; 16];
    if old == new {
        children[old] = Some(Arc::new(split(present, present_key, depth + 1, key, value)));
    } else {
        children[old] = Some(present);
        children[new] = Some(Arc::new(Node::Leaf { key, value }));
    }
    Node::Branch(Branch::new(children))
}

fn remove<V: Leaf>(slot: &mut Option<Arc<Node<V>>>, depth: usize, key: &B256) {
    let Some(node) = slot else { return };
    let last = match Arc::make_mut(node) {
        Node::Leaf { .. } => None,
        Node::Branch(branch) => {
            branch.reference.take();
            remove(&mut branch.children[nibble(key, depth)], depth + 1, key);
            match branch.single() {
                // A leaf alone in a branch moves up.
                Some((_, child)) if matches!(**child, Node::Leaf { .. }) => Some(Arc::clone(child)),
                _ => return,
            }
        }
    };
    *slot = last;
}

fn refer<V: Leaf>(node: &Node<V>, depth: usize) -> Vec<u8> {
    match node {
        Node::Leaf { key, value } => {
            let mut body = Vec::with_capacity(128);
            encode_path((depth..64).map(|depth| nibble(key, depth)), true, &mut body);
            let mut encoded = Vec::with_capacity(96);
            value.encode(&mut encoded);
            encoded.as_slice().encode(&mut body);
            shorten(&body)
        }
        Node::Branch(branch) => branch.reference.get_or_init(|| refer_branch(branch, depth)).clone(),
    }
}

fn refer_branch<V: Leaf>(branch: &Branch<V>, depth: usize) -> Vec<u8> {
    let mut body = Vec::with_capacity(17 * 33);
    if let Some((path, end)) = follow(branch) {
        encode_path(path.iter().copied(), false, &mut body);
        body.extend_from_slice(&refer(end, depth + path.len()));
    } else {
        for child in &branch.children {
            match child {
                Some(child) => body.extend_from_slice(&refer(child, depth + 1)),
                None => body.push(EMPTY_STRING_CODE),
            }
        }
        body.push(EMPTY_STRING_CODE);
    }
    shorten(&body)
}

/// The path along branches with a single child, and the first node that has several; nothing if that is `branch` itself.
fn follow<V>(branch: &Branch<V>) -> Option<(Vec<usize>, &Node<V>)> {
    let (nibble, mut end) = branch.single()?;
    let mut path = vec![nibble];
    while let Node::Branch(next) = &**end
        && let Some((nibble, child)) = next.single()
    {
        path.push(nibble);
        end = child;
    }
    Some((path, end))
}

/// Appends a path in the compact form that also says whether a leaf follows.
fn encode_path(path: impl ExactSizeIterator<Item = usize>, leaf: bool, out: &mut Vec<u8>) {
    let flag = if leaf { 0x20 } else { 0 };
    let odd = path.len() % 2 == 1;
    let mut bytes = Vec::with_capacity(33);
    if !odd {
        bytes.push(flag);
    }
    let mut high = if odd { Some(flag | 0x10) } else { None };
    for nibble in path {
        let nibble = nibble as u8;
        match high.take() {
            Some(high) => bytes.push(high | nibble),
            None => high = Some(nibble << 4),
        }
    }
    bytes.as_slice().encode(out);
}

/// Makes a node of the encoded items and returns how a parent refers to it.
fn shorten(body: &[u8]) -> Vec<u8> {
    let mut node = Vec::with_capacity(body.len() + 3);
    rlp::Header { list: true, payload_length: body.len() }.encode(&mut node);
    node.extend_from_slice(body);
    if node.len() < 32 {
        return node;
    }
    let mut reference = Vec::with_capacity(33);
    keccak256(node).encode(&mut reference);
    reference
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use alloy::consensus::proofs::storage_root_unsorted;
    use alloy::primitives::U256;
    use proptest::prelude::*;

    use super::*;

    impl Leaf for u64 {
        fn encode(&self, out: &mut Vec<u8>) {
            Encodable::encode(self, out);
        }
    }

    fn expected(entries: &BTreeMap<B256, u64>) -> B256 {
        storage_root_unsorted(entries.iter().map(|(key, value)| (*key, U256::from(*value))))
    }

    /// Keys that share long prefixes, so that extensions, splits and merges occur.
    fn key() -> impl Strategy<Value = B256> {
        (0_u8..4, 0_usize..32, any::<bool>()).prop_map(|(byte, at, hash)| {
            let mut key = B256::ZERO;
            key[at] = byte;
            if hash { keccak256(key) } else { key }
        })
    }

    proptest! {
        #[test]
        fn the_root_is_ethereums_after_every_change(
            changes in proptest::collection::vec((key(), proptest::option::of(1_u64..300)), 1..60)
        ) {
            let mut trie = Trie::default();
            let mut model = BTreeMap::new();
            let mut kept = Vec::new();
            for (key, change) in changes {
                match change {
                    Some(value) => { trie.insert(key, value); model.insert(key, value); }
                    None => { trie.remove(&key); model.remove(&key); }
                }
                prop_assert_eq!(trie.get(&key), model.get(&key));
                prop_assert_eq!(trie.root(), expected(&model));
                kept.push((trie.clone(), model.clone()));
            }
            // Earlier copies did not move.
            for (trie, model) in kept {
                prop_assert_eq!(trie.root(), expected(&model));
                for (key, value) in &model {
                    prop_assert_eq!(trie.get(key), Some(value));
                }
            }
        }
    }

    #[test]
    fn an_empty_trie_has_the_well_known_root() {
        let mut trie = Trie::<u64>::default();
        assert_eq!(trie.root(), EMPTY_ROOT_HASH);
        trie.insert(B256::ZERO, 1);
        trie.remove(&B256::ZERO);
        assert_eq!(trie.root(), EMPTY_ROOT_HASH);
        assert_eq!(trie.get(&B256::ZERO), None);
    }
}
