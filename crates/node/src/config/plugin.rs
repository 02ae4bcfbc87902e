//! `plugins.*[]`: which adapters there are, by name.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    path::PathBuf,
};

use super::{
    catalogue::EVM,
    exchange::{self, DataExchange, DataExchangeKind},
    section::Section,
    storage::{self, SharedStorage, SharedStorageKind},
};

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

    /// Whether a storage needs connections between members' nodes that an exchange has not got.
    pub(super) fn cannot_replicate(&self, exchange: &str, storage: &str) -> bool {
        let is_ffdx =
            |plugin: &DataExchange| plugin.name == exchange && matches!(plugin.kind, DataExchangeKind::Ffdx(_));
        let is_embedded =
            |plugin: &SharedStorage| plugin.name == storage && matches!(plugin.kind, SharedStorageKind::Embedded);
        self.plugins.data_exchange.iter().any(is_ffdx) && self.plugins.shared_storage.iter().any(is_embedded)
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
        data_exchange: section.list("dataexchange").iter().filter_map(exchange::read).collect(),
        shared_storage: section.list("sharedstorage").iter().filter_map(storage::read).collect(),
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

fn auth(section: &Section<'_>) -> Option<Auth> {
    let name = section.required("name");
    if !is_type(section, "basic", &[]) {
        return None;
    }
    Some(Auth { name, passwords: PathBuf::from(section.section("basic").required("passwordfile")) })
}
