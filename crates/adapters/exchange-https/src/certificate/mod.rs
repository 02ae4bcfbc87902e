//! X.509 certificates as this crate needs them: the id that one carries, its validity, its fingerprint.
//!
//! Not here: whom to trust (`trust`), and the checks of a handshake (`tls`).

mod bundle;
mod fingerprint;
pub(crate) mod own;
pub(crate) mod subject;

use photinus_model::Hash;
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use x509_parser::prelude::{FromDer, X509Certificate, X509Version};

pub(crate) use bundle::Bundle;
pub use fingerprint::Fingerprint;
pub use own::Identity;

/// Why bytes or a text are not usable certificates.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// The DER does not parse.
    #[error("a certificate does not parse")]
    Malformed,
    /// The PEM text does not parse, or is too large.
    #[error("{0}")]
    Pem(&'static str),
    /// It carries no usable id.
    #[error(transparent)]
    Subject(#[from] subject::Error),
}

/// A certificate that was read.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    der: CertificateDer<'static>,
    fingerprint: Fingerprint,
    id: Result<String, subject::Error>,
    not_before: i64,
    not_after: i64,
    v3: bool,
    ca: bool,
    spki: SubjectPublicKeyInfoDer<'static>,
}

impl Certificate {
    pub(crate) fn parse(der: &[u8]) -> Result<Self, Error> {
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|_| Error::Malformed)?;
        if !rest.is_empty() {
            return Err(Error::Malformed);
        }
        let ca = matches!(parsed.basic_constraints(), Ok(Some(constraints)) if constraints.value.ca);
        Ok(Self {
            der: CertificateDer::from(der.to_vec()),
            fingerprint: Fingerprint(Hash::of(der)),
            id: subject::id(parsed.subject()),
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
            v3: parsed.version() == X509Version::V3,
            ca,
            spki: SubjectPublicKeyInfoDer::from(parsed.public_key().raw.to_vec()),
        })
    }

    pub(crate) const fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    pub(crate) const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The id that a peer with this certificate has.
    pub(crate) fn id(&self) -> Result<&str, subject::Error> {
        match &self.id {
            Ok(id) => Ok(id),
            Err(error) => Err(*error),
        }
    }

    /// Whether it may be used at this time (Unix seconds).
    pub(crate) const fn is_valid_at(&self, now: i64) -> bool {
        self.not_before <= now && now <= self.not_after
    }

    /// End of validity, Unix seconds.
    pub(crate) const fn not_after(&self) -> i64 {
        self.not_after
    }

    /// Whether it is of version 3 and says that it may sign others.
    pub(crate) const fn is_authority(&self) -> bool {
        self.v3 && self.ca
    }

    pub(crate) const fn spki(&self) -> &SubjectPublicKeyInfoDer<'static> {
        &self.spki
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    fn der() -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::OrganizationName, "org_a");
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = Certificate::parse(&bytes).map(|certificate| certificate.id().map(str::to_owned));
        }

        #[test]
        fn a_changed_certificate_is_another_one(at in 0_usize..300, by in 1_u8.., cut in 0_usize..3) {
            let mut bytes = der();
            let original = Certificate::parse(&bytes).unwrap().fingerprint();
            let at = at.min(bytes.len() - 1);
            bytes[at] ^= by;
            bytes.truncate(bytes.len() - cut);
            if let Ok(changed) = Certificate::parse(&bytes) {
                prop_assert_ne!(changed.fingerprint(), original);
            }
        }

        #[test]
        fn any_text_is_a_bundle_or_refused(text in "(-----(BEGIN|END) CERTIFICATE-----|[A-Za-z0-9+/=]{0,8}|\\n|\n|.){0,20}") {
            let _ = Bundle::parse(&text).map(|bundle| bundle.certificates().len());
        }
    }
}
