//! A hand-made client: any certificate, any request, and no manners.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, StreamBody, combinators::BoxBody};
use hyper::{
    body::{Frame, Incoming},
    client::conn::http2,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime},
    sign::{CertifiedKey, SingleCertAndKey},
};
use tokio::{io::AsyncReadExt, net::TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// A key and a chain that somebody presents.
pub(crate) struct Papers {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
    pub(crate) pem: String,
}

pub(crate) fn params(id: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::OrganizationName, id);
    params
}

/// A self-signed certificate of that id.
pub(crate) fn papers(id: &str) -> Papers {
    papers_of(&params(id))
}

pub(crate) fn papers_of(params: &CertificateParams) -> Papers {
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Papers {
        chain: vec![certificate.der().clone()],
        key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        pem: certificate.pem(),
    }
}

/// An authority's own certificate and key.
pub(crate) fn authority(id: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = params(id);
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate of that id, signed by somebody.
pub(crate) fn signed(id: &str, issuer: &CertifiedIssuer<'static, KeyPair>) -> Papers {
    let key = KeyPair::generate().unwrap();
    let certificate = params(id).signed_by(&key, issuer).unwrap();
    Papers {
        chain: vec![certificate.der().clone(), issuer.der().clone()],
        key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        pem: certificate.pem(),
    }
}

/// The key and certificate of a real node.
pub(crate) fn of(dir: &std::path::Path) -> Papers {
    use rustls::pki_types::pem::PemObject;
    let pem = std::fs::read_to_string(dir.join("cert.pem")).unwrap();
    Papers {
        chain: vec![CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()],
        key: PrivateKeyDer::from_pem_file(dir.join("key.pem")).unwrap(),
        pem,
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Takes any server for what it says it is.
#[derive(Debug)]
struct Careless(Arc<CryptoProvider>);

impl ServerCertVerifier for Careless {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// A TLS connection with these papers, or none, that offers these protocols.
pub(crate) async fn connect(
    to: SocketAddr,
    papers: Option<&Papers>,
    protocols: &[&[u8]],
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> std::io::Result<TlsStream<TcpStream>> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Careless(provider())));
    let mut config = match papers {
        // Not the builder's own way, which would refuse to pair a chain with a key that is not its own.
        Some(papers) => {
            let key = provider().key_provider.load_private_key(papers.key.clone_key()).unwrap();
            let pair = CertifiedKey::new(papers.chain.clone(), key);
            config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(pair)))
        }
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
    let tcp = TcpStream::connect(to).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), tcp).await
}

pub(crate) type Body = BoxBody<Bytes, std::io::Error>;

/// A body of these chunks.
pub(crate) fn body(chunks: impl futures::Stream<Item = Bytes> + Send + Sync + 'static) -> Body {
    use futures::StreamExt;
    BoxBody::new(StreamBody::new(chunks.map(|chunk| Ok(Frame::data(chunk)))))
}

/// A body that is there at once.
pub(crate) fn whole(bytes: impl Into<Bytes>) -> Body {
    body(futures::stream::iter([bytes.into()]))
}

/// A body that begins like a parcel with this head.
pub(crate) fn parcel(head: &[u8], rest: &[u8]) -> Body {
    let length = u32::try_from(head.len()).unwrap().to_be_bytes();
    whole([&length[..], head, rest].concat())
}

/// An HTTP/2 connection that was let in.
#[derive(Clone)]
pub(crate) struct Guest(http2::SendRequest<Body>);

/// Connects with these papers and speaks HTTP/2.
pub(crate) async fn enter(to: SocketAddr, papers: &Papers) -> Guest {
    let tls = connect(to, Some(papers), &[b"h2"], rustls::ALL_VERSIONS).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(tls)).await.unwrap();
    tokio::spawn(connection);
    Guest(sender)
}

impl Guest {
    pub(crate) async fn send(&mut self, method: Method, path: &str, body: Body) -> hyper::Result<Response<Incoming>> {
        self.0.ready().await?;
        let request = Request::builder().method(method).uri(format!("https://localhost{path}")).body(body).unwrap();
        self.0.send_request(request).await
    }

    /// Status and text of the answer to a delivery with these headers.
    pub(crate) async fn deliver(
        &mut self,
        what: &str,
        headers: &[(&str, &str)],
        length: Option<usize>,
        body: Body,
    ) -> (StatusCode, String) {
        let length = length.map(|length| length.to_string());
        let headers: Vec<_> =
            headers.iter().copied().chain(length.iter().map(|length| ("content-length", length.as_str()))).collect();
        self.request(Method::POST, what, &headers, body).await
    }

    /// Status and text of the answer to an upload with these headers.
    pub(crate) async fn upload(&mut self, what: &str, headers: &[(&str, &str)], body: Body) -> (StatusCode, String) {
        self.request(Method::PUT, what, headers, body).await
    }

    async fn request(
        &mut self,
        method: Method,
        what: &str,
        headers: &[(&str, &str)],
        body: Body,
    ) -> (StatusCode, String) {
        self.0.ready().await.unwrap();
        let path = format!("https://localhost/photinus/delivery/v1/{what}");
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.0.send_request(request.body(body).unwrap()).await.unwrap();
        let code = response.status();
        let text = response.into_body().collect().await.unwrap().to_bytes();
        (code, String::from_utf8_lossy(&text).into_owned())
    }

    /// Status and text of the answer to a call.
    pub(crate) async fn post(&mut self, path: &str, body: Body) -> (StatusCode, String) {
        let response = self.send(Method::POST, path, body).await.unwrap();
        let code = response.status();
        let text = response.into_body().collect().await.unwrap().to_bytes();
        (code, String::from_utf8_lossy(&text).into_owned())
    }
}

/// Whether somebody with these papers is let in: an HTTP request of theirs is answered at all.
pub(crate) async fn is_let_in(
    to: SocketAddr,
    papers: Option<&Papers>,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> bool {
    use tokio::io::AsyncWriteExt;
    let Ok(mut tls) = connect(to, papers, &[b"http/1.1"], versions).await else { return false };
    let request = b"HEAD /api/v1/ping HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    if tls.write_all(request).await.is_err() {
        return false;
    }
    let mut answer = Vec::new();
    tls.read_to_end(&mut answer).await.is_ok() && answer.starts_with(b"HTTP/1.1 204")
}
