//! Why an identity, a key or an author was refused.

use photinus_model::did;
use photinus_ports::{blockchain, exchange};

use crate::error::{Kind, coded};

/// Why something about identities was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `FF10277`: nobody of that identifier or name is registered.
    #[error("no identity '{0}' is registered in this namespace")]
    Unknown(String),
    /// `FF10109`: no identity of that id.
    #[error("no identity of that id")]
    NotFound,
    /// `FF10143`: no identity of that id can be updated.
    #[error("no identity '{0}' to update")]
    NothingToUpdate(uuid::Uuid),
    /// `FF10349`: an identifier of another method.
    #[error(transparent)]
    Method(#[from] did::UnknownMethod),
    /// `FF00140` or `FF00141`: not a name.
    #[error(transparent)]
    Name(#[from] photinus_model::name::Error),
    /// `FF00135`: the description is longer than 4096 bytes.
    #[error("field 'description' is longer than 4096 bytes")]
    Description,
    /// `FF00126`: no such type of identity.
    #[error("'{0}' is not a type of identity: use org, node or custom")]
    Type(String),
    /// `FF00124`: nodes and custom identities belong to somebody.
    #[error("an identity of this type needs field 'parent'")]
    ParentRequired,
    /// `FF10214`: the parent is not registered here.
    #[error("parent '{0}' is not registered in this namespace")]
    ParentUnknown(String),
    /// `FF10365`: the parent may not have children of this type.
    #[error("an identity of type '{child}' cannot belong to '{parent}' of type '{kind}'")]
    ParentType {
        /// DID of the parent.
        parent: String,
        /// Type of the parent.
        kind: &'static str,
        /// Type of the child.
        child: &'static str,
    },
    /// `FF10364`: the chain of parents is a circle, or longer than any real one.
    #[error("the parents of '{0}' form a loop")]
    ParentLoop(String),
    /// `FF10366`: the parent's own claim is not known here, so nobody can sign for it.
    #[error("the claim of parent '{0}' is not known to this node")]
    ParentClaim(String),
    /// `FF10352`: a child with a key of its own needs that key named.
    #[error("field 'key' is required: name the signing key of the new identity")]
    KeyRequired,
    /// `FF10480`: an update replaces the profile, so it must bring one.
    #[error("field 'profile' is required")]
    ProfileRequired,
    /// `FF10216`: the configuration names no organisation or no node.
    #[error("no {0} is configured for this namespace")]
    NotConfigured(&'static str),
    /// `FF10277`: the member's own organisation is not registered yet.
    #[error("the organisation '{0}' of this member is not registered yet: POST network/organizations/self first")]
    OrgNotRegistered(String),
    /// `FF10407`: the identity exists already.
    #[error("'{0}' is registered already")]
    Exists(String),
    /// `FF10407`: the key belongs to another identity.
    #[error("key '{key}' is registered to '{owner}' already")]
    KeyTaken {
        /// The key.
        key: String,
        /// DID of its owner.
        owner: String,
    },
    /// `FF10356`: the key belongs to nobody.
    #[error("key '{0}' is not registered to any identity")]
    KeyUnregistered(String),
    /// `FF10355`: the key belongs to somebody else than the author.
    #[error("key '{key}' is registered to '{owner}', not to '{author}'")]
    KeyOfAnother {
        /// The key.
        key: String,
        /// DID of its owner.
        owner: String,
        /// The author that was named.
        author: String,
    },
    /// `FF10353`: the author has no key on this ledger.
    #[error("'{0}' has no key on this blockchain")]
    NoKey(String),
    /// `FF10206`: this member may not speak as that author.
    #[error("'{0}' does not belong to this member: only its own member can send as it")]
    NotLocal(String),
    /// `FF10354`, `FF10141` and others: the ledger does not take the key.
    #[error(transparent)]
    Ledger(#[from] blockchain::Error),
    /// `FF10229`: the data exchange does not tell who this node is.
    #[error(transparent)]
    Exchange(#[from] exchange::Error),
    /// `FF10428`: only the ledger's own kind of verifier can be resolved.
    #[error("verifiers of type '{0}' cannot be resolved")]
    VerifierType(String),
    /// `FF00140`: a profile that is not an object.
    #[error("field 'profile' must be a JSON object")]
    ProfileShape,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] photinus_store::Error),
}

impl Error {
    /// The FireFly code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unknown(_) | Self::OrgNotRegistered(_) => "FF10277",
            Self::NotFound => "FF10109",
            Self::NothingToUpdate(_) => "FF10143",
            Self::Method(_) => "FF10349",
            Self::Name(error) => error.code(),
            Self::Description => "FF00135",
            Self::Type(_) => "FF00126",
            Self::ParentRequired => "FF00124",
            Self::ParentUnknown(_) => "FF10214",
            Self::ParentType { .. } => "FF10365",
            Self::ParentLoop(_) => "FF10364",
            Self::ParentClaim(_) => "FF10366",
            Self::KeyRequired => "FF10352",
            Self::ProfileRequired => "FF10480",
            Self::ProfileShape => "FF00140",
            Self::NotConfigured(_) => "FF10216",
            Self::Exists(_) | Self::KeyTaken { .. } => "FF10407",
            Self::KeyUnregistered(_) => "FF10356",
            Self::KeyOfAnother { .. } => "FF10355",
            Self::NoKey(_) => "FF10353",
            Self::NotLocal(_) => "FF10206",
            Self::Ledger(error) => ledger_code(error),
            Self::Exchange(_) => "FF10229",
            Self::VerifierType(_) => "FF10428",
            Self::Store(_) => crate::error::STORE_CODE,
        }
    }

    /// What a caller can do about it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Unknown(_) | Self::NotFound | Self::NothingToUpdate(_) | Self::KeyUnregistered(_) => Kind::NotFound,
            Self::Exists(_) | Self::KeyTaken { .. } | Self::OrgNotRegistered(_) => Kind::Conflict,
            Self::NotLocal(_) => Kind::NotAllowed,
            Self::Ledger(error) => ledger_kind(error),
            Self::Exchange(_) => Kind::Unavailable,
            Self::Store(error) => crate::error::store_kind(error),
            _ => Kind::BadInput,
        }
    }

    /// The same failure as a message sender reads it: it is the sender's request that is wrong, whatever is missing.
    pub(crate) fn describe(&self) -> String {
        coded(self.code(), self)
    }
}

/// The code of a ledger's refusal.
pub(crate) fn ledger_code(error: &blockchain::Error) -> &'static str {
    match error {
        blockchain::Error::InvalidKey(_) => "FF10141",
        blockchain::Error::MissingKey => "FF10354",
        blockchain::Error::InvalidLocation(_) => "FF10310",
        blockchain::Error::UnknownKey(_) | blockchain::Error::Rejected(_) => "FF10111",
        blockchain::Error::Unavailable(_) | blockchain::Error::Journal(_) => "FF10111",
    }
}

/// What a caller can do about a ledger's refusal.
pub(crate) fn ledger_kind(error: &blockchain::Error) -> Kind {
    match error {
        blockchain::Error::InvalidKey(_)
        | blockchain::Error::MissingKey
        | blockchain::Error::InvalidLocation(_)
        | blockchain::Error::Rejected(_) => Kind::BadInput,
        blockchain::Error::UnknownKey(_) => Kind::NotAllowed,
        blockchain::Error::Unavailable(_) | blockchain::Error::Journal(_) => Kind::Unavailable,
    }
}
