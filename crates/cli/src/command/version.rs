//! `photinus version`

use std::fmt;

use serde::Serialize;

/// This program.
#[derive(Debug, Serialize)]
pub(crate) struct Version {
    name: &'static str,
    version: &'static str,
}

/// The version of this program.
pub(crate) const THIS: Version = Version { name: "photinus", version: env!("CARGO_PKG_VERSION") };

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}
