//! The content of a batch, as far as ordering and verdicts depend on it.

use photinus_model::{Hash, Uuid, tag};
use serde::{Deserialize, Serialize};

use super::definition::Definition;
use super::{BatchKey, DataKey, MessageKey};
use crate::text::{Did, Signer};

/// Messages and data whose manifest hashes to `batch.hash`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// The batch.
    pub batch: BatchKey,
    /// The FireFly transaction of the batch, from its manifest.
    pub tx: Uuid,
    /// Author of the batch and of every message in it.
    pub author: Did,
    /// Signing key of the batch and of every message in it.
    pub key: Signer,
    /// The messages in the order of the manifest.
    pub messages: Vec<Message>,
}

impl Content {
    /// The messages with the index of the first value that each owns: the topics of those before it, counted.
    pub fn owners(&self) -> impl Iterator<Item = (u32, &Message)> {
        self.messages.iter().scan(0_u32, |next, message| {
            let base = *next;
            *next = next.saturating_add(message.width());
            Some((base, message))
        })
    }

    /// The message that owns the value at `index`, and the index of its first value.
    #[must_use]
    pub fn owner(&self, index: u32) -> Option<(u32, &Message)> {
        self.owners().find(|(base, message)| (*base..base.saturating_add(message.width())).contains(&index))
    }
}

/// What kind of message the header's `type` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// `broadcast`
    Broadcast,
    /// `definition`
    Definition,
    /// `transfer_broadcast`
    TransferBroadcast,
    /// `approval_broadcast`
    ApprovalBroadcast,
    /// `private`
    Private,
    /// `groupinit`
    GroupInit,
    /// `transfer_private`
    TransferPrivate,
    /// `approval_private`
    ApprovalPrivate,
    /// Any other text. Such a message is ordered like a broadcast, because members never checked the type.
    Other,
}

impl Kind {
    /// Whether messages of this kind belong to a group.
    #[must_use]
    pub fn is_private(self) -> bool {
        matches!(self, Self::Private | Self::GroupInit | Self::TransferPrivate | Self::ApprovalPrivate)
    }
}

/// The tags of claims, the last two those of network version 1.
const CLAIMS: [&str; 3] = [tag::IDENTITY_CLAIM, tag::DEPRECATED_DEFINE_ORGANIZATION, tag::DEPRECATED_DEFINE_NODE];

/// One message of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Id and hash.
    pub key: MessageKey,
    /// The header's `type`.
    pub kind: Kind,
    /// The header's `group`.
    pub group: Option<Hash>,
    /// The header's `topics`, in its order.
    pub topics: Vec<String>,
    /// The header's `tag`; empty when absent.
    pub tag: String,
    /// The header's `cid`.
    pub cid: Option<Uuid>,
    /// The token record that must be seen first, from `txparent` or one of the deprecated types.
    pub token: Option<super::TokenRecord>,
    /// The data references of the message, in its order.
    pub data: Vec<Data>,
    /// What a message of type `definition` defines. Never looked at for another type.
    pub definition: Option<Definition>,
    /// The group that a message tagged `ff_define_group` carries, if it validates and hashes to its name.
    pub defines_group: Option<Group>,
}

impl Message {
    /// How many values the message owns in every event that pins it: one per topic.
    #[must_use]
    pub fn width(&self) -> u32 {
        u32::try_from(self.topics.len()).unwrap_or(u32::MAX)
    }

    /// Whether the message may be signed by a key that nobody has registered yet, because it claims an identity. What it
    /// claims need not be readable: waiting for its key would close its topic, where rejecting it frees it.
    #[must_use]
    pub fn introduces_key(&self) -> bool {
        self.kind == Kind::Definition
            && self.definition.as_ref().is_some_and(|definition| match definition {
                Definition::Malformed(_) => CLAIMS.contains(&self.tag.as_str()),
                other => other.introduces_key(),
            })
    }
}

/// One data reference of a message, with what the batch said about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Data {
    /// Id and hash.
    pub key: DataKey,
    /// Whether there is a value (a blob alone has none).
    pub has_value: bool,
    /// The datatype that the value must satisfy. `None` also when the validator is `none`: then it is a label only.
    pub datatype: Option<Datatype>,
    /// Hash of the blob, if there is one.
    pub blob: Option<Hash>,
}

/// The name of a datatype.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Datatype {
    /// Its name.
    pub name: String,
    /// Its version, an opaque text.
    pub version: String,
}

/// A group, known to hash to its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Hash over the members in the order received.
    pub hash: Hash,
    /// DIDs of the members, in the order received; one may occur twice with different nodes.
    pub members: Vec<Did>,
}
