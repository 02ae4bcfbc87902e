//! This node's own key and certificate: made on first start, kept afterwards, or given by the operator.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};
use rustls::{
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use time::{Duration, OffsetDateTime};

use super::{Bundle, Certificate, Fingerprint, subject};
use crate::{Error, file, options::Given};

/// How long a certificate made here is valid.
const VALIDITY: Duration = Duration::days(3650);
/// How far before now it begins, for peers whose clocks are behind.
const BACKDATED: Duration = Duration::days(1);

/// Who this node is to its peers.
#[derive(Clone, Debug)]
pub struct Identity {
    id: String,
    published: Bundle,
    leaf: Certificate,
    /// When the first certificate of the chain ends, in Unix seconds.
    not_after: i64,
    certified: Arc<CertifiedKey>,
}

impl Identity {
    /// Reads `cert.pem` and `key.pem` of the folder, or makes them: self-signed, ECDSA P-256, for `host`.
    ///
    /// A local network calls this before a node's first start, to tell other nodes its fingerprint.
    ///
    /// # Errors
    /// When the id breaks the rule of ids, the files cannot be read or written, or are those of another id.
    pub fn load_or_create(dir: &Path, id: &str, host: &str) -> Result<Self, Error> {
        if !subject::is_own_id(id) {
            return Err(Error::Id(id.to_owned()));
        }
        fs::create_dir_all(dir).map_err(at(dir))?;
        let (certificate, key) = (dir.join("cert.pem"), dir.join("key.pem"));
        match (certificate.exists(), key.exists()) {
            (true, true) => {}
            (true, false) => return Err(Error::KeyMissing { certificate, key }),
            // A key alone is what a crash between the two writes leaves; nobody has seen its certificate.
            (false, has_key) => create(&certificate, &key, has_key, id, host)?,
        }
        Self::load(&Given { certificate, key, ca: None }, id)
    }

    /// Reads the operator's own files.
    pub(crate) fn load(files: &Given, id: &str) -> Result<Self, Error> {
        let unusable = |path: &Path, reason: String| Error::Certificate { path: path.to_owned(), reason };
        let text = fs::read_to_string(&files.certificate).map_err(at(&files.certificate))?;
        let chain = Bundle::parse(&text).map_err(|e| unusable(&files.certificate, e.to_string()))?;
        let [leaf, ..] = chain.certificates() else {
            return Err(unusable(&files.certificate, "it has no certificate".to_owned()));
        };
        let found = leaf.id().map_err(|e| unusable(&files.certificate, e.to_string()))?;
        if found != id {
            return Err(Error::OtherId {
                path: files.certificate.clone(),
                found: found.to_owned(),
                configured: id.to_owned(),
            });
        }
        if !subject::is_own_id(id) {
            return Err(Error::Id(id.to_owned()));
        }
        let pem = fs::read(&files.key).map_err(at(&files.key))?;
        let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|e| unusable(&files.key, e.to_string()))?;
        let key = provider().key_provider.load_private_key(key).map_err(|e| unusable(&files.key, e.to_string()))?;
        let ders: Vec<CertificateDer<'static>> = chain.certificates().iter().map(|c| c.der().clone()).collect();
        // Not `CertifiedKey::from_der`: it refuses certificates of version 1, which existing members have.
        let certified = CertifiedKey::new(ders, key);
        if let Some(spki) = certified.key.public_key()
            && spki != *leaf.spki()
        {
            return Err(unusable(&files.key, "the key is not that of the certificate".to_owned()));
        }
        let published = match &files.ca {
            None => chain.clone(),
            Some(path) => {
                let authorities = fs::read_to_string(path).map_err(at(path))?;
                let joined = format!("{}\n{text}", authorities.trim_end());
                Bundle::parse(&joined).map_err(|e| unusable(path, e.to_string()))?
            }
        };
        let ends = chain.certificates().iter().map(Certificate::not_after).fold(leaf.not_after(), i64::min);
        let leaf = leaf.clone();
        Ok(Self { id: id.to_owned(), leaf, not_after: ends, published, certified: Arc::new(certified) })
    }

    /// Publishes another certificate beside the own one, so that peers accept it from the moment when it is used. A node that
    /// used a certificate nobody knows could not even tell its peers of it.
    pub(crate) fn announce(&mut self, next: &Path) -> Result<(), Error> {
        let unusable = |reason: String| Error::Certificate { path: next.to_owned(), reason };
        let text = fs::read_to_string(next).map_err(at(next))?;
        let chain = Bundle::parse(&text).map_err(|e| unusable(e.to_string()))?;
        let found = chain.certificates().first().and_then(|leaf| leaf.id().ok()).unwrap_or_default();
        if found != self.id {
            let (found, configured) = (found.to_owned(), self.id.clone());
            return Err(Error::OtherId { path: next.to_owned(), found, configured });
        }
        let joined = format!("{}\n{text}", self.published.text().trim_end());
        self.published = Bundle::parse(&joined).map_err(|e| unusable(e.to_string()))?;
        Ok(())
    }

    /// Base id, as the certificate carries it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// SHA-256 of the certificate.
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        self.leaf.fingerprint()
    }

    /// The PEM text that the node publishes: authorities if any, then its own chain.
    #[must_use]
    pub fn published(&self) -> &str {
        self.published.text()
    }

    /// When the first certificate of the chain ends, in Unix seconds.
    pub(crate) const fn not_after(&self) -> i64 {
        self.not_after
    }

    #[cfg(test)]
    pub(crate) const fn leaf(&self) -> &Certificate {
        &self.leaf
    }

    pub(crate) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }
}

