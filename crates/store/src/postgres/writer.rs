//! The connection that writes: what a group needs goes to the server in one go, and comes back in one go.

use std::{
    collections::{BTreeMap, HashMap},
    future::Future,
    pin::Pin,
    task::Poll,
    time::Duration,
};

use tokio_postgres::{Client, Statement, types::ToSql};

use super::{
    describe,
    encode::{Column, type_name},
    session::Session,
    target::Target,
};
use crate::{
    lane::{Backend, Failure},
    options,
    plan::{Facts, Find, Update, Want, Wants, Writes},
    schema::{Kind, Table},
    value::{Row, Value},
};

/// The backend of the lane.
pub(crate) struct Writer {
    target: Target,
    /// How long a broken connection is tried again.
    reconnect: Duration,
    /// Absent after the connection broke.
    session: Option<Session>,
    /// The number of the last group that was tried.
    last: i64,
}

/// A statement and what it is executed with.
struct Prepared<'a> {
    statement: Statement,
    params: Vec<Box<dyn ToSql + Sync + Send + 'a>>,
}

/// A statement that is to be prepared, and what it is executed with.
struct Work<'a> {
    sql: String,
    params: Vec<Box<dyn ToSql + Sync + Send + 'a>>,
}

/// A statement that was sent.
type Sent<'a> = Pin<Box<dyn Future<Output = Result<u64, tokio_postgres::Error>> + Send + 'a>>;

impl Writer {
    pub(super) fn new(target: Target, reconnect: Duration, session: Session, last: i64) -> Self {
        Self { target, reconnect, session: Some(session), last }
    }

    /// The session, a new one if the last one broke.
    async fn session(&mut self) -> Result<&mut Session, Failure> {
        let broken = self.session.as_ref().is_none_or(|session| session.client.is_closed());
        if broken {
            self.session = None;
            let (session, _) = Session::reopen(&self.target, self.reconnect).await.map_err(|error| gone(&error))?;
            self.session = Some(session);
        }
        self.session.as_mut().ok_or_else(|| Failure::Unavailable("no connection".to_owned()))
    }

    /// After a connection broke: whether the group was committed. Asked on a new connection, which exists only when the
    /// old one is dead on the server too.
    async fn was_committed(&mut self, group: i64, error: &tokio_postgres::Error) -> Result<(), Failure> {
        self.session = None;
        let opened = Session::reopen(&self.target, self.reconnect).await;
        let (session, last) = opened.map_err(|then| Failure::Unknown(format!("{}; then: {then}", describe(error))))?;
        self.session = Some(session);
        if last == group { Ok(()) } else { Err(Failure::Unavailable(describe(error))) }
    }
}

fn gone(error: &options::Error) -> Failure {
    Failure::Unavailable(error.to_string())
}

/// What an answer of the server means; `None` when the connection may have ended with it.
fn refused(error: &tokio_postgres::Error) -> Option<Failure> {
    let class = error.code()?.code().get(..2).unwrap_or_default();
    match class {
        // Faults of the connection or the server, intervention of an operator.
        "08" | "57" | "58" | "XX" => None,
        // Lack of resources, or something that is in the way for now.
        "25" | "40" | "53" | "55" => Some(Failure::Unavailable(describe(error))),
        _ => Some(Failure::Refused(describe(error))),
    }
}

/// Why a transaction was not done.
enum Broken {
    /// A statement could not be put into words for the server. The transaction is open, and nothing was committed.
    Unsent(tokio_postgres::Error),
    /// The server's answer, or none.
    Answer(tokio_postgres::Error),
}

impl From<tokio_postgres::Error> for Broken {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Answer(error)
    }
}

