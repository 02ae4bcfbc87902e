//! Fingerprints: SHA-256 of a certificate's DER.

use std::{fmt, str::FromStr};

use photinus_model::{Hash, hash};

/// SHA-256 of a certificate. Printed as 64 lower-case hexadecimal digits; read also in the form with colons.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub Hash);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = hash::Error;

    fn from_str(text: &str) -> Result<Self, hash::Error> {
        Hash::parse_strict(&text.replace(':', "")).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_forms() {
        let plain = "00ff".repeat(16);
        let colons = "00:FF:".repeat(16);
        let fingerprint: Fingerprint = plain.parse().unwrap();
        assert_eq!(fingerprint.to_string(), plain);
        assert_eq!(colons.trim_end_matches(':').parse(), Ok(fingerprint));
        assert_eq!("00ff".parse::<Fingerprint>(), Err(hash::Error::TooShort));
    }
}
