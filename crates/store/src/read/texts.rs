//! Listings as text: what records look like to clients, kept in memory from the last time that they were shown.
//!
//! A text is found by the place of its row and is good for the very values of the row it was made of, of which a digest is kept
//! with it. Every listing reads the rows, digests them, and makes the text of those alone whose digest is another. So nobody has to
//! say that a row has changed, and whoever changes one, and however, is shown as it is: there is nothing to go stale.

use std::{
    fmt,
    hash::{BuildHasher, Hash, Hasher},
    sync::Arc,
};

use foldhash::quality::{FoldHasher, RandomState};
use photinus_model::json;
use photinus_query::Query;
use quick_cache::{Weighter, sync::Cache};
use serde::Serialize;

use super::{Page, Read, SMALL_PAGE, Sql, cost, page};
use crate::{
    error::Error,
    rows::{self, Stored},
    schema::Table,
    value::Row,
};

/// Bytes of an entry beside its text, roughly.
const ENTRY: usize = 128;

/// Bytes of a text and its entry, usually.
const USUAL: u64 = 1024;

/// JSON texts of records of any kind and namespace, in bounded memory. Clones are handles of the same one.
#[derive(Clone)]
pub struct Texts {
    inner: Arc<Inner>,
}

struct Inner {
    cache: Cache<Place, Text, Weight>,
    /// Seeded by chance: nobody outside can make two rows with one digest.
    digests: RandomState,
}

/// The digest of table and namespace, and the number of the row.
type Place = (u64, i64);

#[derive(Clone)]
struct Text {
    /// The digest of the row.
    row: u64,
    json: Arc<[u8]>,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Place, Text> for Weight {
    fn weight(&self, _: &Place, text: &Text) -> u64 {
        (text.json.len() + ENTRY) as u64
    }
}

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Texts").field("kept", &self.inner.cache.len()).finish_non_exhaustive()
    }
}

impl Texts {
    /// Keeps so many bytes.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        let items = usize::try_from(bytes / USUAL).unwrap_or(usize::MAX);
        let cache = Cache::with_weighter(items, bytes, Weight);
        Self { inner: Arc::new(Inner { cache, digests: RandomState::default() }) }
    }

    /// Bytes that are kept, roughly.
    #[must_use]
    pub fn kept(&self) -> u64 {
        self.inner.cache.weight()
    }

    fn sieve(&self, table: &'static Table, namespace: &str) -> Sieve {
        let place = self.inner.digests.hash_one((table.name, namespace));
        Sieve { texts: self.clone(), place, columns: table.columns.len() }
    }
}

/// What a listing tells the rows apart with whose text is known.
#[derive(Clone)]
pub(crate) struct Sieve {
    texts: Texts,
    /// The digest of table and namespace.
    place: u64,
    /// Columns of the table, which come first in a row.
    pub(crate) columns: usize,
}

/// A row of a listing.
pub(crate) enum Sifted {
    /// Its text is known.
    Text(Arc<[u8]>),
    /// The row, its number and its digest.
    Row(Row, i64, u64),
}

impl Sieve {
    pub(crate) fn digest(&self) -> Digest {
        Digest(self.texts.inner.digests.build_hasher())
    }

    /// The text of a row with this number and digest, or the row itself.
    pub(crate) fn sift<E>(&self, seq: i64, digest: Digest, row: impl FnOnce() -> Result<Row, E>) -> Result<Sifted, E> {
        let digest = digest.0.finish();
        match self.texts.inner.cache.get(&(self.place, seq)) {
            Some(text) if text.row == digest => Ok(Sifted::Text(text.json)),
            _ => Ok(Sifted::Row(row()?, seq, digest)),
        }
    }

    fn keep(&self, seq: i64, row: u64, json: &Arc<[u8]>) {
        self.texts.inner.cache.insert((self.place, seq), Text { row, json: Arc::clone(json) });
    }
}

/// The digest of the values of a row. Each is told from its neighbours by its kind and length.
pub(crate) struct Digest(FoldHasher<'static>);

impl Digest {
    pub(crate) fn nothing(&mut self) {
        0_u8.hash(&mut self.0);
    }

    pub(crate) fn number(&mut self, number: i64) {
        1_u8.hash(&mut self.0);
        number.hash(&mut self.0);
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        2_u8.hash(&mut self.0);
        bytes.hash(&mut self.0);
    }
}

impl Read<'_> {
    /// Answers a query as [`Read::find`] does, with the JSON text of each record in its place. Large pages are made anew each time.
    ///
    /// # Errors
    /// See [`Read::find`].
    pub async fn texts<T: Stored + Serialize>(&self, query: &Query, texts: &Texts) -> Result<Page<Arc<[u8]>>, Error> {
        let Some(ns) = self.ns() else { return Ok(Page::empty(query)) };
        let wants = page::Wants { table: T::TABLE, ns, query, condition: |_: &mut Sql, _| () };
        let sql = wants.page(self.readers.dialect())?;
        let small = query.limit.is_some_and(|limit| limit <= SMALL_PAGE);
        let items = if small {
            let sieve = texts.sieve(T::TABLE, self.namespace);
            let rows = self.readers.sift(sql, cost(query), sieve.clone()).await?;
            let text = |sifted| match sifted {
                Sifted::Text(json) => Ok(json),
                Sifted::Row(row, seq, digest) => {
                    let json = self.text::<T>(row)?;
                    sieve.keep(seq, digest, &json);
                    Ok(json)
                }
            };
            rows.into_iter().map(text).collect::<Result<_, Error>>()?
        } else {
            let rows = self.readers.select(sql, cost(query)).await?;
            rows.into_iter().map(|row| self.text::<T>(row)).collect::<Result<_, _>>()?
        };
        Ok(Page { items, total: self.total(&wants).await? })
    }

    fn text<T: Stored + Serialize>(&self, row: Row) -> Result<Arc<[u8]>, Error> {
        let record: T = rows::record(self.namespace, row)?;
        let json = json::to_bytes_of(&record, USUAL as usize);
        json.map(Arc::from).map_err(|error| Error::Corrupt { table: T::TABLE.name, reason: error.to_string() })
    }
}
