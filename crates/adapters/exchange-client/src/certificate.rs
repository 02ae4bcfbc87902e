//! The certificates that the data exchange says are its own.

use std::time::{Duration, SystemTime};

use x509_parser::pem::Pem;

/// When the first certificate of a bundle expires. Bundles that passed through environment variables have a backslash and an
/// `n` where lines end, and others are joined without an end of line.
pub(crate) fn not_after(bundle: &str) -> Option<SystemTime> {
    let lines = bundle
        .replace("\\n", "\n")
        .replace("-----END CERTIFICATE----------BEGIN", "-----END CERTIFICATE-----\n-----BEGIN");
    let ends = Pem::iter_from_buffer(lines.as_bytes()).filter_map(|pem| {
        let pem = pem.ok()?;
        Some(pem.parse_x509().ok()?.validity().not_after.timestamp())
    });
    let first = u64::try_from(ends.min()?).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `openssl req -x509`, as FireFly's tools make them.
    const PEM: &str = include_str!("../../../standins/src/sidecar/certificate.pem");
    const ENDS: u64 = 2110639981;

    #[test]
    fn the_first_end_of_a_bundle_counts() {
        let end = not_after(PEM).unwrap();
        assert_eq!(end.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs(), ENDS);
        assert_eq!(not_after(&PEM.trim_end().replace('\n', "\\n")), Some(end));
        assert_eq!(not_after(&format!("{}{PEM}", PEM.trim_end())), Some(end));
        assert_eq!(not_after("nonsense"), None);
    }
}
