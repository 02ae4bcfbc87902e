//! What measurements of a node need beside the node: a store that is full, and a database server.

pub use photinus_store::{fill::Shape, server};

use crate::{config::Config, parts};

/// Why a database was not filled.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration has no such namespace, or its database is missing.
    #[error("no namespace {0} with a database")]
    Namespace(String),
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] crate::Error),
    /// The database does not take the messages.
    #[error("the messages were not written: {0}")]
    Write(#[from] photinus_store::Error),
}

/// Fills the database of a node that does not run, with messages of the shape's namespace.
///
/// # Errors
/// When the database cannot be opened, as while the node runs, or does not take the messages.
pub async fn fill(config: &Config, shape: &Shape) -> Result<(), Error> {
    let namespace = config.namespaces.iter().find(|namespace| namespace.name == shape.namespace);
    let plugin = |name: &str| config.plugins.database.iter().find(|plugin| plugin.name == name);
    let plugin = namespace.and_then(|namespace| plugin(&namespace.database));
    let store = parts::open_database(plugin.ok_or_else(|| Error::Namespace(shape.namespace.clone()))?).await?;
    let filled = photinus_store::fill::fill(&store, shape).await;
    store.close().await;
    Ok(filled?)
}
