//! Claiming identities: this member's organisation and node, and others below them.

use std::{sync::Arc, time::Duration};

use photinus_model::{
    JsonText, Uuid,
    definition::{claim_value, identity_topic, verification_value},
    did,
    identity::{Identity, MessageRef, Messages, Type},
    message::State,
    tag,
};
use photinus_ports::blockchain::KeyIntent;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Error, Signer, rules, signer};
use crate::{
    Namespace,
    confirm::{self, Verdict},
    core::Core,
    definitions,
    messaging::{self, Sealed},
};

/// An identity that is to be claimed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Input {
    /// Name, the last part of the DID.
    #[serde(default)]
    pub name: Option<String>,
    /// `org`, `node` or `custom`; custom when left out.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    /// Id or DID of the parent, or the name of an organisation.
    #[serde(default)]
    pub parent: Option<String>,
    /// Signing key that the claim binds to the identity.
    #[serde(default)]
    pub key: Option<String>,
    /// Free text.
    #[serde(default)]
    pub description: Option<String>,
    /// Free object.
    #[serde(default)]
    pub profile: Option<JsonText>,
}

impl Namespace {
    /// Claims the organisation that this namespace is configured for.
    ///
    /// # Errors
    /// When none is configured, it is registered already, its key belongs to another identity, or the claim is rejected or
    /// not confirmed in time.
    pub async fn register_organization(&self, wait: Option<Duration>) -> Result<Identity, crate::Error> {
        let org = &self.core().options.org;
        if org.name.is_empty() {
            return Err(Error::NotConfigured("organisation").into());
        }
        let input = Input {
            name: Some(org.name.clone()),
            kind: Some(Type::Org.as_str().to_owned()),
            key: Some(org.key.clone().unwrap_or_default()),
            description: Some(org.description.clone()),
            ..Input::default()
        };
        self.claim(input, wait).await
    }

    /// Claims the node that this namespace is configured for. Its organisation must be registered.
    ///
    /// # Errors
    /// As for the organisation, and when the data exchange does not tell who it is.
    pub async fn register_node(&self, wait: Option<Duration>) -> Result<Identity, crate::Error> {
        let core = self.core();
        let node = &core.options.node;
        if node.name.is_empty() {
            return Err(Error::NotConfigured("node").into());
        }
        let org = signer::own_org(core).await?;
        let mut profile = core.ports.exchange.profile().await.map_err(Error::from)?;
        let peer = profile.get("id").and_then(Value::as_str).unwrap_or_default();
        profile.insert("id".to_owned(), Value::String(format!("{peer}/{}", node.name)));
        rules::sort(&mut profile);
        let input = Input {
            name: Some(node.name.clone()),
            kind: Some(Type::Node.as_str().to_owned()),
            parent: Some(org.did.clone()),
            description: Some(node.description.clone()),
            profile: Some(rules::text(&profile)?),
            ..Input::default()
        };
        self.claim(input, wait).await
    }

    /// Claims an identity. Returns it as it was sent; with `wait`, as it is once registered.
    ///
    /// # Errors
    /// When a field is wrong, the identity or the key is registered already, or the claim is rejected or not confirmed in
    /// time.
    pub async fn claim(&self, input: Input, wait: Option<Duration>) -> Result<Identity, crate::Error> {
        let core = self.core();
        let prepared = prepare(core, input).await?;
        let identity = prepared.identity.clone();
        let mut sealed = vec![Arc::new(messaging::seal(core, prepared.claim(core)?)?)];
        if let Some(signer) = prepared.verifier.clone() {
            let verification = prepared.verification(core, &sealed[0], signer)?;
            sealed.push(Arc::new(messaging::seal(core, verification)?));
        }
        let waiting = match wait {
            Some(limit) => Some((Waiting::register(core, identity.id, &sealed)?, limit)),
            None => None,
        };
        messaging::accept(core, &sealed).await?;
        match waiting {
            None => Ok(as_sent(identity, &sealed)),
            Some((waiting, limit)) => waiting.registered(core, identity.id, limit).await,
        }
    }
}

/// A claim that is known to be right, as far as this node can know.
struct Prepared {
    identity: Identity,
    /// Who signs the claim.
    claimant: Signer,
    /// Who vouches for it, if somebody has to.
    verifier: Option<Signer>,
}

impl Prepared {
    fn claim(&self, core: &Core) -> Result<messaging::Outgoing, crate::Error> {
        let topic = identity_topic(&self.identity.did);
        Ok(definitions::outgoing(core, claim_value(&self.identity), tag::IDENTITY_CLAIM, topic, self.claimant.clone())?)
    }

    fn verification(&self, core: &Core, claim: &Sealed, signer: Signer) -> Result<messaging::Outgoing, crate::Error> {
        let claim = MessageRef { id: Some(claim.message.header.id), hash: claim.message.hash };
        let payload = verification_value(claim, &self.identity);
        let topic = identity_topic(&self.identity.did);
        Ok(definitions::outgoing(core, payload, tag::IDENTITY_VERIFICATION, topic, signer)?)
    }
}

