//! Databases in a PostgreSQL server, one for each member.

use tokio_postgres::{Client, NoTls};

use super::settings::database_url;
use crate::error::Error;

/// Code of PostgreSQL for a database that is there already.
const DUPLICATE_DATABASE: &str = "42P04";

/// Makes a database if it is not there. `name` is one of ours: letters, digits and underscores.
pub(crate) async fn create(server: &str, name: &str) -> Result<(), Error> {
    let client = connect(server).await?;
    match client.batch_execute(&format!("CREATE DATABASE {name}")).await {
        Err(error) if error.code().is_some_and(|code| code.code() == DUPLICATE_DATABASE) => Ok(()),
        other => other.map_err(|error| failed(&error)),
    }
}

/// Removes a database, if it is there.
pub(crate) async fn drop(server: &str, name: &str) -> Result<(), Error> {
    let client = connect(server).await?;
    let statement = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
    client.batch_execute(&statement).await.map_err(|error| failed(&error))
}

async fn connect(server: &str) -> Result<Client, Error> {
    // `postgres` is the database that every server has for such work.
    let (client, connection) =
        tokio_postgres::connect(&database_url(server, "postgres"), NoTls).await.map_err(|error| failed(&error))?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "the connection to the database server broke");
        }
    });
    Ok(client)
}

fn failed(error: &tokio_postgres::Error) -> Error {
    let detail = error.as_db_error().map_or_else(|| super::client::causes(error), |error| error.message().to_owned());
    Error::Database(detail)
}
