//! From what a request says of its recipients to a group.

use std::sync::Arc;

use photinus_model::{
    Hash, Uuid,
    group::{Group, Member},
    identity::{Identity, Type},
    message::{GroupInput, MemberInput},
};

use super::Error;
use crate::{
    core::Core,
    identity::{MAX_ANCESTORS, signer},
};

/// Most members of a group that is made here. Each message is sent to each of them.
const MAX_MEMBERS: usize = 500;

/// The recipients of a message.
pub(crate) enum Recipients {
    /// A group that is known here.
    Known(Arc<Group>),
    /// A group that nobody here has used yet.
    New(Group),
}

impl Recipients {
    /// The hash of the group.
    pub(crate) fn group(&self) -> &Group {
        match self {
            Self::Known(group) => group,
            Self::New(group) => group,
        }
    }
}

/// Finds the group of a message: the one whose hash is given, or the one of the members. This node is always in it.
pub(crate) async fn resolve(core: &Core, hash: Option<Hash>, input: Option<GroupInput>) -> Result<Recipients, Error> {
    if let Some(hash) = hash {
        return core.groups.get(hash).await?.map(Recipients::Known).ok_or(Error::Unknown(hash));
    }
    let input = input.filter(|input| !input.members.is_empty()).ok_or(Error::NoMembers)?;
    if input.members.len() > MAX_MEMBERS {
        return Err(Error::TooMany(MAX_MEMBERS));
    }
    let own = core.multiparty.node().ok_or(Error::NodeUnregistered)?;
    let mut members = Vec::with_capacity(input.members.len() + 1);
    for (index, wanted) in input.members.iter().enumerate() {
        members.push(member(core, index, wanted).await?);
    }
    if !members.iter().any(|member| member.node == Some(own)) {
        let org = signer::own_org(core).await.map_err(|error| Error::Identity { index: members.len(), error })?;
        members.push(Member { identity: org.did.clone(), node: Some(own) });
    }
    let created = core.ports.clock.now();
    let group = Group::new(&core.options.network_namespace, &input.name, members, created)?;
    let group = Group { local_namespace: core.name().to_owned(), ..group };
    let known = match group.hash {
        Some(hash) => core.groups.get(hash).await?,
        None => None,
    };
    if let Some(known) = known {
        return Ok(Recipients::Known(known));
    }
    check_owners(core, &group).await?;
    Ok(Recipients::New(group))
}

async fn member(core: &Core, index: usize, wanted: &MemberInput) -> Result<Member, Error> {
    if wanted.identity.is_empty() {
        return Err(Error::NoIdentity(index));
    }
    let failed = |error| Error::Identity { index, error };
    let identity = core.identities.require(&wanted.identity).await.map_err(failed)?;
    if identity.kind == Type::Node {
        return Err(Error::NodeAsMember(identity.did.clone()));
    }
    let node = if wanted.node.is_empty() {
        first_node(core, &identity).await.map_err(failed)?.ok_or_else(|| Error::NoNode(identity.did.clone()))?
    } else {
        let node = core.identities.lookup(&wanted.node).await.map_err(failed)?;
        let node = node.filter(|node| node.kind == Type::Node);
        node.ok_or_else(|| Error::NotANode(wanted.node.clone()))?.id
    };
    Ok(Member { identity: identity.did.clone(), node: Some(node) })
}

/// The first node of an identity, or of the next one above it that has one.
async fn first_node(core: &Core, identity: &Identity) -> Result<Option<Uuid>, crate::identity::Error> {
    let (mut id, mut parent) = (identity.id, identity.parent);
    for _ in 0..MAX_ANCESTORS {
        if let Some(node) = core.identities.first_node(id).await? {
            return Ok(Some(node));
        }
        let Some(above) = parent else { return Ok(None) };
        let Some(above) = core.identities.by_id(above).await? else { return Ok(None) };
        (id, parent) = (above.id, above.parent);
    }
    Ok(None)
}

/// Checks that every node of a new group belongs to the member that it receives for, or to an identity above it.
async fn check_owners(core: &Core, group: &Group) -> Result<(), Error> {
    for (index, member) in group.members.iter().enumerate() {
        let failed = |error| Error::Identity { index, error };
        let Some(node) = member.node else { continue };
        let node = core.identities.by_id(node).await.map_err(failed)?;
        let identity = core.identities.require(&member.identity).await.map_err(failed)?;
        let owner = node.as_ref().and_then(|node| node.parent);
        if !core.identities.is_or_is_below(&identity, owner).await.map_err(failed)? {
            let node = node.map(|node| node.did.clone()).unwrap_or_default();
            return Err(Error::Owner { node, identity: identity.did.clone() });
        }
    }
    Ok(())
}
