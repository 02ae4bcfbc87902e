//! `plugins.*[]`: which adapters there are, by name.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    path::PathBuf,
    time::Duration,
};

use super::{catalogue::EVM, section::Section};

/// The adapters that namespaces choose from. Names are unique across all of them.
#[derive(Clone, Debug, Default)]
pub struct Plugins {
    /// Ledgers.
    pub blockchain: Vec<Blockchain>,
    /// Databases.
    pub database: Vec<Database>,
    /// Identities towards peers.
    pub data_exchange: Vec<DataExchange>,
    /// Shared storages.
    pub shared_storage: Vec<SharedStorage>,
    /// Names and passwords.
    pub auth: Vec<Auth>,
    /// What the file says of each, by name, so that a change is noticed.
    texts: Texts,
}

/// What a file says of each plug-in. It may hold passwords.
#[derive(Clone, Default)]
struct Texts(BTreeMap<String, String>);

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Plugins {
    /// What the file says of a plug-in. Two texts are equal if nothing changed.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.texts.0.get(name).map_or("", String::as_str)
    }
}

/// A ledger, of type `evm`: JSON-RPC to an Ethereum node, without a connector in between.
#[derive(Clone, Debug)]
pub struct Blockchain {
    /// Its name.
    pub name: String,
    /// Its options.
    pub options: photinus_ethereum::options::Options,
}

/// A database.
#[derive(Clone, Debug)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub kind: DatabaseKind,
}

/// Where a database is.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseKind {
    /// `sqlite3`: a file.
    Sqlite {
        /// The file. Made when it is not there.
        path: PathBuf,
    },
    /// `postgres`: a server.
    Postgres {
        /// `postgres://user:password@host:port/database`
        url: String,
        /// Most connections, of which one writes. Default: as many as the store takes by itself.
        max_connections: Option<usize>,
    },
}

impl DatabaseKind {
    /// FireFly's name of the type.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "sqlite3",
            Self::Postgres { .. } => "postgres",
        }
    }
}

impl fmt::Debug for DatabaseKind {
    /// Without the URL of a server, which holds a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { path } => f.debug_struct("Sqlite").field("path", path).finish(),
            Self::Postgres { max_connections, .. } => {
                f.debug_struct("Postgres").field("max_connections", max_connections).finish_non_exhaustive()
            }
        }
    }
}

/// An identity towards peers, of type `https`: certificate, listener and trust of this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataExchange {
    /// Its name.
    pub name: String,
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

/// A shared storage, of type `embedded`: files of this node, replicated between the members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedStorage {
    /// Its name.
    pub name: String,
    /// Where contents and local blobs are kept.
    pub directory: PathBuf,
    /// How long a read waits for members that hold the content. Default 10 s.
    pub download_timeout: Duration,
}

/// Names and passwords of a namespace, of type `basic`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// Its name.
    pub name: String,
    /// A file of names and bcrypt hashes.
    pub passwords: PathBuf,
}

/// The plug-ins that could be read, and what is known of the others.
pub(super) struct Read {
    pub(super) plugins: Plugins,
    /// Names of all entries of the file, by category.
    named: Vec<(&'static str, Vec<String>)>,
}

/// Names of the plug-ins that could be read.
pub(super) struct Names<'a> {
    pub(super) blockchain: Vec<&'a str>,
    pub(super) database: Vec<&'a str>,
    pub(super) data_exchange: Vec<&'a str>,
    pub(super) shared_storage: Vec<&'a str>,
    pub(super) auth: Vec<&'a str>,
}

impl Read {
    /// Whether the file has a plug-in of that name.
    pub(super) fn is_named(&self, name: &str) -> bool {
        self.named.iter().any(|(_, names)| names.iter().any(|known| known == name))
    }

    /// Whether the file has plug-ins of that category that could not be read.
    pub(super) fn is_incomplete(&self, category: &str) -> bool {
        let read = match category {
            "blockchain" => self.plugins.blockchain.len(),
            "database" => self.plugins.database.len(),
            "dataexchange" => self.plugins.data_exchange.len(),
            "auth" => self.plugins.auth.len(),
            _ => self.plugins.shared_storage.len(),
        };
        self.named.iter().any(|(known, names)| *known == category && names.len() > read)
    }

    pub(super) fn by_category(&self) -> Names<'_> {
        Names {
            blockchain: self.plugins.blockchain.iter().map(|plugin| plugin.name.as_str()).collect(),
            database: self.plugins.database.iter().map(|plugin| plugin.name.as_str()).collect(),
            data_exchange: self.plugins.data_exchange.iter().map(|plugin| plugin.name.as_str()).collect(),
            shared_storage: self.plugins.shared_storage.iter().map(|plugin| plugin.name.as_str()).collect(),
            auth: self.plugins.auth.iter().map(|plugin| plugin.name.as_str()).collect(),
        }
    }
}

