//! The heads of the calls of the protocol `content`, as JSON. Unknown keys are ignored, so that later versions may add some.

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::reference::Reference;

/// What one node asks of another.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub(crate) enum Request {
    /// Here is a content; it is the body.
    Push {
        #[serde(rename = "ref")]
        reference: Reference,
        size: u64,
    },
    /// There is a content, too large to be sent unasked.
    Announce {
        #[serde(rename = "ref")]
        reference: Reference,
        size: u64,
    },
    /// Send me a content.
    Pull {
        #[serde(rename = "ref")]
        reference: Reference,
    },
    /// Is a content there?
    Have {
        #[serde(rename = "ref")]
        reference: Reference,
    },
}

/// What the other answers.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub(crate) enum Answer {
    /// A pushed content is stored, or was.
    Stored,
    /// An announcement was taken note of.
    Noted,
    /// The content is not here.
    Absent,
    /// The content is here. After a pull, it is the body.
    Found { size: u64 },
}

/// Writes a head.
pub(crate) fn write(head: &impl Serialize) -> Result<Bytes, String> {
    serde_json::to_vec(head).map(Bytes::from).map_err(|e| e.to_string())
}

/// Reads a head.
pub(crate) fn read<T: DeserializeOwned>(head: &[u8]) -> Result<T, String> {
    serde_json::from_slice(head).map_err(|e| format!("head of the call is not understood: {e}"))
}

#[cfg(test)]
mod tests {
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
}
