//! Records as rows and back, one module per family of collections.

mod event;
mod identity;
mod message;
mod operation;

use crate::{
    error::Error,
    schema::Table,
    value::{Cursor, Row, Value},
};

/// A record that is kept as one row. Implemented here alone; [`crate::Read::find`] takes any.
#[expect(private_bounds, reason = "the trait is sealed: how a row looks is no business of others")]
pub trait Stored: sealed::Row {}

impl<T: sealed::Row> Stored for T {}

pub(crate) mod sealed {
    use super::{Cursor, Error, Table, Value};

    /// How a record becomes a row.
    pub(crate) trait Row: Sized + Send + 'static {
        /// The table.
        const TABLE: &'static Table;

        /// The values behind `ns` and `seq`, in the order of the columns.
        fn values(&self) -> Vec<Value>;

        /// The record from the values behind `ns`.
        fn read(namespace: &str, row: &mut Cursor) -> Result<Self, Error>;
    }
}

/// The whole row of a record.
pub(crate) fn row<T: sealed::Row>(ns: i64, seq: i64, record: &T) -> Row {
    let mut row = Vec::with_capacity(T::TABLE.columns.len());
    row.extend([ns.into(), seq.into()]);
    row.append(&mut record.values());
    debug_assert_eq!(row.len(), T::TABLE.columns.len(), "{}", T::TABLE.name);
    row
}

/// The record of a whole row.
pub(crate) fn record<T: sealed::Row>(namespace: &str, row: Row) -> Result<T, Error> {
    let mut cursor = Cursor::new(T::TABLE, row);
    cursor.skip()?;
    T::read(namespace, &mut cursor)
}

/// A part of a record as JSON text.
#[expect(clippy::expect_used, reason = "parts of records have text keys and serialisers that only write")]
fn json<T: serde::Serialize>(part: &T) -> Value {
    let text = serde_json::to_string(part).expect("parts of records serialise");
    Value::from(text.as_str())
}
