//! PostgreSQL: one connection that writes, and a pool of those that read.
//!
//! The writing connection holds an advisory lock of the database, so that two nodes cannot write one database, and so
//! that a broken connection is known to be dead on the server's side before the next one is used. Each group notes its
//! number in the table `lane`: after a connection broke during a commit, that row tells whether the commit took place.
//!
//! Connections are encrypted as the URL says, in libpq's words.

mod encode;
mod reader;
mod server;
mod session;
mod target;
mod tls;
mod writer;

pub(crate) use reader::Readers;
pub use server::{create_database, drop_database};
use session::Session;
use target::Target;
use writer::Writer;

use crate::{
    migrate,
    options::{Error, Limits},
    read::Readers as AnyReaders,
    schema,
    store::Opened,
};

/// The oldest server that is known to work.
const OLDEST: i64 = 150_000;

pub(crate) async fn open(url: &str, limits: &Limits) -> Result<Opened<Writer>, Error> {
    let target = Target::read(url, limits.reconnect).await?;
    let mut session = Session::open(&target).await?;
    migrate(&mut session).await?;
    let highest = highest(&session).await.map_err(|error| unavailable(&error))?;
    let namespaces = session.namespaces().await.map_err(|error| unavailable(&error))?;
    let last = session.last_group().await.map_err(|error| unavailable(&error))?;
    let readers = AnyReaders::Postgres(Readers::new(&target, limits.readers)?);
    let backend = Writer::new(target, limits.reconnect, session, last);
    Ok(Opened { backend, readers, highest, namespaces })
}

async fn migrate(session: &mut Session) -> Result<(), Error> {
    let failed = |error: tokio_postgres::Error| unavailable(&error);
    let version: String = session.client.query_one("SHOW server_version_num", &[]).await.map_err(failed)?.get(0);
    if version.parse::<i64>().is_ok_and(|version| version < OLDEST) {
        return Err(Error::Unsuitable(format!(
            "the server has version {version}, version {OLDEST} or later is needed"
        )));
    }
    session.client.batch_execute(migrate::TABLE).await.map_err(failed)?;
    let rows = session.client.query("SELECT version, digest FROM migrations ORDER BY version", &[]).await;
    let applied: Vec<(i64, String)> = rows.map_err(failed)?.into_iter().map(|row| (row.get(0), row.get(1))).collect();
    for migration in migrate::pending(migrate::POSTGRES, &applied)? {
        let step = session.client.transaction().await.map_err(failed)?;
        step.batch_execute(migration.sql).await.map_err(failed)?;
        let record = "INSERT INTO migrations VALUES ($1, $2)";
        step.execute(record, &[&migration.version, &migration.digest()]).await.map_err(failed)?;
        step.commit().await.map_err(failed)?;
    }
    Ok(())
}

/// The highest number of each table.
async fn highest(session: &Session) -> Result<Vec<i64>, tokio_postgres::Error> {
    let mut highest = Vec::with_capacity(schema::ALL.len());
    for table in schema::ALL {
        let sql = format!("SELECT coalesce(max(seq), 0) FROM \"{}\"", table.name);
        highest.push(session.client.query_one(&sql, &[]).await?.get(0));
    }
    Ok(highest)
}

fn unavailable(error: &tokio_postgres::Error) -> Error {
    Error::Unavailable(describe(error))
}

/// An error with what the server said; its own text says only that there was one.
fn describe(error: &tokio_postgres::Error) -> String {
    match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(server), _) => match server.detail() {
            Some(detail) => format!("{}: {detail} ({})", server.message(), server.code().code()),
            None => format!("{} ({})", server.message(), server.code().code()),
        },
        (None, Some(cause)) => format!("{error}: {cause}"),
        (None, None) => error.to_string(),
    }
}
