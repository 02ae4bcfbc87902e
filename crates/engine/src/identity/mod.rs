//! Identities: who is who, who may speak as whom, and how this member claims identities of its own.
//!
//! A claim is a definition message like any other: nothing is registered here before every member has confirmed it. What a
//! received claim makes of the records is decided in the ledger's order, not here.

mod claim;
mod directory;
mod document;
mod error;
mod rules;
pub(crate) mod signer;
mod update;

pub use claim::Input;
pub(crate) use directory::Directory;
pub use document::Document;
pub use error::Error;
pub(crate) use error::ledger_code;
use photinus_model::{Uuid, identity::Identity, identity::VerifierRef};
use photinus_ports::blockchain::KeyIntent;
use serde::Deserialize;
pub(crate) use signer::Signer;
use std::sync::Arc;
pub use update::Input as UpdateInput;

use crate::{Namespace, core::Core};

/// Most steps from an identity to the root above it.
pub(crate) const MAX_ANCESTORS: usize = 64;

/// A key to be brought into its normal form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ResolveInput {
    /// Kind of verifier; the ledger's own when left out.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    /// The key.
    #[serde(default)]
    pub value: Option<String>,
}

/// This member's organisation, and who speaks for it.
pub(crate) async fn own_org(core: &Core) -> Result<(Arc<Identity>, Signer), Error> {
    let org = signer::own_org(core).await?;
    let signer = claim::claimant_of(core, &org).await?;
    Ok((org, signer))
}

impl Namespace {
    /// The identity that a text names: a DID (of an organisation also with its id in place of the name), or the name of an
    /// organisation.
    ///
    /// # Errors
    /// [`Error::Unknown`] when there is none, [`Error::Method`] for another kind of DID.
    pub async fn identity(&self, text: &str) -> Result<Arc<Identity>, Error> {
        self.core().identities.require(text).await
    }

    /// The DID document of an identity.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn did_document(&self, identity: &Identity) -> Result<Document, Error> {
        let verifiers = self.core().identities.verifiers_of(identity.id).await?;
        Ok(Document::new(identity, &verifiers))
    }

    /// The DID document of the identity of an id.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none.
    pub async fn did_document_of(&self, id: Uuid) -> Result<Document, Error> {
        let identity = self.core().identities.by_id(id).await?.ok_or(Error::NotFound)?;
        self.did_document(&identity).await
    }

    /// The normal form of a key, whoever it belongs to.
    ///
    /// # Errors
    /// When the ledger does not know such keys.
    pub async fn resolve_verifier(&self, input: ResolveInput) -> Result<VerifierRef, Error> {
        let chain = &self.core().ports.blockchain;
        let kind = chain.verifier_type();
        if let Some(wanted) = input.kind.filter(|wanted| !wanted.is_empty() && *wanted != kind.as_str()) {
            return Err(Error::VerifierType(wanted));
        }
        let value = chain.resolve_key(input.value.as_deref().unwrap_or_default(), KeyIntent::Lookup).await?;
        Ok(VerifierRef { kind, value })
    }
}
