//! Identities and the verifiers that tell who is who: the store's rows behind a bounded cache.

use std::sync::Arc;

use parking_lot::Mutex;
use photinus_model::{
    Uuid, did,
    identity::{self, Identity},
    verifier::{self, Verifier},
};
use photinus_store::Store;
use quick_cache::sync::Cache;

use super::Error;

/// Looks identities up. Only what exists is cached, so a look-up of nobody always asks the store.
///
/// Whoever commits a change of an identity or a verifier calls [`Directory::apply`] afterwards. A look-up that was under way
/// meanwhile does not put what it read into the cache.
pub(crate) struct Directory {
    store: Store,
    namespace: String,
    by_id: Cache<Uuid, Arc<Identity>>,
    by_did: Cache<String, Arc<Identity>>,
    owners: Cache<(verifier::Type, String), Uuid>,
    verifiers: Cache<Uuid, Arc<[Verifier]>>,
    /// The first node of an identity.
    nodes: Cache<Uuid, Uuid>,
    /// Counts changes; held while the caches are written, so that nothing outdated gets in behind a change.
    changes: Mutex<u64>,
}

impl Directory {
    /// An empty cache of at most `entries` of each kind.
    pub(crate) fn new(store: Store, namespace: &str, entries: usize) -> Self {
        Self {
            store,
            namespace: namespace.to_owned(),
            by_id: Cache::new(entries),
            by_did: Cache::new(entries),
            owners: Cache::new(entries),
            verifiers: Cache::new(entries),
            nodes: Cache::new(entries),
            changes: Mutex::new(0),
        }
    }

    /// The identity of an id.
    pub(crate) async fn by_id(&self, id: Uuid) -> Result<Option<Arc<Identity>>, Error> {
        if let Some(found) = self.by_id.get(&id) {
            return Ok(Some(found));
        }
        let before = *self.changes.lock();
        let found = self.store.read(&self.namespace).identity(id).await?;
        Ok(found.map(|identity| self.keep(identity, before)))
    }

    /// The identity of a DID, as it stands.
    pub(crate) async fn by_did(&self, did: &str) -> Result<Option<Arc<Identity>>, Error> {
        if let Some(found) = self.by_did.get(did) {
            return Ok(Some(found));
        }
        let before = *self.changes.lock();
        let found = self.store.read(&self.namespace).identity_by_did(did).await?;
        Ok(found.map(|identity| self.keep(identity, before)))
    }

    /// The identity that a text names: a DID (of an organisation also with its id in place of the name), or the name of an
    /// organisation.
    pub(crate) async fn lookup(&self, text: &str) -> Result<Option<Arc<Identity>>, Error> {
        match did::lookup(text)? {
            did::Lookup::OrgName(name) => self.by_did(&did::of(identity::Type::Org, name)).await,
            did::Lookup::Did { did, org } => match (self.by_did(did).await?, org) {
                (None, Some(id)) => self.by_id(id).await,
                (found, _) => Ok(found),
            },
        }
    }

    /// As [`Directory::lookup`]; nobody is an error.
    pub(crate) async fn require(&self, text: &str) -> Result<Arc<Identity>, Error> {
        self.lookup(text).await?.ok_or_else(|| Error::Unknown(text.to_owned()))
    }

    /// Who a key or peer id belongs to.
    pub(crate) async fn by_verifier(&self, kind: verifier::Type, value: &str) -> Result<Option<Arc<Identity>>, Error> {
        let key = (kind, value.to_owned());
        if let Some(owner) = self.owners.get(&key) {
            return self.by_id(owner).await;
        }
        let before = *self.changes.lock();
        let Some(verifier) = self.store.read(&self.namespace).verifier(kind, value).await? else { return Ok(None) };
        let Some(owner) = verifier.identity else { return Ok(None) };
        self.unless_changed(before, || self.owners.insert(key, owner));
        self.by_id(owner).await
    }

    /// The verifiers of an identity.
    pub(crate) async fn verifiers_of(&self, identity: Uuid) -> Result<Arc<[Verifier]>, Error> {
        if let Some(found) = self.verifiers.get(&identity) {
            return Ok(found);
        }
        let before = *self.changes.lock();
        let found: Arc<[Verifier]> = self.store.read(&self.namespace).verifiers_of(identity).await?.into();
        if !found.is_empty() {
            self.unless_changed(before, || self.verifiers.insert(identity, Arc::clone(&found)));
        }
        Ok(found)
    }

    /// The data exchange id of a node, from its profile.
    pub(crate) async fn peer_of(&self, node: Uuid) -> Result<Option<String>, Error> {
        #[derive(serde::Deserialize)]
        struct Profile {
            id: String,
        }
        let Some(node) = self.by_id(node).await? else { return Ok(None) };
        let profile = node.profile.as_ref().and_then(|profile| profile.read::<Profile>().ok());
        Ok(profile.map(|profile| profile.id).filter(|id| !id.is_empty()))
    }

    /// The node of an identity that was registered first.
    pub(crate) async fn first_node(&self, owner: Uuid) -> Result<Option<Uuid>, Error> {
        if let Some(found) = self.nodes.get(&owner) {
            return Ok(Some(found));
        }
        let before = *self.changes.lock();
        let found = self.store.read(&self.namespace).first_child(owner, identity::Type::Node).await?;
        Ok(found.map(|node| {
            self.unless_changed(before, || self.nodes.insert(owner, node.id));
            node.id
        }))
    }

    /// Whether an identity is the one with this id, or belongs to it by any number of steps.
    pub(crate) async fn is_or_is_below(&self, identity: &Identity, ancestor: Option<Uuid>) -> Result<bool, Error> {
        let Some(ancestor) = ancestor else { return Ok(false) };
        let (mut id, mut parent) = (identity.id, identity.parent);
        for _ in 0..super::MAX_ANCESTORS {
            if id == ancestor {
                return Ok(true);
            }
            let Some(above) = parent else { return Ok(false) };
            let Some(above) = self.by_id(above).await? else { return Ok(false) };
            (id, parent) = (above.id, above.parent);
        }
        Err(Error::ParentLoop(identity.did.clone()))
    }

    /// Takes note of identities and verifiers that were just committed.
    pub(crate) fn apply<'a>(
        &self,
        identities: impl IntoIterator<Item = &'a Identity>,
        verifiers: impl IntoIterator<Item = &'a Verifier>,
    ) {
        let mut changes = self.changes.lock();
        *changes += 1;
        for identity in identities {
            self.by_id.remove(&identity.id);
            self.by_did.remove(&identity.did);
        }
        for verifier in verifiers {
            self.owners.remove(&(verifier.kind, verifier.value.clone()));
            if let Some(identity) = verifier.identity {
                self.verifiers.remove(&identity);
            }
        }
    }

    /// Takes note that an identity changed.
    pub(crate) fn forget(&self, id: Uuid) {
        let mut changes = self.changes.lock();
        *changes += 1;
        if let Some((_, identity)) = self.by_id.remove(&id) {
            self.by_did.remove(&identity.did);
        }
    }

    fn unless_changed(&self, before: u64, insert: impl FnOnce()) {
        let changes = self.changes.lock();
        if *changes == before {
            insert();
        }
    }

    fn keep(&self, identity: Identity, before: u64) -> Arc<Identity> {
        let identity = Arc::new(identity);
        self.unless_changed(before, || {
            self.by_id.insert(identity.id, Arc::clone(&identity));
            self.by_did.insert(identity.did.clone(), Arc::clone(&identity));
        });
        identity
    }
}
