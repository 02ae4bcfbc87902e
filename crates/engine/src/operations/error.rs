//! Why something about an operation or a transaction was refused.

use photinus_model::{Uuid, operation};

use crate::error::Kind;

/// Why something about an operation or a transaction was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `FF00164`: no such operation.
    #[error("no operation '{0}'")]
    NotFound(Uuid),
    /// `FF10109`: no such transaction.
    #[error("no transaction '{0}'")]
    NoTransaction(Uuid),
    /// `FF10348`: this kind of operation cannot be repeated by hand.
    #[error("operations of type '{}' cannot be repeated by hand: they are repeated until they succeed", .0.as_str())]
    NotRepeatable(operation::Type),
    /// `FF10348`: what the operation worked on is no longer held.
    #[error("what operation '{0}' works on is not held by this node")]
    InputGone(Uuid),
    /// `FF10109`: no such batch.
    #[error("no batch '{0}'")]
    NoBatch(Uuid),
    /// `FF10466`: the batch is not of the kind that waits for a custom contract.
    #[error("batch '{id}' of type '{kind}' cannot be cancelled: only those of type contract_invoke_pin can")]
    NotCancellable {
        /// The batch.
        id: Uuid,
        /// Type of its transaction.
        kind: String,
    },
    /// `FF10468`: the batch is not being sent by this node.
    #[error("batch '{0}' is not being sent by this node")]
    NotDispatched(Uuid),
    /// `FF00112`: nothing says from where.
    #[error("give 'sequence', the sequence of a pin, or 'batch', the id of a batch")]
    NoPlace,
    /// `FF10109`: no such pin.
    #[error("no such pin")]
    NoPin,
    /// `FF00112`: not a position.
    #[error("'{0}' is not a position: give 'position' as status/topics tells it, such as 000000000012/000000/000001")]
    Position(String),
    /// `FF00112`: alone, there are no others.
    #[error(
        "'forOthers' is for votes: leave it out, because what this node gives up alone is given up for nobody else"
    )]
    NoOthers,
    /// `FF10109`: nothing to give up.
    #[error("nothing undecided is pinned at {0}, or nothing at all; with forOthers you vote for members that wait")]
    NothingOpen(String),
    /// `FF00130`: not a status.
    #[error("'{0}' is not a status of an operation: use Initialized, Pending, Succeeded or Failed")]
    Status(String),
    /// `FF10397`: not a network action.
    #[error("'{0}' is not a network action: use terminate")]
    Action(String),
    /// `FF10397`: the members would not follow.
    #[error("'{0}' is not a root organisation: only the action of one counts")]
    NotRoot(String),
    /// `FF10396`: this node could not go on.
    #[error("no multiparty contract is configured at index {0}: configure the next one on every member first")]
    NoNextContract(usize),
    /// Who this member is.
    #[error(transparent)]
    Identity(#[from] crate::identity::Error),
    /// The attempt failed at once.
    #[error("{0}")]
    Failed(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] photinus_store::Error),
}

impl Error {
    /// The FireFly code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "FF00164",
            Self::NoTransaction(_) => "FF10109",
            Self::NotRepeatable(_) | Self::InputGone(_) => "FF10348",
            Self::NoBatch(_) | Self::NoPin | Self::NothingOpen(_) => "FF10109",
            Self::NotCancellable { .. } => "FF10466",
            Self::NotDispatched(_) => "FF10468",
            Self::NoPlace | Self::Position(_) | Self::NoOthers => "FF00112",
            Self::Status(_) => "FF00130",
            Self::Action(_) | Self::NotRoot(_) => "FF10397",
            Self::NoNextContract(_) => "FF10396",
            Self::Identity(error) => error.code(),
            Self::Failed(_) => "FF10111",
            Self::Store(_) => crate::error::STORE_CODE,
        }
    }

    /// What a caller can do about it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::NotFound(_) | Self::NoTransaction(_) | Self::NoBatch(_) | Self::NoPin | Self::NothingOpen(_) => {
                Kind::NotFound
            }
            Self::NotRepeatable(_) | Self::InputGone(_) | Self::NoNextContract(_) => Kind::Conflict,
            Self::NotCancellable { .. } | Self::NotDispatched(_) => Kind::BadInput,
            Self::NoPlace | Self::Position(_) | Self::NoOthers => Kind::BadInput,
            Self::Status(_) | Self::Action(_) => Kind::BadInput,
            Self::NotRoot(_) => Kind::NotAllowed,
            Self::Identity(error) => error.kind(),
            Self::Failed(_) => Kind::Unavailable,
            Self::Store(error) => crate::error::store_kind(error),
        }
    }
}