/// Sends all statements before it waits for the first answer. A statement that cannot be sent ends this before any later
/// one, such as the commit, is sent.
async fn pipeline(client: &Client, statements: &[Prepared<'_>]) -> Result<(), Broken> {
    let mut sent: Vec<Sent<'_>> = Vec::with_capacity(statements.len());
    for prepared in statements {
        let params = prepared.params.iter().map(|param| &**param as &(dyn ToSql + Sync)).collect::<Vec<_>>();
        let mut execution: Sent<'_> = Box::pin(async move { client.execute(&prepared.statement, &params).await });
        match futures::poll!(execution.as_mut()) {
            Poll::Ready(Err(error)) if !client.is_closed() => return Err(Broken::Unsent(error)),
            Poll::Ready(result) => result.map(|_| ())?,
            Poll::Pending => sent.push(execution),
        }
    }
    // The first error is the cause; those behind it only say that the transaction is broken.
    for execution in sent {
        execution.await?;
    }
    Ok(())
}

fn boxed<'a>(
    params: impl IntoIterator<Item = impl ToSql + Sync + Send + 'a>,
) -> Vec<Box<dyn ToSql + Sync + Send + 'a>> {
    params.into_iter().map(|param| Box::new(param) as _).collect()
}

fn kinds(table: &Table) -> Vec<Kind> {
    table.columns.iter().map(|column| column.kind).collect()
}

/// `$1::type, $2::type, …`, or the same as arrays.
fn marks(kinds: &[Kind], suffix: &str) -> String {
    let mark = |(index, kind): (usize, &Kind)| format!("${index}::{}{suffix}", type_name(*kind));
    (1..).zip(kinds).map(mark).collect::<Vec<_>>().join(", ")
}

/// One row is cheaper as parameters, several are cheaper as arrays.
fn insert<'a>(table: &Table, rows: &[&'a Row]) -> Work<'a> {
    let kinds = kinds(table);
    match rows {
        [row] => Work {
            sql: format!("INSERT INTO \"{}\" VALUES ({})", table.name, marks(&kinds, "")),
            params: boxed(row.iter()),
        },
        _ => Work {
            sql: format!("INSERT INTO \"{}\" SELECT * FROM UNNEST({})", table.name, marks(&kinds, "[]")),
            params: boxed(Column::all(&kinds, rows)),
        },
    }
}

fn update(update: &Update) -> Work<'_> {
    let columns: Vec<_> = update.columns.iter().map(|column| &update.table.columns[*column]).collect();
    let mut kinds = vec![Kind::Int, Kind::Int];
    kinds.extend(columns.iter().map(|column| column.kind));
    let table = update.table.name;
    let set = |(index, column): (usize, &&crate::schema::Column)| format!("\"{}\" = u.c{index}", column.name);
    let sets = columns.iter().enumerate().map(set).collect::<Vec<_>>().join(", ");
    let names = (0..columns.len()).map(|index| format!(", c{index}")).collect::<String>();
    let (source, params) = match update.rows.as_slice() {
        [row] => (format!("(VALUES ({}))", marks(&kinds, "")), boxed(row.iter())),
        rows => {
            let rows: Vec<&Row> = rows.iter().collect();
            (format!("UNNEST({})", marks(&kinds, "[]")), boxed(Column::all(&kinds, &rows)))
        }
    };
    let sql = format!(
        "UPDATE \"{table}\" t SET {sets} FROM {source} AS u(ns, seq{names}) WHERE t.ns = u.ns AND t.seq = u.seq"
    );
    Work { sql, params }
}

fn deletes(writes: &Writes) -> Vec<Work<'static>> {
    let mut tables: BTreeMap<&str, (Vec<i64>, Vec<i64>)> = BTreeMap::new();
    for (table, ns, seq) in writes.deletes() {
        let (namespaces, numbers) = tables.entry(table.name).or_default();
        namespaces.push(ns);
        numbers.push(seq);
    }
    let delete = |(table, (namespaces, numbers)): (&str, (Vec<i64>, Vec<i64>))| Work {
        sql: format!(
            "DELETE FROM \"{table}\" t USING UNNEST($1::bigint[], $2::bigint[]) AS d(ns, seq) \
             WHERE t.ns = d.ns AND t.seq = d.seq"
        ),
        params: boxed([namespaces, numbers]),
    };
    tables.into_iter().map(delete).collect()
}

