//! TLS of a listener: its certificate, and which clients' certificates it demands.

use std::{path::PathBuf, sync::Arc};

use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio_rustls::TlsAcceptor;

/// PEM in a file or in the configuration itself.
#[derive(Clone, PartialEq, Eq)]
pub enum Pem {
    /// Read when the listener opens.
    File(PathBuf),
    /// The text.
    Text(String),
}

impl std::fmt::Debug for Pem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Text(_) => f.write_str("Text(..)"),
        }
    }
}

/// TLS of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The chain of certificates, the listener's own first.
    pub certificate: Pem,
    /// Its key.
    pub key: Pem,
    /// Authorities that clients' certificates must come from. With it, a client without such a certificate is refused.
    pub clients: Option<Pem>,
}

/// Why TLS cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is no such thing in the PEM, or it is broken.
    #[error("no usable {what} in the PEM: {reason}")]
    Pem {
        /// What was looked for.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// Certificate and key, or the authorities, cannot be used.
    #[error("{0}")]
    Unusable(String),
}

/// Reads certificates and key, and makes what accepts connections.
pub(crate) async fn acceptor(tls: &Tls) -> Result<TlsAcceptor, Error> {
    let unusable = |error: &dyn std::fmt::Display| Error::Unusable(error.to_string());
    let chain = certificates(&tls.certificate).await?;
    let key = PrivateKeyDer::from_pem_slice(&read(&tls.key).await?)
        .map_err(|error| Error::Pem { what: "private key", reason: error.to_string() })?;
    // Named, so that it does not depend on what the process chose as its default.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error))?;
    let builder = match &tls.clients {
        None => builder.with_no_client_auth(),
        Some(authorities) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(authorities).await? {
                roots.add(certificate).map_err(|error| unusable(&error))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().map_err(|error| unusable(&error))?)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|error| unusable(&error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn certificates(pem: &Pem) -> Result<Vec<CertificateDer<'static>>, Error> {
    let text = read(pem).await?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| Error::Pem { what: "certificate", reason: error.to_string() })?;
    if found.is_empty() {
        return Err(Error::Pem { what: "certificate", reason: "there is none".to_owned() });
    }
    Ok(found)
}

async fn read(pem: &Pem) -> Result<Vec<u8>, Error> {
    match pem {
        Pem::Text(text) => Ok(text.clone().into_bytes()),
        Pem::File(path) => tokio::fs::read(path).await.map_err(|source| Error::File { path: path.clone(), source }),
    }
}