async fn prepare(core: &Core, input: Input) -> Result<Prepared, Error> {
    let kind = rules::kind(input.kind.as_deref())?;
    let name = input.name.unwrap_or_default();
    let profile: Option<Map<String, Value>> =
        input.profile.as_ref().filter(|profile| !profile.is_null()).map(rules::profile).transpose()?;
    let parent = match input.parent.filter(|parent| !parent.is_empty()) {
        Some(parent) => Some(find_parent(core, &parent).await?),
        None if kind == Type::Org => None,
        None => return Err(Error::ParentRequired),
    };
    let identity = Identity {
        id: core.ports.ids.next(),
        did: did::of(kind, &name),
        kind,
        parent: parent.as_ref().map(|parent| parent.id),
        namespace: String::new(),
        name,
        description: input.description.unwrap_or_default(),
        profile: profile.map(|profile| rules::text(&profile)).transpose()?,
        messages: Messages::default(),
        created: None,
        updated: None,
    };
    rules::check(&identity)?;
    if let Some(parent) = &parent {
        rules::check_parent(kind, parent)?;
    }
    let key = input.key.unwrap_or_default();
    let (claimant, verifier) = match &parent {
        Some(parent) if kind == Type::Node => (claimant_of(core, parent).await?, None),
        Some(parent) => {
            if key.is_empty() {
                return Err(Error::KeyRequired);
            }
            let verifier = claimant_of(core, parent).await?;
            (own_key(core, &identity, &key).await?, Some(verifier))
        }
        None => (own_key(core, &identity, &key).await?, None),
    };
    if core.identities.by_did(&identity.did).await?.is_some() {
        return Err(Error::Exists(identity.did));
    }
    Ok(Prepared { identity, claimant, verifier })
}

/// The parent that a request names, by id, DID or name of an organisation.
async fn find_parent(core: &Core, text: &str) -> Result<Arc<Identity>, Error> {
    let found = match Uuid::try_parse(text) {
        Ok(id) => core.identities.by_id(id).await?,
        Err(_) => core.identities.lookup(text).await?,
    };
    found.ok_or_else(|| Error::ParentUnknown(text.to_owned()))
}

/// The identity's own key, which must not be registered to anybody.
async fn own_key(core: &Core, identity: &Identity, key: &str) -> Result<Signer, Error> {
    let key = core.ports.blockchain.resolve_key(key, KeyIntent::Sign).await?;
    match core.identities.by_verifier(core.ports.blockchain.verifier_type(), &key).await? {
        Some(owner) if owner.did != identity.did => Err(Error::KeyTaken { key, owner: owner.did.clone() }),
        _ => Ok(Signer { author: identity.did.clone(), key }),
    }
}

/// Who signed the claim of an identity, and therefore speaks for it where its claim counts.
pub(super) async fn claimant_of(core: &Core, identity: &Identity) -> Result<Signer, Error> {
    let unknown = || Error::ParentClaim(identity.did.clone());
    let claim = identity.messages.claim.ok_or_else(unknown)?;
    let message = core.store.read(core.name()).message(claim).await?.ok_or_else(unknown)?;
    let key = core.ports.blockchain.resolve_key(&message.header.key, KeyIntent::Sign).await?;
    Ok(Signer { author: message.header.author, key })
}

fn as_sent(mut identity: Identity, sealed: &[Arc<Sealed>]) -> Identity {
    let id = |at: usize| sealed.get(at).map(|sealed| sealed.message.header.id);
    identity.messages = Messages { claim: id(0), verification: id(1), update: None };
    identity
}

/// Waits for an identity: it is registered, or one of its messages is rejected.
struct Waiting {
    identity: confirm::Waiter,
    messages: Vec<confirm::Waiter>,
}

impl Waiting {
    fn register(core: &Core, identity: Uuid, sealed: &[Arc<Sealed>]) -> Result<Self, confirm::Error> {
        let messages = sealed.iter().map(|sealed| core.confirmations.register(sealed.message.header.id));
        Ok(Self { messages: messages.collect::<Result<_, _>>()?, identity: core.confirmations.register(identity)? })
    }

    async fn registered(self, core: &Core, id: Uuid, limit: Duration) -> Result<Identity, crate::Error> {
        let rejected = self.messages.into_iter().map(|waiter| {
            Box::pin(async move {
                match waiter.verdict(limit).await {
                    Ok(Verdict::Message(message)) if message.state != Some(State::Confirmed) => {
                        confirm::Error::rejected(&message)
                    }
                    // A message of the claim is confirmed: what counts is the identity.
                    Ok(_) => std::future::pending().await,
                    Err(error) => error,
                }
            })
        });
        tokio::select! {
            biased;
            verdict = self.identity.verdict(limit) => { verdict?; }
            (rejected, _, _) = futures::future::select_all(rejected) => return Err(rejected.into()),
        }
        let identity = core.store.read(core.name()).identity(id).await?;
        Ok(identity.ok_or(Error::NotFound)?)
    }
}
