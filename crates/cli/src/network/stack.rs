//! `stack.json` and `runtime/stackState.json`: what a local network consists of, in the form of FireFly's own tool.
//!
//! Fields that only containers need are left out. What Photinus needs besides stands under `photinus`.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::layout::Layout;
use crate::error::Error;

/// Format of the part under `photinus`.
const VERSION: u32 = 1;

/// `stack.json`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stack {
    pub(crate) name: String,
    /// JSON-RPC of the chain on this machine.
    pub(crate) exposed_blockchain_port: u16,
    pub(crate) blockchain_provider: String,
    /// Tools that know FireFly's connectors take their EVM path at this word; there is none.
    pub(crate) blockchain_connector: String,
    pub(crate) database: String,
    pub(crate) token_providers: Vec<String>,
    pub(crate) multiparty: bool,
    pub(crate) members: Vec<Member>,
    pub(crate) photinus: Own,
}

/// What Photinus needs besides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Own {
    pub(crate) version: u32,
    /// Address of a chain that the network did not start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) chain_url: Option<String>,
    /// A server in which member `i` has the database `<prefix>_<i>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) postgres: Option<Postgres>,
    /// Where the members' exchanges listen, when that is not where they are announced: something stands between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) exchange_ports: Option<Vec<u16>>,
    /// Sections that stand in every member's configuration besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sections: Option<serde_json::Map<String, Value>>,
}

/// A database server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Postgres {
    pub(crate) url: String,
    pub(crate) prefix: String,
}

impl Own {
    pub(crate) fn new(chain_url: Option<String>, postgres: Option<Postgres>) -> Self {
        Self { version: VERSION, chain_url, postgres, exchange_ports: None, sections: None }
    }
}

/// One member.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) index: usize,
    pub(crate) org_name: String,
    pub(crate) node_name: String,
    pub(crate) account: Account,
    pub(crate) firefly_hostname: String,
    pub(crate) exposed_firefly_port: u16,
    /// The SPI; the file keeps the old word.
    pub(crate) exposed_firefly_admin_port: u16,
    pub(crate) exposed_firefly_metrics_port: u16,
    pub(crate) exposed_dataexchange_port: u16,
}

impl Member {
    /// REST and WebSocket.
    pub(crate) fn url(&self) -> String {
        format!("http://{}:{}", self.firefly_hostname, self.exposed_firefly_port)
    }

    /// Name of its process.
    pub(crate) fn process(&self) -> String {
        format!("member_{}", self.index)
    }
}

/// An account of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Account {
    /// `0x` and lower case.
    pub(crate) address: String,
    /// `0x` and 64 hexadecimal digits. Absent where only the address is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) private_key: Option<String>,
}

/// `stackState.json`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct State {
    /// Those of the members in order, then funded ones that every member's node can sign with.
    pub(crate) accounts: Vec<Account>,
    #[serde(default)]
    pub(crate) deployed_contracts: Vec<Contract>,
}

/// Name of the multiparty contract among the deployed ones.
const MULTIPARTY: &str = "FireFly";

/// A contract on the chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Contract {
    pub(crate) name: String,
    pub(crate) location: Value,
}

impl State {
    /// Location of the multiparty contract.
    pub(crate) fn multiparty(&self) -> Option<&Value> {
        self.deployed_contracts.iter().find(|contract| contract.name == MULTIPARTY).map(|contract| &contract.location)
    }

    /// Remembers it.
    pub(crate) fn set_multiparty(&mut self, address: &str) {
        self.deployed_contracts.retain(|contract| contract.name != MULTIPARTY);
        let location = serde_json::json!({"address": address});
        self.deployed_contracts.push(Contract { name: MULTIPARTY.into(), location });
    }
}

