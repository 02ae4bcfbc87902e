//! The protocol `content`: what the shared storages of members say to one another, over [`Peers`](crate::peers::Peers).
//!
//! The heads of its calls are JSON. Unknown keys are ignored, so that later versions may add some.

use std::fmt;

use bytes::Bytes;
use photinus_model::cid;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Name of the protocol.
pub const PROTOCOL: &str = "content";

/// A content id of version 0. Its text is letters and digits only, so it is safe as the name of a file.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference(String);

/// Why a text is not a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a content id of version 0")]
pub struct Invalid;

impl Reference {
    /// Reads one.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if cid::is_valid(text) { Ok(Self(text.to_owned())) } else { Err(Invalid) }
    }

    /// The reference of some content.
    #[must_use]
    pub fn of(builder: cid::Builder) -> Self {
        Self(builder.finish())
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part that spreads files over folders. The first letters are the same for all.
    #[must_use]
    pub fn shard(&self) -> &str {
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

/// What one node asks of another.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Request {
    /// Here is a content; it is the body.
    Push {
        /// Which.
        #[serde(rename = "ref")]
        reference: Reference,
        /// Its bytes.
        size: u64,
    },
    /// There is a content, too large to be sent unasked.
    Announce {
        /// Which.
        #[serde(rename = "ref")]
        reference: Reference,
        /// Its bytes.
        size: u64,
    },
    /// Send me a content.
    Pull {
        /// Which.
        #[serde(rename = "ref")]
        reference: Reference,
    },
    /// Is a content there?
    Have {
        /// Which.
        #[serde(rename = "ref")]
        reference: Reference,
    },
}

/// What the other answers.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum Answer {
    /// A pushed content is stored, or was.
    Stored,
    /// An announcement was taken note of.
    Noted,
    /// The content is not here.
    Absent,
    /// The content is here. After a pull, it is the body.
    Found {
        /// Its bytes.
        size: u64,
    },
}

/// Writes a head.
///
/// # Errors
/// When it cannot be written as JSON, in words.
pub fn write(head: &impl Serialize) -> Result<Bytes, String> {
    serde_json::to_vec(head).map(Bytes::from).map_err(|e| e.to_string())
}

/// Reads a head.
///
/// # Errors
/// When it is none that is known, in words for the peer.
pub fn read<T: DeserializeOwned>(head: &[u8]) -> Result<T, String> {
    serde_json::from_slice(head).map_err(|e| format!("head of the call is not understood: {e}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn heads_have_this_form() {
        let reference = Reference::parse("QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o").unwrap();
        let push = write(&Request::Push { reference, size: 12 }).unwrap();
        assert_eq!(push, r#"{"op":"push","ref":"QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o","size":12}"#);
        assert_eq!(write(&Answer::Found { size: 12 }).unwrap(), r#"{"status":"found","size":12}"#);
        assert_eq!(read::<Answer>(br#"{"status":"absent","since":1}"#), Ok(Answer::Absent));
        assert!(read::<Request>(br#"{"op":"pull","ref":"../../etc/passwd"}"#).is_err());
    }

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
