//! References to published content.

use std::fmt;

use photinus_model::cid;
use serde::{Deserialize, Serialize};

/// A content id of version 0. Its text is letters and digits only, so it is safe as the name of a file.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Reference(String);

/// Why a text is not a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a content id of version 0")]
pub(crate) struct Invalid;

impl Reference {
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        if cid::is_valid(text) { Ok(Self(text.to_owned())) } else { Err(Invalid) }
    }

    /// The reference of some content.
    pub(crate) fn of(builder: cid::Builder) -> Self {
        Self(builder.finish())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The part of the name that spreads files over folders. The first letters are the same for all.
    pub(crate) fn shard(&self) -> &str {
        &self.0[self.0.len() - 1..]
    }
}

impl TryFrom<String> for Reference {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::parse(&text)
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> Self {
        reference.0
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn takes_content_ids_of_version_0_only() {
        assert!(Reference::parse("QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o").is_ok());
        for wrong in [
            "",
            "Qm",
            "../../../../../../../../../../../../etc/passwd",
            "QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5/",
            "QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5O",
            "QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5oo",
            "bafybeicn7i3soqdgr7dwnrwytgq4zxy7a5jpkizrvhm5mv6bgjd32wm3q4",
        ] {
            assert_eq!(Reference::parse(wrong), Err(Invalid), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_taken_can_leave_its_folder(text in "\\PC{0,60}|Qm[0-9A-Za-z./]{44}") {
            if let Ok(reference) = Reference::parse(&text) {
                prop_assert!(reference.as_str().bytes().all(|b| b.is_ascii_alphanumeric()));
            }
        }
    }
}
