//! Listeners that speak TLS, demand certificates, and ask for names and passwords.

use std::{collections::BTreeMap, sync::Arc};

use photinus_api::{
    Namespaces, Options, Passwords, Server,
    options::{Listener, Pem, Tls},
};
use photinus_testkit::network::NAMESPACE;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use reqwest::{Certificate, Client, Identity, StatusCode};

/// An authority and what it signed: certificate and key in PEM.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

fn options(tls: Option<Tls>, passwords: Option<std::path::PathBuf>) -> Options {
    let http = Listener { tls, passwords, ..Listener::new("127.0.0.1", 0) };
    Options { http, ..Options::default() }
}

async fn start(options: Options) -> (photinus_api::Handle, u16) {
    let server = Server::start(options, Namespaces::new("default")).await.unwrap();
    let port = server.addresses.http.port();
    (server, port)
}

#[tokio::test]
async fn a_listener_with_a_certificate_speaks_nothing_but_tls() {
    let authority = Authority::new();
    let (certificate, key) = authority.issue("localhost");
    let tls = Tls { certificate: Pem::Text(certificate), key: Pem::Text(key), clients: None };
    let (server, port) = start(options(Some(tls), None)).await;
    let trusting = Client::builder()
        .add_root_certificate(Certificate::from_pem(authority.pem().as_bytes()).unwrap())
        .build()
        .unwrap();
    let url = format!("https://localhost:{port}/api/v1/namespaces");
    let answer = trusting.get(&url).send().await.unwrap();
    assert_eq!((answer.status(), answer.text().await.unwrap().trim()), (StatusCode::OK, "[]"));
    assert!(Client::new().get(&url).send().await.is_err(), "the authority is not trusted");
    assert!(Client::new().get(url.replace("https", "http")).send().await.is_err(), "it is not HTTP");
    let described = trusting.get(format!("https://localhost:{port}/api/openapi.json")).send().await.unwrap();
    assert!(described.text().await.unwrap().contains("https://127.0.0.1"), "links are of the right kind");
    server.stop().await;
}

#[tokio::test]
async fn a_client_without_a_certificate_of_the_authority_is_refused() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (certificate, key) = authority.issue("localhost");
    let tls =
        Tls { certificate: Pem::Text(certificate), key: Pem::Text(key), clients: Some(Pem::Text(authority.pem())) };
    let (server, port) = start(options(Some(tls), None)).await;
    let root = Certificate::from_pem(authority.pem().as_bytes()).unwrap();
    let url = format!("https://localhost:{port}/api/v1/namespaces");
    let client = |from: Option<&Authority>| {
        let builder = Client::builder().add_root_certificate(root.clone());
        let Some(from) = from else { return builder.build().unwrap() };
        let (certificate, key) = from.issue("client");
        builder.identity(Identity::from_pem(format!("{certificate}{key}").as_bytes()).unwrap()).build().unwrap()
    };
    assert_eq!(client(Some(&authority)).get(&url).send().await.unwrap().status(), StatusCode::OK);
    assert!(client(None).get(&url).send().await.is_err());
    assert!(client(Some(&other)).get(&url).send().await.is_err());
    server.stop().await;
}

#[tokio::test]
async fn certificates_that_cannot_be_used_are_told_at_the_start() {
    let (_, key) = Authority::new().issue("localhost");
    let none = Tls { certificate: Pem::Text("x".into()), key: Pem::Text(key), clients: None };
    let error = Server::start(options(Some(none), None), Namespaces::new("default")).await.unwrap_err().to_string();
    assert!(error.contains("no usable certificate"), "{error}");
}

#[tokio::test]
async fn a_listener_with_passwords_answers_403_without_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("passwords");
    std::fs::write(&file, format!("alice:{}\n", bcrypt::hash("secret", 4).unwrap())).unwrap();
    let (server, port) = start(options(None, Some(file))).await;
    let client = Client::new();
    let url = format!("http://127.0.0.1:{port}/api/v1/namespaces");
    let right = client.get(&url).basic_auth("alice", Some("secret")).send().await.unwrap();
    assert_eq!(right.status(), StatusCode::OK);
    for refused in [
        client.get(&url),
        client.get(&url).basic_auth("alice", Some("wrong")),
        client.get(format!("http://127.0.0.1:{port}/ws")),
        client.get(format!("http://127.0.0.1:{port}/api")),
    ] {
        let answer = refused.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        assert!(!answer.headers().contains_key("www-authenticate"));
        assert_eq!(answer.text().await.unwrap().trim(), "{\"error\":\"FF00169: Unauthorized\"}");
    }
    // A browser asks without credentials whether it may send some.
    let question = client
        .request(reqwest::Method::OPTIONS, &url)
        .header("origin", "https://app.example")
        .header("access-control-request-method", "GET");
    assert_eq!(question.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    server.stop().await;
}

#[tokio::test]
async fn a_namespace_with_passwords_answers_401_without_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("passwords");
    std::fs::write(&file, format!("alice:{}\n", bcrypt::hash("secret", 4).unwrap())).unwrap();
    let api = crate::Api::start().await;
    let passwords = Arc::new(Passwords::read(&file).await.unwrap());
    assert!(!format!("{passwords:?}").contains("alice"));
    api.namespaces.guard(BTreeMap::from([(NAMESPACE.to_owned(), passwords)]));
    let form = || {
        reqwest::multipart::Form::new()
            .text("autometa", "true")
            .part("file", reqwest::multipart::Part::text("x").file_name("x.txt"))
    };
    let of_it = |path: &str| api.url(&format!("/api/v1/namespaces/{NAMESPACE}/{path}"));
    let requests = || {
        [
            api.client.get(api.url("/api/v1/status")),
            api.client.get(of_it("status")),
            api.client.get(of_it("messages?limit=1")),
            api.client.post(of_it("data")).json(&serde_json::json!({"value": 1})),
            api.client.post(of_it("data")).multipart(form()),
        ]
    };
    let ws = upgrade(api.client.get(of_it("ws")));
    for refused in requests().into_iter().chain([ws]) {
        for refused in [refused.try_clone(), refused.try_clone().map(|one| one.basic_auth("alice", Some("wrong")))] {
            let Some(refused) = refused else { continue };
            let answer = refused.send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{}", answer.url());
            assert!(!answer.headers().contains_key("www-authenticate"));
            assert_eq!(answer.text().await.unwrap().trim(), "{\"error\":\"FF00169: Unauthorized\"}");
        }
    }
    let upload = api.client.post(of_it("data")).multipart(form()).send().await.unwrap();
    assert_eq!(upload.status(), StatusCode::UNAUTHORIZED, "uploads too");
    for allowed in requests() {
        let answer = allowed.basic_auth("alice", Some("secret")).send().await.unwrap();
        assert!(answer.status().is_success(), "{} {}", answer.url(), answer.status());
    }
    let opened = upgrade(api.client.get(of_it("ws"))).basic_auth("alice", Some("secret")).send().await.unwrap();
    assert_eq!(opened.status(), StatusCode::SWITCHING_PROTOCOLS);
    // What is not of the namespace alone asks for nothing, and neither do other namespaces.
    for free in ["namespaces", "websockets"] {
        assert_eq!(api.get(free).await.0, StatusCode::OK);
    }
    assert_eq!(api.get("namespaces/later/status").await.0, StatusCode::PRECONDITION_FAILED);
    api.namespaces.guard(BTreeMap::new());
    assert_eq!(api.get("status").await.0, StatusCode::OK);
    api.stop().await;
}

fn upgrade(request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
    request
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
}
