//! Databases of a server: made and removed by the commands of local networks.

use std::time::Duration;

use super::{describe, target::Target, unavailable};
use crate::options::Error;

/// Code of PostgreSQL for a database that is there already.
const DUPLICATE: &str = "42P04";
/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes a database if it is not there. `url` names another one of the server; `name` is of letters, digits and underscores.
///
/// # Errors
/// When the server cannot be reached, or refuses.
pub async fn create_database(url: &str, name: &str) -> Result<(), Error> {
    match execute(url, &format!("CREATE DATABASE \"{}\"", checked(name)?)).await? {
        Err(error) if error.code().is_some_and(|code| code.code() == DUPLICATE) => Ok(()),
        other => other.map_err(|error| Error::Unsuitable(describe(&error))),
    }
}

/// Removes a database, if it is there, with its connections.
///
/// # Errors
/// As [`create_database`].
pub async fn drop_database(url: &str, name: &str) -> Result<(), Error> {
    let statement = format!("DROP DATABASE IF EXISTS \"{}\" WITH (FORCE)", checked(name)?);
    execute(url, &statement).await?.map_err(|error| Error::Unsuitable(describe(&error)))
}

fn checked(name: &str) -> Result<&str, Error> {
    if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Ok(name);
    }
    Err(Error::Unsuitable(format!("'{name}' cannot be a database's name: use letters, digits and underscores")))
}

async fn execute(url: &str, statement: &str) -> Result<Result<(), tokio_postgres::Error>, Error> {
    let target = Target::read(url, PATIENCE).await?;
    let (client, connection) = target.connect().await.map_err(|error| unavailable(&error))?;
    let done = client.batch_execute(statement).await;
    drop(client);
    // It ends with its client.
    let _ended = connection.await;
    Ok(done)
}
