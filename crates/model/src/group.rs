//! Groups: who receives a private message.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Hash, JsonText, Time, json, name};

/// One member of a group.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Member {
    /// The identity, a decentralised identifier.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub identity: String,
    /// The node that receives for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Uuid>,
}

/// A group as kept, shown and sent. Its first three fields are its identity and feed its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// The network's name of the namespace.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// A name, which may be empty.
    #[serde(default)]
    pub name: String,
    /// The members, in the order that the hash covers.
    #[serde(default)]
    pub members: Vec<Member>,
    /// The local namespace.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub local_namespace: String,
    /// The message that created it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Uuid>,
    /// The digest of its identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<Hash>,
    /// When it was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Time>,
}

/// The most bytes of a member's identity.
const MAX_IDENTITY: usize = 1024;

/// Why a group is not well formed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Its namespace or name breaks the name rule.
    #[error(transparent)]
    Name(#[from] name::Error),
    /// No member (`FF00115`).
    #[error("a group has at least one member")]
    Empty,
    /// A member without identity (`FF00116`).
    #[error("member {0} has no identity")]
    NoIdentity(usize),
    /// A member's identity is too long (`FF00135`).
    #[error("the identity of member {0} has more than {MAX_IDENTITY} bytes")]
    LongIdentity(usize),
    /// A member without node (`FF00117`).
    #[error("member {0} has no node")]
    NoNode(usize),
    /// The same identity and node twice (`FF00118`).
    #[error("member {0} repeats an earlier one")]
    Duplicate(usize),
    /// The hash is not that of the identity (`FF00119`).
    #[error("the hash is not that of the group's namespace, name and members")]
    WrongHash,
}

impl Error {
    /// The code of the REST interface.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Name(error) => error.code(),
            Self::Empty => "FF00115",
            Self::NoIdentity(_) => "FF00116",
            Self::LongIdentity(_) => "FF00135",
            Self::NoNode(_) => "FF00117",
            Self::Duplicate(_) => "FF00118",
            Self::WrongHash => "FF00119",
        }
    }
}

impl Group {
    /// A new group: members sorted by identity, hashed and checked.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn new(namespace: &str, name: &str, mut members: Vec<Member>, created: Time) -> Result<Self, Error> {
        members.sort_by(|a, b| a.identity.cmp(&b.identity));
        let mut group = Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            members,
            local_namespace: String::new(),
            message: None,
            hash: None,
            created: Some(created),
        };
        group.hash = Some(group.identity_hash());
        group.validate()?;
        Ok(group)
    }

    /// The digest of namespace, name and members, in the order at hand: what is received is never sorted again.
    #[must_use]
    pub fn identity_hash(&self) -> Hash {
        #[derive(Serialize)]
        struct Identity<'a> {
            #[serde(skip_serializing_if = "str::is_empty")]
            namespace: &'a str,
            name: &'a str,
            members: &'a [Member],
        }
        Hash::of(json::own(&Identity { namespace: &self.namespace, name: &self.name, members: &self.members }))
    }

    /// Checks names, members and hash.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn validate(&self) -> Result<(), Error> {
        name::check(&self.namespace, "namespace")?;
        if !self.name.is_empty() {
            name::check_no_uuid(&self.name, "name")?;
        }
        if self.members.is_empty() {
            return Err(Error::Empty);
        }
        let mut seen = HashSet::with_capacity(self.members.len());
        for (index, member) in self.members.iter().enumerate() {
            if member.identity.is_empty() {
                return Err(Error::NoIdentity(index));
            }
            if member.identity.len() > MAX_IDENTITY {
                return Err(Error::LongIdentity(index));
            }
            let Some(node) = member.node else { return Err(Error::NoNode(index)) };
            if !seen.insert((node, &member.identity)) {
                return Err(Error::Duplicate(index));
            }
        }
        if self.hash == Some(self.identity_hash()) { Ok(()) } else { Err(Error::WrongHash) }
    }

    /// Whether an identity with this node is a member.
    #[must_use]
    pub fn has(&self, identity: &str, node: Uuid) -> bool {
        self.members.iter().any(|member| member.identity == identity && member.node == Some(node))
    }

    /// The value of the message that creates the group: without what is local.
    #[must_use]
    pub fn init_value(&self) -> JsonText {
        JsonText::own(&Self { local_namespace: String::new(), message: None, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(identity: &str, node: u128) -> Member {
        Member { identity: identity.into(), node: Some(Uuid::from_u128(node)) }
    }

    #[test]
    fn new_groups_are_sorted_and_received_ones_are_not() {
        let group = Group::new("ns", "", vec![member("b", 1), member("a", 2), member("a", 1)], Time::ZERO).unwrap();
        assert_eq!(group.members, [member("a", 2), member("a", 1), member("b", 1)]);
        let mut other = Group { members: vec![member("b", 1), member("a", 2)], ..group.clone() };
        assert_eq!(other.validate(), Err(Error::WrongHash));
        other.hash = Some(other.identity_hash());
        assert_eq!(other.validate(), Ok(()));
        assert!(group.has("b", Uuid::from_u128(1)) && !group.has("b", Uuid::from_u128(2)));
    }

    #[test]
    fn broken_rules() {
        let make = |members| Group::new("ns", "", members, Time::ZERO);
        assert_eq!(make(vec![]), Err(Error::Empty));
        assert_eq!(make(vec![member("", 1)]), Err(Error::NoIdentity(0)));
        assert_eq!(make(vec![member(&"x".repeat(1025), 1)]), Err(Error::LongIdentity(0)));
        assert_eq!(make(vec![Member { identity: "a".into(), node: None }]), Err(Error::NoNode(0)));
        assert_eq!(make(vec![member("a", 1), member("a", 1)]), Err(Error::Duplicate(1)));
        assert!(matches!(Group::new("n s", "", vec![member("a", 1)], Time::ZERO), Err(Error::Name(_))));
        let uuid = Uuid::from_u128(5).to_string();
        assert!(matches!(Group::new("ns", &uuid, vec![member("a", 1)], Time::ZERO), Err(Error::Name(_))));
    }
}
