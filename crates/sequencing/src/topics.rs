//! The one topic on which a definition counts: that of its kind and name.

use photinus_model::Hash;

use crate::facts::content::Message;
use crate::rules::Rules;
use crate::text::Did;

/// Kinds of definitions that are ordered by their name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Datatype,
    Interface,
    Api,
    Pool,
}

impl Kind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Datatype => "datatype",
            Self::Interface => "ffi",
            Self::Api => "contractapi",
            Self::Pool => "tokenpool",
        }
    }

    /// The topic of this kind and name. The namespace is blank except on the oldest networks.
    pub(crate) fn topic(self, namespace: &str, name: &str) -> String {
        Hash::concat(&[self.prefix().as_bytes(), namespace.as_bytes(), name.as_bytes()]).to_string()
    }

    /// Whether the message is on the topic of this kind and name, and on no other.
    pub(crate) fn holds(self, rules: &Rules, message: &Message, name: &str) -> bool {
        let legacy = rules.legacy_namespace.as_deref();
        is_only(message, &self.topic("", name))
            || legacy.is_some_and(|namespace| is_only(message, &self.topic(namespace, name)))
    }
}

/// The topic of all that defines an identity.
pub(crate) fn of_did(did: &Did) -> String {
    Hash::of(did.as_str().as_bytes()).to_string()
}

/// The context of all that defines an identity.
pub(crate) fn context_of_did(did: &Did) -> Hash {
    Hash::of(of_did(did).as_bytes())
}

/// Whether the message is on this topic and on no other.
pub(crate) fn is_only(message: &Message, topic: &str) -> bool {
    matches!(message.topics.as_slice(), [only] if only == topic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_those_of_other_members() {
        assert_eq!(
            Kind::Datatype.topic("", "widget"),
            "1e38979b877aa38656e81181df558f88f10125443911e72204e0984c37f79815"
        );
        assert_eq!(
            Kind::Interface.topic("", "SimpleStorage"),
            "977a0e8b4757cfc2179b283cec755df3a60588971370d883d5e5a7d221953947"
        );
        let org = Did::from("did:firefly:org/org_0");
        assert_eq!(of_did(&org), "ff216671366b676cf14633a543ab62743d527a8d5567bed3394983714da15bd3");
        assert_eq!(
            context_of_did(&org).to_string(),
            "8319d70666de18ed7d1c17e1bbd8ac0b16716fbe2059a8ae356a09d3bd067e14"
        );
    }
}
