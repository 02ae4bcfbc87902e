//! The connection that writes, and its claim on the database.

use std::{collections::HashMap, time::Duration};

use tokio::{task::JoinHandle, time};
use tokio_postgres::{Client, Statement};

use super::{target::Target, unavailable};
use crate::options::Error;

/// The advisory lock of the writer: "photinus" as a number. Locks of different databases are apart.
const LOCK: i64 = 0x7068_6f74_696e_7573;

/// Between two attempts to get the lock from a connection that is dying.
const RETRY: Duration = Duration::from_millis(50);

/// Forgets the plans of prepared statements, which are then made for the size that the tables have now.
///
/// A plan that is kept from when a table was almost empty uses any index that begins with the namespace, and reads all of
/// the namespace once it has filled; a plan for each execution costs more than most executions. So plans are kept, and
/// made again each time the work done has grown by half.
pub(super) const REPLAN: &str = "DISCARD PLANS";

/// Settings of connections whose statements find rows by keys that have an index. A plan made when a table was small must
/// not scan it once it is large, and one plan serves any keys.
pub(super) const KEYED: &str = "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; \
    SET jit = off; SET plan_cache_mode = force_generic_plan;";

/// Commits are flushed whatever the role's default is.
const FLUSHED: &str = "SELECT set_config('synchronous_commit', 'on', false) \
    WHERE current_setting('synchronous_commit') = 'off';";

/// A connection and its prepared statements.
pub(super) struct Session {
    pub(super) client: Client,
    connection: JoinHandle<()>,
    statements: HashMap<String, Statement>,
    age: Age,
}

/// How often a connection was used, to tell when its plans are old.
#[derive(Debug, Default)]
struct Age {
    uses: u64,
    /// The use before which plans are made again.
    next: u64,
}

impl Age {
    /// Counts one use; whether plans are to be made again.
    fn due(&mut self) -> bool {
        self.uses += 1;
        let due = self.uses > self.next;
        if due {
            self.next = self.uses + self.uses / 2;
        }
        due
    }
}

impl Session {
    /// Connects and claims the database.
    pub(super) async fn open(target: &Target) -> Result<Self, Error> {
        let (client, connection) = target.connect().await.map_err(|error| unavailable(&error))?;
        let session = Self { client, connection, statements: HashMap::new(), age: Age::default() };
        let failed = |error: tokio_postgres::Error| unavailable(&error);
        session.client.batch_execute(KEYED).await.map_err(failed)?;
        session.client.batch_execute(FLUSHED).await.map_err(failed)?;
        let claimed = session.client.query_one("SELECT pg_try_advisory_lock($1)", &[&LOCK]).await.map_err(failed)?;
        if claimed.get(0) {
            Ok(session)
        } else {
            Err(Error::InUse("another connection holds the lock of the writer".to_owned()))
        }
    }

    /// Connects again after the connection broke, and asks for the number of the last group that was committed. The claim
    /// is free when the server has seen that the old connection is dead.
    pub(super) async fn reopen(target: &Target, limit: Duration) -> Result<(Self, i64), Error> {
        let end = time::Instant::now() + limit;
        let open = async || {
            let session = Self::open(target).await?;
            let last = session.last_group().await.map_err(|error| unavailable(&error))?;
            Ok((session, last))
        };
        loop {
            let error = match time::timeout_at(end, open()).await {
                Ok(Ok(opened)) => return Ok(opened),
                Ok(Err(error)) => error,
                Err(_) => Error::Unavailable("the server does not answer".to_owned()),
            };
            if time::Instant::now() + RETRY >= end {
                return Err(error);
            }
            time::sleep(RETRY).await;
        }
    }

    /// A statement, prepared once. The texts are few: they do not depend on what is written.
    pub(super) async fn prepare(&mut self, sql: String) -> Result<Statement, tokio_postgres::Error> {
        if let Some(statement) = self.statements.get(&sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(&sql).await?;
        self.statements.insert(sql, statement.clone());
        Ok(statement)
    }

    /// Called once for each group, outside of a transaction.
    pub(super) async fn replan(&mut self) -> Result<(), tokio_postgres::Error> {
        if self.age.due() { self.client.batch_execute(REPLAN).await } else { Ok(()) }
    }

    pub(super) async fn namespaces(&self) -> Result<HashMap<String, i64>, tokio_postgres::Error> {
        let rows = self.client.query("SELECT name, ns FROM namespaces", &[]).await?;
        Ok(rows.into_iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    /// The number of the last group that was committed.
    pub(super) async fn last_group(&self) -> Result<i64, tokio_postgres::Error> {
        Ok(self.client.query_one("SELECT last FROM lane WHERE one = 1", &[]).await?.get(0))
    }

    /// Ends the connection; the claim is given back when the server has seen it.
    pub(super) async fn close(self) {
        let _unlocked = self.client.execute("SELECT pg_advisory_unlock($1)", &[&LOCK]).await;
        drop(self.client);
        // The task ends with its client; a panic in it has been reported.
        let _ended = self.connection.await;
    }
}

#[cfg(test)]
mod tests {
    use super::Age;

    #[test]
    fn plans_are_made_again_when_the_work_has_grown_by_half() {
        let mut age = Age::default();
        let due: Vec<u64> = (1..=100).filter(|_| age.due()).collect();
        assert_eq!(due, [1, 2, 4, 7, 11, 17, 26, 40, 61, 92]);
    }
}
