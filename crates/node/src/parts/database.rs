//! Databases of types `sqlite3` and `postgres`.

use photinus_store::{Options, Store};

use crate::{
    Error,
    config::{Database, DatabaseKind},
};

/// Opens a database and brings its schema up to date.
pub(crate) async fn open(plugin: &Database) -> Result<Store, Error> {
    let options = match &plugin.kind {
        DatabaseKind::Sqlite { path } => {
            if let Some(folder) = path.parent() {
                let made = tokio::fs::create_dir_all(folder).await;
                made.map_err(|source| Error::DatabaseFolder { name: plugin.name.clone(), source })?;
            }
            Options::sqlite(path)
        }
        DatabaseKind::Postgres { url, max_connections } => {
            let mut options = Options::postgres(url);
            if let Some(most) = max_connections {
                options.limits.readers = most.saturating_sub(1).max(1); // one writes
            }
            options
        }
    };
    Store::open(options).await.map_err(|source| Error::Database { name: plugin.name.clone(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_made_with_its_folder_and_opened_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/node.db");
        let plugin = Database { name: "db".into(), kind: DatabaseKind::Sqlite { path: path.clone() } };
        let store = open(&plugin).await.unwrap();
        assert!(path.exists());
        let error = open(&plugin).await.unwrap_err().to_string();
        assert!(error.starts_with("database plug-in db: the database is in use"), "{error}");
        store.close().await;
        open(&plugin).await.unwrap().close().await;
    }
}
