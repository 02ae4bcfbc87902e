//! Encryption towards the server, by rustls.

use std::{
    future::Future,
    io,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    server::ParsedCertificate,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_rustls::{TlsConnector, client};

use super::target::{Mode, Wish};
use crate::options::Error;

/// Makes encrypted connections.
#[derive(Clone, Debug)]
pub(super) struct Tls(Arc<ClientConfig>);

impl Tls {
    /// Reads certificates and key.
    pub(super) async fn read(wish: &Wish) -> Result<Self, Error> {
        let unsuitable = |error: rustls::Error| Error::Unsuitable(format!("TLS towards the database: {error}"));
        // Named, so that it does not depend on what the process chose as its default.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(unsuitable)?;
        let verifier = Verifier::new(wish, provider).await?;
        let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
        let config = match &wish.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates(certificate).await?;
                let key = PrivateKeyDer::from_pem_slice(&text(key).await?).map_err(|error| broken(key, &error))?;
                builder.with_client_auth_cert(chain, key).map_err(unsuitable)?
            }
        };
        Ok(Self(Arc::new(config)))
    }
}

async fn text(path: &Path) -> Result<Vec<u8>, Error> {
    let read = tokio::fs::read(path).await;
    read.map_err(|error| {
        Error::Unsuitable(format!("TLS towards the database: cannot read {}: {error}", path.display()))
    })
}

fn broken(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::Unsuitable(format!("TLS towards the database: {} is not usable PEM: {error}", path.display()))
}

async fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text(path).await?).collect();
    let found = found.map_err(|error| broken(path, &error))?;
    if found.is_empty() { Err(broken(path, &"it holds no certificate")) } else { Ok(found) }
}

/// Decides whether the server is the one that is meant.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    /// `None`: any server is.
    chain: Option<Arc<WebPkiServerVerifier>>,
    /// Certificates that are trusted as they are: a server may be its own authority.
    given: Vec<CertificateDer<'static>>,
    /// Whether the name counts.
    name: bool,
}

impl Verifier {
    async fn new(wish: &Wish, provider: Arc<CryptoProvider>) -> Result<Self, Error> {
        let name = wish.mode == Mode::VerifyFull;
        if !matches!(wish.mode, Mode::VerifyCa | Mode::VerifyFull) {
            return Ok(Self { provider, chain: None, given: Vec::new(), name });
        }
        let mut roots = RootCertStore::empty();
        let mut given = Vec::new();
        if let Some(path) = &wish.authorities {
            given = certificates(path).await?;
            for certificate in &given {
                roots.add(certificate.clone()).map_err(|error| broken(path, &error))?;
            }
        } else {
            let system = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
            // Those that cannot be read are no reason to fail, as long as there are others.
            roots.add_parsable_certificates(system.map(|found| found.certs).unwrap_or_default());
        }
        let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
        let chain = chain.map_err(|error| {
            Error::Unsuitable(format!("no authority to ask about the database ({error}): name one by sslrootcert"))
        })?;
        Ok(Self { provider, chain: Some(chain), given, name })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        if self.given.iter().any(|given| given == certificate) {
            holds_now(certificate, now)?;
            if self.name {
                verify_server_name(&ParsedCertificate::try_from(certificate)?, server)?;
            }
            return Ok(ServerCertVerified::assertion());
        }
        match chain.verify_server_cert(certificate, intermediates, server, ocsp, now) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.name => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The chain's verifier looks at this by itself.
fn holds_now(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), rustls::Error> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate)
        .map_err(|_| rustls::Error::InvalidCertificate(CertificateError::BadEncoding))?;
    let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let validity = parsed.validity();
    if seconds < validity.not_before.timestamp() {
        return Err(rustls::Error::InvalidCertificate(CertificateError::NotValidYet));
    }
    if seconds > validity.not_after.timestamp() {
        return Err(rustls::Error::InvalidCertificate(CertificateError::Expired));
    }
    Ok(())
}

/// One connection that is to be encrypted. A socket in the file system has no name, and is never encrypted.
pub(super) struct Connect {
    connector: TlsConnector,
    server: Option<ServerName<'static>>,
}

impl<S> MakeTlsConnect<S> for Tls
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Stream<S>;
    type TlsConnect = Connect;
    type Error = io::Error;

    fn make_tls_connect(&mut self, domain: &str) -> Result<Connect, io::Error> {
        let server = ServerName::try_from(domain.to_owned()).ok();
        Ok(Connect { connector: TlsConnector::from(Arc::clone(&self.0)), server })
    }
}

impl<S> TlsConnect<S> for Connect
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Stream<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Stream<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move {
            let server = self.server.ok_or_else(|| io::Error::other("the server has no name that TLS could check"))?;
            Ok(Stream(Box::new(self.connector.connect(server, stream).await?)))
        })
    }
}

/// An encrypted connection.
pub(super) struct Stream<S>(Box<client::TlsStream<S>>);

impl<S> TlsStream for Stream<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Stream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
