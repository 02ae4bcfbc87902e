//! TLS as both ends of a connection set it up: mutual, 1.3 or 1.2, trust decided by [`Trust`] and nothing else.
//!
//! The library's own verifiers are not used, because members' existing certificates (self-signed authorities as leaves, no
//! alternative names, version 1) are none that the web would accept. Sessions are never resumed: a resumed session would
//! skip the check of the certificate.

use std::{fmt, sync::Arc};

use photinus_ports::clock::Clock;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature_with_raw_key},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::{
        NoServerSessionStorage,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::SingleCertAndKey,
    time_provider::TimeProvider,
};

use crate::{
    certificate::{Certificate, Identity, own::provider},
    trust::{Presented, Refused, Target, Trust},
};

/// Protocol of calls between Photinus nodes.
pub(crate) const H2: &[u8] = b"h2";
/// Protocol of the FireFly data exchange.
pub(crate) const HTTP_1_1: &[u8] = b"http/1.1";

/// What the listener shows and demands.
pub(crate) fn server(
    identity: &Identity,
    trust: &Arc<Trust>,
    clock: &Arc<dyn Clock>,
) -> Result<ServerConfig, rustls::Error> {
    let provider = provider();
    let verifier = Verifier { trust: Arc::clone(trust), target: None, provider: Arc::clone(&provider) };
    let mut config = ServerConfig::builder_with_details(provider, Arc::new(Now(Arc::clone(clock))))
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified())));
    config.alpn_protocols = vec![H2.to_vec(), HTTP_1_1.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// What a call to this target shows and demands.
pub(crate) fn client(
    identity: &Identity,
    trust: &Arc<Trust>,
    clock: &Arc<dyn Clock>,
    target: &Target,
) -> Result<ClientConfig, rustls::Error> {
    let provider = provider();
    let verifier = Verifier { trust: Arc::clone(trust), target: Some(target.clone()), provider: Arc::clone(&provider) };
    let mut config = ClientConfig::builder_with_details(provider, Arc::new(Now(Arc::clone(clock))))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified())));
    // Which of them is chosen tells what kind of peer it is.
    config.alpn_protocols = vec![H2.to_vec(), HTTP_1_1.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// The node's clock, as the TLS library asks for it.
struct Now(Arc<dyn Clock>);

impl fmt::Debug for Now {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Now")
    }
}

impl TimeProvider for Now {
    fn current_time(&self) -> Option<UnixTime> {
        u64::try_from(seconds(&*self.0)).ok().map(|s| UnixTime::since_unix_epoch(std::time::Duration::from_secs(s)))
    }
}

/// The clock's time in Unix seconds.
pub(crate) fn seconds(clock: &dyn Clock) -> i64 {
    clock.now().as_unix_nanos().div_euclid(1_000_000_000)
}

struct Verifier {
    trust: Arc<Trust>,
    /// Whom a client called. A server asks who it is instead.
    target: Option<Target>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let verdict = Presented::new(leaf, intermediates).and_then(|presented| match &self.target {
            Some(target) => self.trust.verify(target, &presented, now),
            None => self.trust.identify(&presented, now).map(drop),
        });
        verdict.map_err(|refused| {
            tracing::debug!(target = ?self.target, reason = %refused, "certificate refused");
            rustls::Error::InvalidCertificate(match refused {
                Refused::Malformed => CertificateError::BadEncoding,
                Refused::Expired => CertificateError::Expired,
                Refused::OtherId | Refused::NoId | Refused::Own | Refused::Unknown => {
                    CertificateError::ApplicationVerificationFailure
                }
            })
        })
    }

    fn tls12(&self, message: &[u8], cert: &CertificateDer<'_>, dss: &DigitallySignedStruct) -> Signed {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    /// Over the bare key, because the library reads certificates of version 3 only.
    fn tls13(&self, message: &[u8], cert: &CertificateDer<'_>, dss: &DigitallySignedStruct) -> Signed {
        let certificate =
            Certificate::parse(cert).map_err(|_| rustls::Error::InvalidCertificate(CertificateError::BadEncoding))?;
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature_with_raw_key(message, certificate.spki(), dss, algorithms)
    }

    fn schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

type Signed = Result<HandshakeSignatureValid, rustls::Error>;

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("target", &self.target).finish_non_exhaustive()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.verify(end_entity, intermediates, now).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(&self, message: &[u8], cert: &CertificateDer<'_>, dss: &DigitallySignedStruct) -> Signed {
        self.tls12(message, cert, dss)
    }

    fn verify_tls13_signature(&self, message: &[u8], cert: &CertificateDer<'_>, dss: &DigitallySignedStruct) -> Signed {
        self.tls13(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes()
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.verify(end_entity, intermediates, now).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(&self, message: &[u8], cert: &CertificateDer<'_>, dss: &DigitallySignedStruct) -> Signed {
        self.tls12(message, cert, dss)
    }

    fn verify_tls13_signature(&self, message: &[u8], cert: &CertificateDer<'_>, dss: &DigitallySignedStruct) -> Signed {
        self.tls13(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes()
    }
}
