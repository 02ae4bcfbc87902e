//! Both databases, each test with one of its own.

use std::sync::{Arc, OnceLock};

use photinus_store::{
    Change, ChangeSet, Committed, Error, Options, Store,
    testing::{Flush, Server},
};

/// One server for the whole suite.
fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Flush::System).unwrap_or_else(|error| panic!("{error}")))
}

/// A database that can be opened again.
#[derive(Clone)]
pub(crate) enum Place {
    File(Arc<tempfile::TempDir>),
    Server(String),
}

impl Place {
    pub(crate) fn file() -> Self {
        Self::File(Arc::new(tempfile::tempdir().unwrap()))
    }

    pub(crate) async fn server() -> Self {
        Self::Server(server().database().await.unwrap())
    }

    pub(crate) fn options(&self) -> Options {
        match self {
            Self::File(folder) => Options::sqlite(folder.path().join("store.db")),
            Self::Server(url) => Options::postgres(url),
        }
    }

    pub(crate) async fn open(&self) -> Store {
        Store::open(self.options()).await.unwrap()
    }
}

/// Runs a test on each database.
#[macro_export]
macro_rules! on_both {
    ($($(#[$meta:meta])* async fn $name:ident($place:ident: Place) $body:block)+) => {
        $(
            mod $name {
                use super::*;

                async fn check($place: Place) $body

                $(#[$meta])*
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn sqlite() {
                    check(Place::file()).await;
                }

                $(#[$meta])*
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn postgres() {
                    check(Place::server().await).await;
                }
            }
        )+
    };
}

/// The namespace of most tests.
pub(crate) const NS: &str = "default";

/// Commits changes of a namespace.
pub(crate) async fn commit_in(
    store: &Store,
    namespace: &str,
    changes: impl IntoIterator<Item = Change>,
) -> Result<Committed, Error> {
    let mut set = ChangeSet::new(namespace);
    set.extend(changes);
    store.submit(set).await
}

/// Commits changes of [`NS`].
pub(crate) async fn commit(store: &Store, changes: impl IntoIterator<Item = Change>) -> Result<Committed, Error> {
    commit_in(store, NS, changes).await
}
