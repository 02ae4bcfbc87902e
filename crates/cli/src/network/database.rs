//! Databases in a PostgreSQL server, one for each member.

use super::settings::database_url;
use crate::error::Error;

/// The database that every server has for such work.
const ANY: &str = "postgres";

/// Makes a database if it is not there. `name` is one of ours: letters, digits and underscores.
pub(crate) async fn create(server: &str, name: &str) -> Result<(), Error> {
    let made = photinus_node::create_database(&database_url(server, ANY), name).await;
    made.map_err(|error| Error::Database(error.to_string()))
}

/// Removes a database, if it is there.
pub(crate) async fn drop(server: &str, name: &str) -> Result<(), Error> {
    let removed = photinus_node::drop_database(&database_url(server, ANY), name).await;
    removed.map_err(|error| Error::Database(error.to_string()))
}
