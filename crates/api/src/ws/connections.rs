//! The sockets that are open, for whoever wants to see them.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use parking_lot::Mutex;
use photinus_model::{Time, Uuid, subscription::Filter};
use serde::Serialize;

use super::frame::Start;

/// Longest name of a client that is kept, in bytes.
const LONGEST_AGENT: usize = 256;

/// All open sockets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connections {
    open: Arc<Mutex<BTreeMap<Uuid, Connection>>>,
}

/// An open socket.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Connection {
    id: Uuid,
    remote_address: String,
    user_agent: String,
    subscriptions: Vec<Started>,
}

/// A start of a socket.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Started {
    start_time: Time,
    ephemeral: bool,
    namespace: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    filter: Filter,
}

/// What is told of the sockets.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    enabled: bool,
    connections: Vec<Connection>,
}

/// The place of an open socket. Dropped, the socket is not listed any more.
#[derive(Debug)]
pub(super) struct Place {
    id: Uuid,
    connections: Connections,
}

impl Connections {
    /// The open sockets and what they started.
    pub(crate) fn status(&self) -> Status {
        Status { enabled: true, connections: self.open.lock().values().cloned().collect() }
    }

    /// Lists a socket, unless `most` are open.
    pub(super) fn open(&self, peer: SocketAddr, agent: &str, most: usize) -> Option<Place> {
        let id = Uuid::new_v4();
        let agent = &agent[..agent.floor_char_boundary(LONGEST_AGENT)];
        let connection = Connection {
            id,
            remote_address: peer.to_string(),
            user_agent: agent.to_owned(),
            subscriptions: Vec::new(),
        };
        let mut open = self.open.lock();
        if open.len() >= most {
            return None;
        }
        open.insert(id, connection);
        Some(Place { id, connections: self.clone() })
    }
}

impl Place {
    /// Lists a start of this socket.
    pub(super) fn started(&self, start: &Start, namespace: &str, at: Time) {
        let started = Started {
            start_time: at,
            ephemeral: start.ephemeral,
            namespace: namespace.to_owned(),
            name: if start.ephemeral { String::new() } else { start.name.clone() },
            filter: if start.ephemeral { start.filter.clone() } else { Filter::default() },
        };
        if let Some(connection) = self.connections.open.lock().get_mut(&self.id) {
            connection.subscriptions.push(started);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.open.lock().remove(&self.id);
    }
}
