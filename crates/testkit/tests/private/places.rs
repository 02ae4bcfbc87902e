//! The combinations of order and database in which faults are tried.

use std::sync::OnceLock;

use photinus_engine::options::PrivateOrder;
use photinus_store::{
    Options, Store,
    testing::{Flush, Server},
};
use photinus_testkit::network::Network;

use crate::inputs::all_known;

/// Where a network keeps its data.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Database {
    Sqlite,
    Postgres,
}

/// One server for all tests of this program, a database for each member.
fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Flush::System).expect("PostgreSQL starts"))
}

async fn store(database: Database) -> Store {
    let options = match database {
        Database::Sqlite => Options::temporary(),
        Database::Postgres => Options::postgres(server().database().await.expect("a database is made")),
    };
    Store::open(options).await.expect("a store opens")
}

/// Registered members whose namespaces have this order.
pub(crate) async fn network(count: usize, order: PrivateOrder, database: Database) -> Network {
    let mut stores = Vec::with_capacity(count);
    for _ in 0..count {
        stores.push(store(database).await);
    }
    let network = Network::start_on(stores, |options| options.private_order = order).await;
    network.register().await;
    all_known(&network).await;
    network
}
