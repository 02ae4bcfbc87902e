//! Who owns a key as of a place.

use photinus_model::{Uuid, identity::Type};

use super::Place;

/// An identity that was accepted.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) base: Base,
    pub(crate) key: String,
    /// Data exchange id, of a node.
    pub(crate) peer: Option<String>,
    pub(crate) place: Place,
}

/// What never changes of an identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Base {
    pub(crate) id: Uuid,
    pub(crate) did: String,
    pub(crate) kind: Type,
    pub(crate) parent: Option<Uuid>,
    pub(crate) name: String,
}

impl Base {
    /// Whether an identity of that type may be its parent.
    pub(crate) fn may_belong_to(&self, parent: Type) -> bool {
        match self.kind {
            Type::Org | Type::Node => parent == Type::Org,
            Type::Custom => matches!(parent, Type::Org | Type::Custom),
        }
    }
}

/// What is known of a key as of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// It belongs to this identity.
    Of(String),
    /// Something below may still change it.
    Wait,
    /// It tried to register itself in a way that others accept.
    Refused,
    /// Nobody's as of the place; later it may be somebody's.
    Nobody(Option<String>),
}
