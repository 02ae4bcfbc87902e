//! `plugins.dataexchange[]`: identities towards peers.

use std::path::PathBuf;

use photinus_exchange_client::Options;

use super::{
    remote::{self, Remote},
    section::Section,
};

/// An identity towards peers.
#[derive(Clone, Debug)]
pub struct DataExchange {
    /// Its name.
    pub name: String,
    /// What has it.
    pub kind: DataExchangeKind,
}

/// What has an identity towards peers.
#[derive(Clone, Debug)]
pub enum DataExchangeKind {
    /// `https`: this node.
    Https(Box<Https>),
    /// `ffdx`: FireFly's data exchange, a process beside this node.
    Ffdx(Box<Ffdx>),
}

/// FireFly's data exchange.
#[derive(Clone, Debug)]
pub struct Ffdx {
    /// Where it is.
    pub remote: Remote,
    /// Everything else.
    pub options: Options,
}

/// Certificate, listener and trust of this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Https {
    /// Where certificate and known peers are kept.
    pub directory: PathBuf,
    /// Address to listen on. Default 127.0.0.1.
    pub address: String,
    /// Port; 0, the default, takes a free one.
    pub port: u16,
    /// URL under which peers reach this node. Default: from address and port.
    pub endpoint: Option<String>,
    /// Id in a certificate that is made at the first start, its organisation (O=).
    pub id: Option<String>,
    /// A certificate chain in PEM, instead of one that is made at the first start.
    pub certificate: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
    /// A certificate authority to publish beside the certificate.
    pub authority: Option<PathBuf>,
    /// The certificate that will be used next, published beside the one in use.
    pub next_certificate: Option<PathBuf>,
    /// The largest private message that is sent or taken, in bytes. Default 1 MiB, which is what FireFly's data exchange takes.
    pub max_message: u64,
    /// The largest blob that is sent or taken, in bytes. Default 16 GiB.
    pub max_blob: u64,
    /// Peers to trust before the ledger has told of any.
    pub peers: Vec<Peer>,
}

/// A peer that is trusted from the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its URL.
    pub endpoint: String,
    /// SHA-256 of its certificate (DER), in hexadecimal.
    pub fingerprint: String,
}

pub(super) fn read(section: &Section<'_>) -> Option<DataExchange> {
    let name = section.required("name");
    let kind = match section.required("type").as_str() {
        "https" => DataExchangeKind::Https(Box::new(https(&section.section("https")))),
        "ffdx" => DataExchangeKind::Ffdx(Box::new(ffdx(&section.section("ffdx")))),
        "" => return None,
        other => {
            section.problem("type", format!("is '{other}', which does not exist; there are https and ffdx"));
            return None;
        }
    };
    Some(DataExchange { name, kind })
}

fn https(https: &Section<'_>) -> Https {
    let path = |key: &str| https.text(key).map(PathBuf::from);
    let (certificate, key) = (path("certFile"), path("keyFile"));
    if certificate.is_some() != key.is_some() {
        https.problem("certFile", "and keyFile go together");
    }
    Https {
        directory: PathBuf::from(https.required("directory")),
        address: https.text("address").unwrap_or_else(|| "127.0.0.1".into()),
        port: https.optional("port").unwrap_or(0),
        endpoint: https.text("endpoint"),
        id: https.text("id"),
        certificate,
        key,
        authority: path("caFile"),
        next_certificate: path("nextCertFile"),
        max_message: limit(https, "maxMessage", 1 << 20, 64 << 20),
        max_blob: limit(https, "maxBlob", 16 << 30, 1 << 50),
        peers: https
            .list("peers")
            .iter()
            .map(|peer| Peer { endpoint: peer.required("endpoint"), fingerprint: fingerprint(peer) })
            .collect(),
    }
}

fn ffdx(section: &Section<'_>) -> Ffdx {
    let remote = remote::read(section);
    let mut options = Options::new(&remote.options.url);
    let (retry, ws, offer) = (section.section("retry"), section.section("ws"), section.section("eventRetry"));
    for (waits, at, first, longest) in [
        (&mut options.reconnect, &retry, "initWaitTime", "maxWaitTime"),
        (&mut options.offer, &offer, "initialDelay", "maxDelay"),
    ] {
        waits.initial = at.duration(first, waits.initial).max(std::time::Duration::from_millis(1));
        waits.maximum = at.duration(longest, waits.maximum).max(waits.initial);
        waits.factor = at.number("factor", waits.factor, 1.0, 100.0);
    }
    options.events_path = ws.text("path").unwrap_or(options.events_path);
    options.events_url = ws.text("url");
    options.heartbeat = ws.duration("heartbeatInterval", options.heartbeat);
    options.init = section.flag("initEnabled", options.init);
    options.manifest = section.flag("manifestEnabled", options.manifest);
    options.message = limit(section, "maxMessage", options.message, 64 << 20);
    options.blob = limit(section, "maxBlob", options.blob, 1 << 50);
    Ffdx { remote, options }
}

/// A number of bytes from 64 KiB to a maximum.
fn limit(section: &Section<'_>, key: &str, default: u64, most: u64) -> u64 {
    let size = section.size(key, default);
    if (64 * 1024..=most).contains(&size) {
        return size;
    }
    section.problem(key, format!("must be from 64Kb to {}Kb", most / 1024));
    default
}

/// 64 hexadecimal digits in lower case; colons between pairs, as other tools print them, are taken out.
fn fingerprint(peer: &Section<'_>) -> String {
    let text = peer.required("fingerprint").replace(':', "").to_ascii_lowercase();
    if !text.is_empty() && (text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit())) {
        peer.problem("fingerprint", "must be a SHA-256: 64 hexadecimal digits");
    }
    text
}
