//! Between two of them: a function call, or the wire of the real one, which is HTTP/1.1 on TLS with certificates on both sides.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::{ConnectInfo, DefaultBodyLimit, Multipart, Path, State, connect_info::Connected},
    http::StatusCode,
    response::Response,
    routing::{head, post, put},
    serve::{IncomingStream, Listener},
};
use photinus_model::Hash;
use reqwest::multipart::{Form, Part};
use rustls::{
    DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    Process,
    api::{error, split, unknown},
};

/// How long a delivery or a handshake may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Key and certificate of one that is on the wire, in PEM.
#[derive(Clone, Debug)]
pub struct Papers {
    /// What its peers trust.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

/// What is delivered.
pub(super) enum Arriving {
    Message(String),
    Blob { path: String, content: Bytes },
}

/// Who got it, and the event that told its client; unknown behind the wire.
pub(super) type There = Option<(Arc<Process>, String)>;

impl Process {
    /// Delivers to the recipient's process.
    pub(super) async fn pass(&self, sender: &str, recipient: &str, arriving: Arriving) -> Result<There, String> {
        let ((_, from), (base, to)) = (split(sender), split(recipient));
        let names = (from.unwrap_or_default(), to.unwrap_or_default());
        let endpoint = self.disk.peers.lock().iter().find(|(id, _)| id == base).map(|(_, peer)| peer.endpoint.clone());
        let endpoint = endpoint.unwrap_or_default();
        if let Some(papers) = &self.papers {
            return self.post(papers, base, &endpoint, names, arriving).await.map(|()| None);
        }
        let other = self.wires.at(&endpoint).ok_or_else(|| "connect ECONNREFUSED 127.0.0.1:3001".to_owned())?;
        let id = other.arrive(&self.id, names, arriving)?;
        Ok(Some((other, id)))
    }

    /// Delivers a message that no client asked for, of whatever sender.
    ///
    /// # Errors
    /// What the recipient's process says against it.
    pub async fn deliver(&self, sender: &str, recipient: &str, message: &str) -> Result<(), String> {
        self.pass(sender, recipient, Arriving::Message(message.to_owned())).await.map(drop)
    }

    async fn post(
        &self,
        papers: &Papers,
        base: &str,
        endpoint: &str,
        (from, to): (&str, &str),
        arriving: Arriving,
    ) -> Result<(), String> {
        let trusted = self.disk.certificates.lock().get(base).cloned().unwrap_or_default();
        let trusted = reqwest::Certificate::from_pem_bundle(trusted.as_bytes()).unwrap();
        let identity = reqwest::Identity::from_pem(format!("{}{}", papers.key, papers.certificate).as_bytes()).unwrap();
        let client =
            reqwest::Client::builder().http1_only().tls_certs_only(trusted).identity(identity).timeout(PATIENCE);
        let client = client.build().unwrap();
        let form = Form::new().text("senderDestination", from.to_owned()).text("recipientDestination", to.to_owned());
        let request = match arriving {
            Arriving::Message(message) => {
                client.post(format!("{endpoint}/api/v1/messages")).multipart(form.text("message", message))
            }
            Arriving::Blob { path, content } => {
                let name = path.rsplit('/').next().unwrap_or_default().to_owned();
                let file = Part::bytes(content.to_vec()).file_name(name).mime_str("application/octet-stream").unwrap();
                client.put(format!("{endpoint}/api/v1/blobs{path}")).multipart(form.part("blob", file))
            }
        };
        let answer = request.send().await.map_err(|error| format!("{error:?}"))?;
        match answer.status() {
            StatusCode::NO_CONTENT => Ok(()),
            code => Err(format!("{code}: {}", answer.text().await.unwrap_or_default())),
        }
    }