/// Reads `stack.json`; `None` when there is none.
pub(crate) fn load(layout: &Layout) -> Result<Option<Stack>, Error> {
    let path = layout.stack();
    let Some(stack) = read::<Stack>(&path)? else { return Ok(None) };
    if stack.photinus.version > VERSION {
        let reason = format!("it was written by a later version (format {})", stack.photinus.version);
        return Err(Error::Malformed { path, reason });
    }
    if stack.members.iter().enumerate().any(|(index, member)| member.index != index) {
        return Err(Error::Malformed { path, reason: "its members are not numbered from 0".into() });
    }
    Ok(Some(stack))
}

/// Reads `stackState.json`; `None` when there is none.
pub(crate) fn load_state(layout: &Layout) -> Result<Option<State>, Error> {
    read(&layout.state())
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::file("read", path)(error)),
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| Error::Malformed { path: path.to_owned(), reason: error.to_string() }),
    }
}

/// Writes one of the two files.
pub(crate) fn save(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    let mut text = serde_json::to_vec_pretty(value)
        .map_err(|error| Error::Malformed { path: path.to_owned(), reason: error.to_string() })?;
    text.push(b'\n');
    write_private(path, &text)
}

/// Writes a file that only the owner can read, whole or not at all. Makes its folder.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Result<(), Error> {
    let folder = path.parent().map_or_else(|| PathBuf::from("."), Path::to_owned);
    std::fs::create_dir_all(&folder).map_err(Error::file("create", &folder))?;
    let write = || {
        let mut file = tempfile::NamedTempFile::new_in(&folder)?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)
    };
    write().map(drop).map_err(Error::file("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack() -> Stack {
        let member = |index: usize| Member {
            id: index.to_string(),
            index,
            org_name: format!("org_{index}"),
            node_name: format!("node_{index}"),
            account: Account { address: format!("0x{index:040x}"), private_key: Some("0x01".into()) },
            firefly_hostname: "127.0.0.1".into(),
            exposed_firefly_port: 5000,
            exposed_firefly_admin_port: 5101,
            exposed_firefly_metrics_port: 5103,
            exposed_dataexchange_port: 5102,
        };
        Stack {
            name: "net".into(),
            exposed_blockchain_port: 5100,
            blockchain_provider: "ethereum".into(),
            blockchain_connector: "evmconnect".into(),
            database: "sqlite3".into(),
            token_providers: Vec::new(),
            multiparty: true,
            members: vec![member(0), member(1)],
            photinus: Own::new(None, None),
        }
    }

    #[test]
    fn the_fields_are_those_that_other_tools_read() {
        let json = serde_json::to_value(stack()).unwrap();
        let golden: Value = serde_json::from_str(include_str!("../../testdata/stack.json")).unwrap();
        assert_eq!(json, golden);
        let mut state =
            State { accounts: vec![Account { address: "0xab".into(), private_key: None }], ..State::default() };
        state.set_multiparty("0x01");
        state.set_multiparty("0x02");
        assert_eq!(
            serde_json::to_value(&state).unwrap(),
            serde_json::json!({
                "accounts": [{"address": "0xab"}],
                "deployedContracts": [{"name": "FireFly", "location": {"address": "0x02"}}],
            })
        );
    }

    #[test]
    fn what_is_saved_is_loaded_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::of(&folder.path().join("net")).unwrap();
        assert_eq!(load(&layout).unwrap(), None);
        save(&layout.stack(), &stack()).unwrap();
        assert_eq!(load(&layout).unwrap(), Some(stack()));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(layout.stack()).unwrap().permissions().mode() & 0o077, 0);
        }
    }

    #[test]
    fn other_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::of(folder.path()).unwrap();
        let mut later = stack();
        later.photinus.version = VERSION + 1;
        let mut shuffled = stack();
        shuffled.members.reverse();
        for (content, says) in [
            ("{".to_owned(), "EOF"),
            (r#"{"name": "x", "members": []}"#.to_owned(), "missing field"),
            (serde_json::to_string(&later).unwrap(), "later version"),
            (serde_json::to_string(&shuffled).unwrap(), "not numbered"),
        ] {
            std::fs::write(layout.stack(), &content).unwrap();
            let error = load(&layout).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
