//! Certificate bundles: one or more PEM blocks, as node profiles publish them.

use rustls::pki_types::{CertificateDer, pem::PemObject};

use super::{Certificate, Error};

/// The largest bundle that is read, in bytes of text.
const MAX_TEXT: usize = 64 * 1024;
/// The most certificates in one bundle.
const MAX_CERTIFICATES: usize = 16;

/// The certificates that a node publishes: its own, and the authorities that vouch for it.
#[derive(Clone, Debug)]
pub(crate) struct Bundle {
    text: String,
    certificates: Vec<Certificate>,
}

impl Bundle {
    /// Reads a bundle leniently: text between the blocks is skipped, and a backslash followed by `n` counts as the end
    /// of a line, because bundles that passed through environment variables look like that.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > MAX_TEXT {
            return Err(Error::Pem("the certificate bundle is larger than 64 KiB"));
        }
        let lines = text
            .replace("\\n", "\n")
            .replace("-----END CERTIFICATE----------BEGIN", "-----END CERTIFICATE-----\n-----BEGIN");
        let mut certificates = Vec::new();
        for der in CertificateDer::pem_slice_iter(lines.as_bytes()) {
            if certificates.len() == MAX_CERTIFICATES {
                return Err(Error::Pem("the certificate bundle has more than 16 certificates"));
            }
            let der = der.map_err(|_| Error::Pem("the certificate bundle is not valid PEM"))?;
            certificates.push(Certificate::parse(&der)?);
        }
        if certificates.is_empty() {
            return Err(Error::Pem("the certificate bundle has no certificate"));
        }
        Ok(Self { text: text.to_owned(), certificates })
    }

    /// The text as it was published.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// Whether one of its certificates carries this id.
    pub(crate) fn carries(&self, id: &str) -> bool {
        self.certificates.iter().any(|certificate| certificate.id() == Ok(id))
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    fn pem(id: &str) -> String {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::OrganizationName, id);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem().replace("\r\n", "\n")
    }

    #[test]
    fn reads_bundles_as_they_are_found() {
        let (a, b) = (pem("a"), pem("b"));
        let count = |text: &str| Bundle::parse(text).map(|bundle| bundle.certificates().len());
        assert_eq!(count(&a), Ok(1));
        assert_eq!(count(&format!("{a}{b}")), Ok(2));
        assert_eq!(count(&format!("{}{b}", a.trim_end())), Ok(2), "an authority's file without a final line end");
        assert_eq!(count(&a.replace('\n', "\\n")), Ok(1));
        assert_eq!(count(&format!("subject: a\n{a}")), Ok(1));
        assert!(Bundle::parse(&a).unwrap().carries("a"));
        assert!(!Bundle::parse(&a).unwrap().carries("b"));
    }

    #[test]
    fn refuses_what_is_no_bundle() {
        for wrong in ["", "certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert!(Bundle::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Bundle::parse(&pem("a").repeat(17)).is_err());
        assert!(Bundle::parse(&"x".repeat(MAX_TEXT + 1)).is_err());
    }
}
