//! Who speaks: from the author and key of a request to an identity and the key that signs for it.

use std::sync::Arc;

use photinus_model::{
    did,
    identity::{self, Identity},
};
use photinus_ports::blockchain::KeyIntent;

use super::Error;
use crate::core::Core;

/// An author and the key that signs for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signer {
    /// DID of the author.
    pub(crate) author: String,
    /// Its key, in the ledger's normal form.
    pub(crate) key: String,
}

/// Finds author and key of a broadcast.
///
/// | given | author | key |
/// |---|---|---|
/// | nothing | this member's organisation | the default key, which must be registered to it |
/// | key | the identity that the key is registered to | the key |
/// | key and author | the author, if the key is registered to it | the key |
/// | author | the author, if it belongs to this member | the key that is registered to it |
///
/// FireFly also lets an unregistered key speak for any author. Members then hold the message, and everything behind it in
/// its topics, until that key is registered to that author, which cannot happen any more once the author has a key. So it
/// is refused here.
pub(crate) async fn resolve(core: &Core, author: &str, key: &str) -> Result<Signer, Error> {
    let chain = &core.ports.blockchain;
    match (author, key) {
        ("", "") => {
            let org = own_org(core).await?;
            let key = chain.resolve_key(default_key(core), KeyIntent::Sign).await?;
            check_owner(core, &key, &org).await?;
            Ok(Signer { author: org.did.clone(), key })
        }
        ("", key) => {
            let key = chain.resolve_key(key, KeyIntent::Lookup).await?;
            let owner = core.identities.by_verifier(chain.verifier_type(), &key).await?;
            let owner = owner.ok_or_else(|| Error::KeyUnregistered(key.clone()))?;
            let key = chain.resolve_key(&key, KeyIntent::Sign).await?;
            Ok(Signer { author: owner.did.clone(), key })
        }
        (author, "") => {
            let author = core.identities.require(author).await?;
            if !is_local(core, &author).await? {
                return Err(Error::NotLocal(author.did.clone()));
            }
            let key = registered_key(core, &author).await?;
            let key = chain.resolve_key(&key, KeyIntent::Sign).await?;
            Ok(Signer { author: author.did.clone(), key })
        }
        (author, key) => {
            let key = chain.resolve_key(key, KeyIntent::Lookup).await?;
            let owner = core.identities.by_verifier(chain.verifier_type(), &key).await?;
            let author = match owner {
                Some(owner) if owner.name == author || owner.did == author => owner,
                _ => core.identities.require(author).await?,
            };
            check_owner(core, &key, &author).await?;
            let key = chain.resolve_key(&key, KeyIntent::Sign).await?;
            Ok(Signer { author: author.did.clone(), key })
        }
    }
}

/// The key that signs when a request names none: the namespace's, else the organisation's. May be empty.
pub(crate) fn default_key(core: &Core) -> &str {
    let options = &core.options;
    options.default_key.as_deref().or(options.org.key.as_deref()).unwrap_or_default()
}

/// The registered identity of this member's organisation.
pub(crate) async fn own_org(core: &Core) -> Result<Arc<Identity>, Error> {
    let name = &core.options.org.name;
    if name.is_empty() {
        return Err(Error::NotConfigured("organisation"));
    }
    let org = core.identities.by_did(&did::of(identity::Type::Org, name)).await?;
    org.ok_or_else(|| Error::OrgNotRegistered(name.clone()))
}

/// Whether an identity is this member's organisation, or belongs to it by any number of steps.
pub(crate) async fn is_local(core: &Core, identity: &Identity) -> Result<bool, Error> {
    let own = did::of(identity::Type::Org, &core.options.org.name);
    let mut did = identity.did.clone();
    let mut parent = identity.parent;
    for _ in 0..super::MAX_ANCESTORS {
        if did == own {
            return Ok(true);
        }
        let Some(id) = parent else { return Ok(false) };
        let Some(next) = core.identities.by_id(id).await? else { return Ok(false) };
        did.clone_from(&next.did);
        parent = next.parent;
    }
    Err(Error::ParentLoop(identity.did.clone()))
}

/// The key of this ledger that is registered to an identity.
async fn registered_key(core: &Core, identity: &Identity) -> Result<String, Error> {
    let kind = core.ports.blockchain.verifier_type();
    let verifiers = core.identities.verifiers_of(identity.id).await?;
    let key = verifiers.iter().find(|verifier| verifier.kind == kind);
    key.map(|verifier| verifier.value.clone()).ok_or_else(|| Error::NoKey(identity.did.clone()))
}

async fn check_owner(core: &Core, key: &str, author: &Identity) -> Result<(), Error> {
    match core.identities.by_verifier(core.ports.blockchain.verifier_type(), key).await? {
        Some(owner) if owner.id == author.id => Ok(()),
        Some(owner) => {
            Err(Error::KeyOfAnother { key: key.to_owned(), owner: owner.did.clone(), author: author.did.clone() })
        }
        None => Err(Error::KeyUnregistered(key.to_owned())),
    }
}
