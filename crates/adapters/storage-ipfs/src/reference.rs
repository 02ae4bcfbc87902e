//! References that can be read here: those of this project's own storages, and others that a member's IPFS may give.

use photinus_ports::content::Reference;

/// Where a content is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    /// A content id of version 0, which is computed from the bytes here as well.
    Known(Reference),
    /// A content id of version 1, in base 32. Its shape depends on settings of the node that added it, so it cannot be computed
    /// from the bytes; the Kubo node checks each block against it.
    Other(String),
}

impl Path {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Ok(reference) = Reference::parse(text) {
            return Some(Self::Known(reference));
        }
        let is_base_32 = |b: u8| matches!(b, b'a'..=b'z' | b'2'..=b'7');
        // Version, codec and SHA-256 in 36 bytes.
        let is_other = text.len() == 59 && text.starts_with("baf") && text.bytes().all(is_base_32);
        is_other.then(|| Self::Other(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Known(reference) => reference.as_str(),
            Self::Other(text) => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_read_and_nothing_else() {
        let known = Path::parse("QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o");
        assert!(matches!(known, Some(Path::Known(_))));
        let other = Path::parse("bafybeicn7i3soqdgr7dwnrwytgq4zxy7a5jpkizrvhm5mv6bgjd32wm3q4");
        assert!(matches!(other, Some(Path::Other(_))));
        for wrong in
            ["", "nonsense", "../../etc/passwd", "Qm/../../etc/passwd", "baf", &format!("baf{}", "/".repeat(56))]
        {
            assert_eq!(Path::parse(wrong), None, "{wrong}");
        }
    }
}