/// The cryptography that all of this crate uses.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path: PathBuf = path.to_owned();
    move |source| Error::File { path, source }
}

fn create(certificate: &Path, key: &Path, has_key: bool, id: &str, host: &str) -> Result<(), Error> {
    let failed = |e: rcgen::Error| Error::Certificate { path: certificate.to_owned(), reason: e.to_string() };
    let pair = if has_key {
        KeyPair::from_pem(&fs::read_to_string(key).map_err(at(key))?).map_err(failed)?
    } else {
        let pair = KeyPair::generate().map_err(failed)?;
        file::write(key, pair.serialize_pem().as_bytes(), 0o600).map_err(at(key))?;
        pair
    };
    let now = OffsetDateTime::from(std::time::SystemTime::now());
    let mut params = CertificateParams::new(vec![host.to_owned()]).map_err(failed)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, id);
    params.not_before = now - BACKDATED;
    params.not_after = now + VALIDITY;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let made = params.self_signed(&pair).map_err(failed)?;
    file::write(certificate, made.pem().replace("\r\n", "\n").as_bytes(), 0o644).map_err(at(certificate))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

    use super::*;

    #[test]
    fn makes_what_the_reference_accepts_and_keeps_it() {
        let dir = tempfile::tempdir().unwrap();
        let made = Identity::load_or_create(dir.path(), "org_a", "127.0.0.1").unwrap();
        let (_, x509) = X509Certificate::from_der(made.leaf().der()).unwrap();
        assert_eq!(x509.subject().to_string(), "O=org_a");
        assert!(!x509.basic_constraints().unwrap().unwrap().value.ca);
        assert!(x509.key_usage().unwrap().unwrap().value.digital_signature());
        let usage = x509.extended_key_usage().unwrap().unwrap().value;
        assert!(usage.server_auth && usage.client_auth);
        let names = &x509.subject_alternative_name().unwrap().unwrap().value.general_names;
        assert_eq!(names, &[GeneralName::IPAddress(&[127, 0, 0, 1])]);
        let mode = fs::metadata(dir.path().join("key.pem")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        let again = Identity::load_or_create(dir.path(), "org_a", "elsewhere.example.org").unwrap();
        assert_eq!(again.fingerprint(), made.fingerprint());
        assert_eq!(again.published(), made.published());
    }

    #[test]
    fn goes_on_after_a_crash_between_key_and_certificate() {
        let dir = tempfile::tempdir().unwrap();
        Identity::load_or_create(dir.path(), "org_a", "localhost").unwrap();
        let key = fs::read(dir.path().join("key.pem")).unwrap();
        fs::remove_file(dir.path().join("cert.pem")).unwrap();
        Identity::load_or_create(dir.path(), "org_a", "localhost").unwrap();
        assert_eq!(fs::read(dir.path().join("key.pem")).unwrap(), key);
    }

    #[test]
    fn says_what_is_wrong_with_files() {
        let dir = tempfile::tempdir().unwrap();
        Identity::load_or_create(dir.path(), "org_a", "localhost").unwrap();
        assert!(matches!(Identity::load_or_create(dir.path(), "org_b", "localhost"), Err(Error::OtherId { .. })));
        assert!(matches!(Identity::load_or_create(dir.path(), "org.b", "localhost"), Err(Error::Id(_))));
        let other = tempfile::tempdir().unwrap();
        Identity::load_or_create(other.path(), "org_a", "localhost").unwrap();
        fs::copy(other.path().join("key.pem"), dir.path().join("key.pem")).unwrap();
        let mixed = Identity::load_or_create(dir.path(), "org_a", "localhost");
        assert!(matches!(mixed, Err(Error::Certificate { .. })), "{mixed:?}");
        fs::remove_file(dir.path().join("key.pem")).unwrap();
        assert!(matches!(Identity::load_or_create(dir.path(), "org_a", "localhost"), Err(Error::KeyMissing { .. })));
    }
}
