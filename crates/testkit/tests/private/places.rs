//! The combinations of order and database in which faults are tried.

use std::sync::OnceLock;

use photinus_engine::options::PrivateOrder;
use photinus_store::{
    Options, Store,
    testing::{Flush, Server},
};
use photinus_testkit::network::Network;

/// Where a network keeps its data.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Database {
    Sqlite,
    Postgres,
}

/// A combination.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) order: PrivateOrder,
    pub(crate) database: Database,
}

impl Place {
    /// Registered members there.
    pub(crate) async fn network(self, count: usize) -> Network {
        network(count, self.order, self.database).await
    }
}

/// Makes a test of each of these functions in every combination.
macro_rules! everywhere {
    ($($name:ident),+ $(,)?) => { $(mod $name {
        use photinus_engine::options::PrivateOrder::{Author, Ledger};

        use crate::places::{Database::{Postgres, Sqlite}, Place};

        #[tokio::test(flavor = "multi_thread")]
        async fn by_author_on_sqlite() {
            super::$name(Place { order: Author, database: Sqlite }).await;
        }

        #[tokio::test(flavor = "multi_thread")]
        async fn by_author_on_postgres() {
            super::$name(Place { order: Author, database: Postgres }).await;
        }

        #[tokio::test(flavor = "multi_thread")]
        async fn by_ledger_on_sqlite() {
            super::$name(Place { order: Ledger, database: Sqlite }).await;
        }

        #[tokio::test(flavor = "multi_thread")]
        async fn by_ledger_on_postgres() {
            super::$name(Place { order: Ledger, database: Postgres }).await;
        }
    })+ };
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
    network
}