fn entries(writes: &Writes) -> Vec<Work<'_>> {
    let (mut put, mut remove) = (Entries::default(), Entries::default());
    for (ns, space, key, value) in writes.entries() {
        let to = if value.is_some() { &mut put } else { &mut remove };
        to.namespaces.push(ns);
        to.spaces.push(i64::from(space));
        to.keys.push(key);
        to.values.extend(value);
    }
    let mut work = Vec::new();
    if !put.keys.is_empty() {
        let mut params = boxed([put.namespaces, put.spaces]);
        params.extend(boxed([put.keys, put.values]));
        let sql = "INSERT INTO entries SELECT * FROM UNNEST($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[]) \
                   ON CONFLICT (ns, space, \"key\") DO UPDATE SET \"value\" = excluded.\"value\"";
        work.push(Work { sql: sql.to_owned(), params });
    }
    if !remove.keys.is_empty() {
        let mut params = boxed([remove.namespaces, remove.spaces]);
        params.extend(boxed([remove.keys]));
        let sql = "DELETE FROM entries e USING UNNEST($1::bigint[], $2::bigint[], $3::bytea[]) AS d(ns, space, \"key\") \
                   WHERE e.ns = d.ns AND e.space = d.space AND e.\"key\" = d.\"key\"";
        work.push(Work { sql: sql.to_owned(), params });
    }
    work
}

/// Entries of the key-value table, column by column.
#[derive(Default)]
struct Entries<'a> {
    namespaces: Vec<i64>,
    spaces: Vec<i64>,
    keys: Vec<&'a [u8]>,
    values: Vec<&'a [u8]>,
}

/// Look-ups of one kind.
fn find<'a>(finds: &[&'a Find]) -> Option<Work<'a>> {
    let lookup = finds.first()?.lookup;
    let key_kinds: Vec<Kind> = lookup
        .keys
        .iter()
        .filter_map(|key| lookup.table.position(key))
        .map(|position| lookup.table.columns[position].kind)
        .collect();
    let mut kinds = vec![Kind::Int];
    kinds.extend(&key_kinds);
    kinds.push(Kind::Int);
    let names: String = (0..key_kinds.len()).map(|index| format!(", k{index}")).collect();
    let joins: String =
        lookup.keys.iter().enumerate().map(|(index, key)| format!(" AND t.\"{key}\" = k.k{index}")).collect();
    let columns: String = lookup.columns.iter().map(|column| format!(", t.\"{column}\"")).collect();
    let sql = format!(
        "SELECT k.n{columns} FROM UNNEST({}) AS k(ns{names}, n) JOIN \"{}\" t ON t.ns = k.ns{joins} ORDER BY k.n, t.seq",
        marks(&kinds, "[]"),
        lookup.table.name,
    );
    let mut params: Vec<Box<dyn ToSql + Sync + Send + 'a>> = Vec::with_capacity(kinds.len());
    params.push(Box::new(finds.iter().map(|find| find.ns).collect::<Vec<i64>>()));
    for (index, kind) in key_kinds.iter().enumerate() {
        params.push(Box::new(Column::new(*kind, finds.iter().map(move |find| &find.key[index]))));
    }
    params.push(Box::new((0..).take(finds.len()).collect::<Vec<i64>>()));
    Some(Work { sql, params })
}

impl Session {
    /// Finds the rows of look-ups of one kind, by the position of the look-up.
    async fn find(&self, statement: &Statement, finds: &[&Find]) -> Result<Vec<(usize, Row)>, tokio_postgres::Error> {
        let Some(work) = find(finds) else { return Ok(Vec::new()) };
        let params: Vec<&(dyn ToSql + Sync)> = work.params.iter().map(|param| &**param as _).collect();
        let lookup = finds[0].lookup;
        let kinds: Vec<Kind> = lookup
            .columns
            .iter()
            .filter_map(|column| lookup.table.position(column))
            .map(|position| lookup.table.columns[position].kind)
            .collect();
        let rows = self.client.query(statement, &params).await?;
        let read = |row: tokio_postgres::Row| {
            let value = |(index, kind): (usize, &Kind)| Ok(row.try_get::<_, Value>(index)?.of_kind(*kind));
            let values = (1..).zip(&kinds).map(value).collect::<Result<Row, tokio_postgres::Error>>()?;
            Ok((usize::try_from(row.try_get::<_, i64>(0)?).unwrap_or(usize::MAX), values))
        };
        rows.into_iter().map(read).collect()
    }

