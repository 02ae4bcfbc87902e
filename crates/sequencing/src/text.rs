//! Names as the ledger and the payloads spell them: opaque texts, compared byte for byte and cheap to clone.
//!
//! Not here: the rules for a legal name or DID. They are checked where a payload is parsed.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Whether the text has no characters, which is how an absent field is written.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.0.is_empty()
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(Arc::from(text))
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(Arc::from(text))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text! {
    /// A decentralised identifier, such as `did:firefly:org/org_0`.
    Did
}

text! {
    /// A signing key in the normal form of its ledger (on Ethereum: lower-case hex with `0x`).
    ///
    /// The signer of a ledger event and the `key` of a message header must be given in the same form, because they
    /// are compared as text.
    Signer
}
