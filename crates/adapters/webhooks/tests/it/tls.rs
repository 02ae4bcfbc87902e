//! TLS that is configured by name: whom to trust, and who to be.

use std::{net::SocketAddr, sync::Arc};

use photinus_ports::webhooks::{Error, Profile, Webhooks as _};
use photinus_webhooks::{Options, Webhooks, options::Tls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{RootCertStore, ServerConfig, server::WebPkiClientVerifier};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use crate::{get, here, soon};

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Issuer {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A server that wants a certificate of its own authority from its clients, and answers once per connection.
async fn server(authority: &Issuer) -> SocketAddr {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".into()]).unwrap().signed_by(&key, authority).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate.der().clone()], key.serialize_der().try_into().unwrap())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok").await;
            let _ = stream.shutdown().await;
        }
    });
    address
}

#[tokio::test]
async fn a_named_setting_trusts_and_identifies() {
    let authority = authority();
    let port = server(&authority).await.port();
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["client".into()]).unwrap().signed_by(&key, &authority).unwrap();
    let known = Tls {
        authorities: Some(authority.pem().into_bytes()),
        identity: Some(format!("{}{}", own.pem(), key.serialize_pem()).into_bytes()),
        insecure: false,
    };
    let nameless = Tls { identity: None, ..known.clone() };
    let tls_by_name = [("known".to_owned(), known), ("nameless".to_owned(), nameless)].into();
    // The name of the host resolves to both families here and there, so both are let through.
    let mut options = Options { tls_by_name, ..here() };
    options.guard.allow.push("::1/128".parse().unwrap());
    let hooks = Webhooks::new(options).unwrap();
    let call = async |tls: Option<&str>| {
        let profile = Profile { tls: tls.map(str::to_owned), ..Profile::default() };
        soon(hooks.call(get(format!("https://localhost:{port}/")), &profile)).await
    };
    assert_eq!(call(Some("known")).await.unwrap().body, "ok");
    assert!(matches!(call(Some("nameless")).await, Err(Error::Unreachable(_))));
    assert!(matches!(call(None).await, Err(Error::Unreachable(_))), "the system does not know the authority");
    assert!(matches!(call(Some("absent")).await, Err(Error::Invalid(_))));
    assert!(hooks.has_tls("known") && !hooks.has_tls("absent"));
}
