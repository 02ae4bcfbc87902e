//! SHA-256 values: 64 lower-case hexadecimal digits in JSON, without `0x`; 32 bytes in binary formats.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// A SHA-256 digest, or another 32-byte value of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Hash(pub [u8; 32]);

/// Why a text is not a 32-byte value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// More than 64 hexadecimal digits.
    #[error("more than 64 hexadecimal digits")]
    TooLong,
    /// Fewer than 64 hexadecimal digits, where exactly 64 are demanded.
    #[error("fewer than 64 hexadecimal digits")]
    TooShort,
    /// A character that is not a hexadecimal digit, or an odd number of digits.
    #[error("not an even number of hexadecimal digits")]
    NotHex,
}

impl Hash {
    /// The digest of some bytes.
    #[must_use]
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        Self(Sha256::digest(bytes.as_ref()).into())
    }

    /// The digest of several byte strings joined without a separator.
    #[must_use]
    pub fn concat(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part);
        }
        Self(hasher.finalize().into())
    }

    /// Reads exactly 64 hexadecimal digits in any case, with or without `0x`.
    ///
    /// # Errors
    /// When the text has another length or other characters.
    pub fn parse_strict(text: &str) -> Result<Self, Error> {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        if digits.len() < 64 {
            return Err(Error::TooShort);
        }
        text.parse()
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 64 hexadecimal digits, in ASCII, without an allocation.
    #[must_use]
    pub fn hex_digits(&self) -> [u8; 64] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        text
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.hex_digits();
        f.write_str(std::str::from_utf8(&digits).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<[u8; 32]> for Hash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl AsRef<[u8]> for Hash {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl FromStr for Hash {
    type Err = Error;

    /// Reads what peers may write: any case, an optional `0x`, and fewer digits, which leaves zeros on the right.
    fn from_str(text: &str) -> Result<Self, Error> {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        if digits.len() > 64 {
            return Err(Error::TooLong);
        }
        if digits.len() % 2 == 1 {
            return Err(Error::NotHex);
        }
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes[..digits.len() / 2]).map_err(|_| Error::NotHex)?;
        Ok(Self(bytes))
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return self.0.serialize(serializer);
        }
        let digits = self.hex_digits();
        serializer.serialize_str(std::str::from_utf8(&digits).map_err(serde::ser::Error::custom)?)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Hash;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string of 64 hexadecimal digits")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Hash, E> {
                text.parse().map_err(E::custom)
            }
        }
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Visitor)
        } else {
            <[u8; 32]>::deserialize(deserializer).map(Self)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_forms_of_peers() {
        let full = "0x9E065a7cbddfc57be742bc32956674c3c389521ac2bbb1dce0500d5131fede75";
        let hash: Hash = full.parse().unwrap();
        assert_eq!(hash, Hash::of("topic1"));
        assert_eq!(hash.to_string(), full[2..].to_lowercase());
        assert_eq!("0xff".parse::<Hash>().unwrap().as_bytes()[..2], [0xff, 0]);
        assert_eq!("".parse::<Hash>().unwrap(), Hash::default());
        assert_eq!("f".parse::<Hash>(), Err(Error::NotHex));
        assert_eq!("éé".parse::<Hash>(), Err(Error::NotHex));
        assert_eq!(format!("{full}00").parse::<Hash>(), Err(Error::TooLong));
        assert_eq!(Hash::parse_strict("ff"), Err(Error::TooShort));
        assert_eq!(Hash::parse_strict(full), Ok(hash));
    }

    #[test]
    fn joins_without_separator() {
        assert_eq!(Hash::concat(&[b"top", b"ic1"]), Hash::of("topic1"));
    }
}