pub(super) fn read(section: &Section<'_>) -> Read {
    let mut plugins = Plugins {
        texts: Texts::default(),
        blockchain: section.list("blockchain").iter().filter_map(blockchain).collect(),
        database: section.list("database").iter().filter_map(database).collect(),
        data_exchange: section.list("dataexchange").iter().filter_map(data_exchange).collect(),
        shared_storage: section.list("sharedstorage").iter().filter_map(shared_storage).collect(),
        auth: section.list("auth").iter().filter_map(auth).collect(),
    };
    let mut named = Vec::new();
    let mut seen = HashSet::new();
    for category in ["blockchain", "database", "dataexchange", "sharedstorage", "auth"] {
        let mut names = Vec::new();
        for plugin in section.list(category) {
            let name = plugin.text("name").unwrap_or_default();
            if !name.is_empty() && !seen.insert(name.clone()) {
                plugin.problem(
                    "name",
                    format!("is '{name}', as that of another plug-in; names are unique across categories"),
                );
            }
            plugins.texts.0.insert(name.clone(), plugin.to_text());
            names.push(name);
        }
        named.push((category, names));
    }
    Read { plugins, named }
}

/// Whether the plug-in is of the one type there is. Others of FireFly's are refused with the next step.
fn is_type(section: &Section<'_>, ours: &str, theirs: &[(&str, &str)]) -> bool {
    let found = section.required("type");
    if found == ours {
        return true;
    }
    if let Some((_, why)) = theirs.iter().find(|(name, _)| *name == found) {
        section.problem("type", format!("is '{found}', which {why}"));
    } else if !found.is_empty() {
        section.problem("type", format!("is '{found}', which does not exist; write {ours}"));
    }
    false
}

fn blockchain(section: &Section<'_>) -> Option<Blockchain> {
    const CONNECTOR: &str = "needs a connector process, which this version does not speak to; \
                             write type: evm with evm.url, the JSON-RPC address of the chain's node, and evm.keys";
    const OTHER_CHAIN: &str = "is a kind of chain that this version does not support; there is evm";
    let name = section.required("name");
    let theirs = [("ethereum", CONNECTOR), ("fabric", OTHER_CHAIN), ("tezos", OTHER_CHAIN), ("cardano", OTHER_CHAIN)];
    if !is_type(section, "evm", &theirs) {
        return None;
    }
    let evm = section.section("evm");
    let url = evm.required("url");
    if !url.is_empty() && !url.starts_with("http://") && !url.starts_with("https://") {
        evm.problem("url", "must start with http:// or https://; the address of a WebSocket goes to wsUrl");
    }
    let options = evm.typed(&[EVM])?;
    Some(Blockchain { name, options })
}

fn database(section: &Section<'_>) -> Option<Database> {
    let name = section.required("name");
    let kind = match section.required("type").as_str() {
        "sqlite3" => {
            let sqlite = section.section("sqlite3");
            let url = sqlite.required("url");
            let path = url.strip_prefix("file:").unwrap_or(&url);
            let path = path.split_once('?').map_or(path, |(path, _)| path);
            if path == ":memory:" || path.is_empty() && !url.is_empty() {
                sqlite.problem("url", "must name a file: a node that forgets everything breaks its network");
            }
            DatabaseKind::Sqlite { path: PathBuf::from(path) }
        }
        "postgres" => {
            let postgres = section.section("postgres");
            let url = postgres.required("url");
            if !url.is_empty() && !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
                postgres.problem("url", "must start with postgres://");
            }
            DatabaseKind::Postgres { url, max_connections: postgres.optional("maxConns") }
        }
        "" => return None,
        other => {
            section.problem("type", format!("is '{other}', which does not exist; there are sqlite3 and postgres"));
            return None;
        }
    };
    Some(Database { name, kind })
}

fn data_exchange(section: &Section<'_>) -> Option<DataExchange> {
    const SIDECAR: &str = "needs the data exchange as a process of its own, which this version does not speak to; \
                           write type: https with https.directory, and remove the process";
    let name = section.required("name");
    if !is_type(section, "https", &[("ffdx", SIDECAR)]) {
        return None;
    }
    let https = section.section("https");
    let path = |key: &str| https.text(key).map(PathBuf::from);
    let (certificate, key) = (path("certFile"), path("keyFile"));
    if certificate.is_some() != key.is_some() {
        https.problem("certFile", "and keyFile go together");
    }
    Some(DataExchange {
        name,
        directory: PathBuf::from(https.required("directory")),
        address: https.text("address").unwrap_or_else(|| "127.0.0.1".into()),
        port: https.optional("port").unwrap_or(0),
        endpoint: https.text("endpoint"),
        id: https.text("id"),
        certificate,
        key,
        authority: path("caFile"),
        next_certificate: path("nextCertFile"),
        max_message: limit(&https, "maxMessage", 1 << 20, 64 << 20),
        max_blob: limit(&https, "maxBlob", 16 << 30, 1 << 50),
        peers: https
            .list("peers")
            .iter()
            .map(|peer| Peer { endpoint: peer.required("endpoint"), fingerprint: fingerprint(peer) })
            .collect(),
    })
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

fn auth(section: &Section<'_>) -> Option<Auth> {
    let name = section.required("name");
    if !is_type(section, "basic", &[]) {
        return None;
    }
    Some(Auth { name, passwords: PathBuf::from(section.section("basic").required("passwordfile")) })
}

fn shared_storage(section: &Section<'_>) -> Option<SharedStorage> {
    const SIDECAR: &str = "needs a Kubo node, which this version does not speak to; \
                           write type: embedded with embedded.directory";
    let name = section.required("name");
    if !is_type(section, "embedded", &[("ipfs", SIDECAR)]) {
        return None;
    }
    let embedded = section.section("embedded");
    Some(SharedStorage {
        name,
        directory: PathBuf::from(embedded.required("directory")),
        download_timeout: embedded.duration("downloadTimeout", Duration::from_secs(10)),
    })
}