    /// Takes a delivery of the process with this base id, and tells its client. Gives the event's id.
    fn arrive(&self, base: &str, (from, to): (&str, &str), arriving: Arriving) -> Result<String, String> {
        let peers = self.disk.peers.lock();
        let known = peers.iter().find(|(id, _)| id == base).map(|(_, peer)| peer.destinations.clone());
        drop(peers);
        let known = known.ok_or_else(|| format!("Unknown sender {base}"))?;
        if !known.iter().any(|known| known == from) {
            return Err(unknown("sender", &known, from));
        }
        let own = self.disk.destinations.lock().clone();
        if !own.iter().any(|known| known == to) {
            return Err(unknown("recipient", &own, to));
        }
        let sender = format!("{base}/{from}");
        let mut event = match arriving {
            Arriving::Message(message) => json!({"type": "message-received", "message": message}),
            Arriving::Blob { path, content } => {
                let (here, hash) = (format!("received/{sender}{path}"), Hash::of(&content).to_string());
                let size = content.len();
                self.disk.blobs.lock().insert(here.clone(), content);
                json!({"type": "blob-received", "path": here, "hash": hash, "size": size, "lastUpdate": 1})
            }
        };
        event["sender"] = json!(sender);
        event["recipient"] = json!(format!("{}/{to}", self.id));
        Ok(self.tell(event))
    }
}

/// Serves peers until it is dropped.
pub(super) async fn listen(process: Arc<Process>, address: SocketAddr, papers: Papers) {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let chain = vec![CertificateDer::from_pem_slice(papers.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(papers.key.as_bytes()).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(Arc::new(Anybody(provider)))
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let listener = super::bind(address).await;
    let door = Door { listener, acceptor: TlsAcceptor::from(Arc::new(config)), process: Arc::clone(&process) };
    let router = Router::new()
        .route("/api/v1/ping", head(async || StatusCode::NO_CONTENT))
        .route("/api/v1/messages", post(message))
        .route("/api/v1/blobs/{*path}", put(blob))
        .layer(DefaultBodyLimit::max(1 << 30))
        .with_state(process);
    let _ended = axum::serve(door, router.into_make_service_with_connect_info::<Caller>()).await;
}

async fn message(State(process): State<Arc<Process>>, caller: ConnectInfo<Caller>, form: Multipart) -> Response {
    take(&process, &caller.0.0, None, form).await
}

async fn blob(
    State(process): State<Arc<Process>>,
    caller: ConnectInfo<Caller>,
    Path(path): Path<String>,
    form: Multipart,
) -> Response {
    take(&process, &caller.0.0, Some(path), form).await
}

/// Reads a form. What comes behind its content is not read, as by the real one.
async fn take(process: &Process, base: &str, path: Option<String>, mut form: Multipart) -> Response {
    let (mut from, mut to) = (String::new(), String::new());
    while let Ok(Some(field)) = form.next_field().await {
        let arriving = match (field.name().unwrap_or_default(), &path) {
            ("senderDestination", _) => {
                from = field.text().await.unwrap();
                continue;
            }
            ("recipientDestination", _) => {
                to = field.text().await.unwrap();
                continue;
            }
            ("message", None) => Arriving::Message(field.text().await.unwrap()),
            (_, Some(path)) => Arriving::Blob { path: format!("/{path}"), content: field.bytes().await.unwrap() },
            _ => continue,
        };
        return match process.arrive(base, (&from, &to), arriving) {
            Ok(_) => axum::response::IntoResponse::into_response(StatusCode::NO_CONTENT),
            Err(reason) => error(StatusCode::NOT_FOUND, &reason),
        };
    }
    error(StatusCode::BAD_REQUEST, if path.is_some() { "Missing blob" } else { "Missing message" })
}

/// The base id of a peer.
#[derive(Clone, Debug)]
struct Caller(String);

/// Lets those in whose certificate its client has named.
struct Door {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    process: Arc<Process>,
}

impl Door {
    async fn admit(&self, tcp: TcpStream) -> Option<(TlsStream<TcpStream>, Caller)> {
        let tls = tokio::time::timeout(PATIENCE, self.acceptor.accept(tcp)).await.ok()?.ok()?;
        let presented = tls.get_ref().1.peer_certificates()?.first()?.clone();
        let certificates = self.process.disk.certificates.lock().clone();
        let named = certificates.into_iter().find(|(_, pem)| {
            CertificateDer::pem_slice_iter(pem.as_bytes())
                .any(|trusted| trusted.is_ok_and(|trusted| trusted == presented))
        });
        Some((tls, Caller(named?.0)))
    }
}

impl Listener for Door {
    type Io = TlsStream<TcpStream>;
    type Addr = Caller;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            if let Ok((tcp, _)) = self.listener.accept().await
                && let Some(admitted) = self.admit(tcp).await
            {
                return admitted;
            }
        }
    }

    fn local_addr(&self) -> io::Result<Caller> {
        Ok(Caller(self.process.id.clone()))
    }
}

impl Connected<IncomingStream<'_, Door>> for Caller {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        stream.remote_addr().clone()
    }
}

/// Wants a certificate; whose it is, the door finds out.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

type Signed = Result<HandshakeSignatureValid, rustls::Error>;

impl ClientCertVerifier for Anybody {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(&self, message: &[u8], cert: &CertificateDer<'_>, dss: &DigitallySignedStruct) -> Signed {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(&self, message: &[u8], cert: &CertificateDer<'_>, dss: &DigitallySignedStruct) -> Signed {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