    async fn load(&mut self, wants: Wants) -> Result<Facts, tokio_postgres::Error> {
        self.replan().await?;
        let mut facts = Facts::with_capacity_and_hasher(wants.len(), foldhash::fast::RandomState::default());
        let mut groups: BTreeMap<(&str, &[&str]), Vec<&Find>> = BTreeMap::new();
        let mut single = Vec::new();
        for want in &wants {
            match want {
                Want::Rows(find) => groups.entry((find.lookup.table.name, find.lookup.keys)).or_default().push(find),
                Want::Entry { ns, space, key } => single.push((want, *ns, i64::from(*space), key)),
            }
        }
        let mut prepared = Vec::with_capacity(groups.len());
        for finds in groups.values() {
            if let Some(work) = find(finds) {
                prepared.push((self.prepare(work.sql).await?, finds));
            }
        }
        let entry = "SELECT \"value\" FROM entries WHERE ns = $1 AND space = $2 AND \"key\" = $3";
        let entry = if single.is_empty() { None } else { Some(self.prepare(entry.to_owned()).await?) };
        let this = &*self;
        let found =
            futures::future::try_join_all(prepared.iter().map(|(statement, finds)| this.find(statement, finds)));
        for (rows, (_, finds)) in found.await?.into_iter().zip(&prepared) {
            for find in finds.iter() {
                facts.insert(Want::Rows((*find).clone()), Vec::new());
            }
            for (position, row) in rows {
                if let Some(rows) = finds.get(position).and_then(|find| facts.get_mut(&Want::Rows((*find).clone()))) {
                    rows.push(row);
                }
            }
        }
        if let Some(statement) = &entry {
            let read = async |(want, ns, space, key): &(&Want, i64, i64, &Vec<u8>)| {
                let rows = this.client.query(statement, &[ns, space, *key]).await?;
                let value = |row: &tokio_postgres::Row| Ok(vec![row.try_get(0)?]);
                let rows = rows.iter().map(value).collect::<Result<Vec<Row>, tokio_postgres::Error>>()?;
                Ok::<_, tokio_postgres::Error>(((*want).clone(), rows))
            };
            facts.extend(futures::future::try_join_all(single.iter().map(read)).await?);
        }
        Ok(facts)
    }

    async fn write(&mut self, writes: &Writes, group: i64) -> Result<(), Broken> {
        let updates = writes.updates();
        let mut work = vec![Work { sql: "BEGIN".to_owned(), params: Vec::new() }];
        work.extend(deletes(writes));
        work.extend(updates.iter().map(update));
        work.extend(writes.inserts().map(|(table, rows)| insert(table, &rows)));
        work.extend(entries(writes));
        work.push(Work { sql: "UPDATE lane SET last = $1 WHERE one = 1".to_owned(), params: boxed([group]) });
        work.push(Work { sql: "COMMIT".to_owned(), params: Vec::new() });
        let mut prepared = Vec::with_capacity(work.len());
        for Work { sql, params } in work {
            prepared.push(Prepared { statement: self.prepare(sql).await?, params });
        }
        pipeline(&self.client, &prepared).await
    }
}

impl Backend for Writer {
    async fn namespaces(&mut self) -> Result<HashMap<String, i64>, Failure> {
        let known = self.session().await?.namespaces().await;
        known.map_err(|error| Failure::Unavailable(describe(&error)))
    }

    async fn load(&mut self, wants: Wants) -> Result<Facts, Failure> {
        let facts = self.session().await?.load(wants).await;
        facts.map_err(|error| refused(&error).unwrap_or_else(|| Failure::Unavailable(describe(&error))))
    }

    async fn write(&mut self, writes: &Writes) -> Result<(), Failure> {
        self.last += 1;
        let group = self.last;
        match self.session().await?.write(writes, group).await {
            Ok(()) => Ok(()),
            Err(Broken::Unsent(error)) => {
                self.session = None;
                Err(Failure::Refused(describe(&error)))
            }
            Err(Broken::Answer(error)) => match refused(&error) {
                Some(failure) => Err(failure),
                None => self.was_committed(group, &error).await,
            },
        }
    }

    async fn close(self) {
        if let Some(session) = self.session {
            session.close().await;
        }
    }
}
