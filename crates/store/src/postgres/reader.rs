//! The connections that read.

use deadpool_postgres::{ClientWrapper, Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod};
use tokio_postgres::types::ToSql;

use super::{
    describe,
    encode::{Raw, type_of},
    session::{KEYED, REPLAN},
    target::Target,
};
use crate::{
    error::Error,
    options,
    read::{Cost, Sieve, Sifted, Sql},
    schema::SEQ,
    value::Row,
};

/// A few connections, each used by one query at a time.
#[derive(Debug)]
pub(crate) struct Readers {
    /// Of small queries, which are prepared.
    keyed: Pool,
    /// Of those that users make up.
    open: Pool,
}

impl Readers {
    pub(super) fn new(target: &Target, connections: usize) -> Result<Self, options::Error> {
        let pool = |connections: usize, keyed: bool| {
            let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
            let mut pool = Pool::builder(Manager::from_config(target.config.clone(), target.tls.clone(), recycling));
            if keyed {
                let settings = Hook::async_fn(|client: &mut ClientWrapper, _| Box::pin(execute(client, KEYED)));
                let replan = Hook::async_fn(|client: &mut ClientWrapper, metrics| {
                    let due = metrics.recycle_count.is_power_of_two();
                    Box::pin(async move { if due { execute(client, REPLAN).await } else { Ok(()) } })
                });
                pool = pool.post_create(settings).pre_recycle(replan);
            }
            let built = pool.max_size(connections.max(1)).build();
            built.map_err(|error| options::Error::Unsuitable(error.to_string()))
        };
        let keyed = pool(connections.div_ceil(2), true)?;
        // One connection is all that may be open: it serves both.
        let open = if connections < 2 { keyed.clone() } else { pool(connections / 2, false)? };
        Ok(Self { keyed, open })
    }

    /// Runs a query, in a task of its own: a caller that has its turn and does not look at it, because it waits for another query in the
    /// same task, would keep a connection from everybody, itself included.
    pub(crate) async fn select(&self, sql: Sql, cost: Cost) -> Result<Vec<Row>, Error> {
        self.query(sql, cost, |row| values(&row, row.len())).await
    }

    /// As [`Readers::select`], with the texts in place of the rows that have theirs.
    pub(crate) async fn sift(&self, sql: Sql, cost: Cost, sieve: Sieve) -> Result<Vec<Sifted>, Error> {
        self.query(sql, cost, move |row| sift(&row, &sieve)).await
    }

    async fn query<R: Send + 'static>(
        &self,
        sql: Sql,
        cost: Cost,
        read: impl Fn(tokio_postgres::Row) -> Result<R, tokio_postgres::Error> + Send + 'static,
    ) -> Result<Vec<R>, Error> {
        let pool = if cost == Cost::Small { self.keyed.clone() } else { self.open.clone() };
        let query = tokio::spawn(async move {
            let rows = select(&pool, &sql, cost).await?;
            rows.into_iter().map(read).collect::<Result<_, _>>().map_err(|error| failed(&error))
        });
        query.await.unwrap_or_else(|error| Err(Error::Unavailable(error.to_string())))
    }

    pub(crate) fn close(&self) {
        self.keyed.close();
        self.open.close();
    }
}

/// The texts of small queries are few and kept prepared; those of others depend on what users ask for.
async fn select(pool: &Pool, sql: &Sql, cost: Cost) -> Result<Vec<tokio_postgres::Row>, Error> {
    let client = pool.get().await.map_err(|error| match error {
        deadpool_postgres::PoolError::Closed => Error::Closed,
        deadpool_postgres::PoolError::Backend(error) => Error::Unavailable(describe(&error)),
        other => Error::Unavailable(other.to_string()),
    })?;
    let rows = match cost {
        Cost::Small => {
            let params: Vec<&(dyn ToSql + Sync)> = sql.params.iter().map(|value| value as _).collect();
            let statement = client.prepare_cached(&sql.text).await.map_err(|error| failed(&error))?;
            client.query(&statement, &params).await
        }
        Cost::Open => {
            let params: Vec<_> =
                sql.params.iter().map(|value| (value as &(dyn ToSql + Sync), type_of(value))).collect();
            client.query_typed(&sql.text, &params).await
        }
    };
    rows.map_err(|error| failed(&error))
}

/// The values of the first columns of a row.
fn values(row: &tokio_postgres::Row, columns: usize) -> Result<Row, tokio_postgres::Error> {
    (0..columns).map(|index| row.try_get(index)).collect()
}

fn sift(row: &tokio_postgres::Row, sieve: &Sieve) -> Result<Sifted, tokio_postgres::Error> {
    let mut digest = sieve.digest();
    for index in 0..sieve.columns {
        match row.try_get(index)? {
            Some(Raw(bytes)) => digest.bytes(bytes),
            None => digest.nothing(),
        }
    }
    sieve.sift(row.try_get(SEQ)?, digest, || values(row, sieve.columns))
}

async fn execute(client: &ClientWrapper, words: &str) -> Result<(), HookError> {
    client.batch_execute(words).await.map_err(HookError::Backend)
}

/// A query of this crate is well formed: only data exceptions are the query's own fault.
fn failed(error: &tokio_postgres::Error) -> Error {
    match error.code() {
        Some(code) if code.code().starts_with("22") => Error::Refused(describe(error)),
        _ => Error::Unavailable(describe(error)),
    }
}
