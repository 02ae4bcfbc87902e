//! Values and columns of values on their way to the server and back.

use bytes::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::{
    schema::Kind,
    value::{Row, Value},
};

type Failure = Box<dyn std::error::Error + Sync + Send>;

/// The name of a kind's type in casts.
pub(super) fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Int => "bigint",
        Kind::Bool => "boolean",
        Kind::Text => "text",
        Kind::Uuid => "uuid",
        Kind::Hash | Kind::Bytes => "bytea",
    }
}

/// The type that a value is sent as.
pub(super) fn type_of(value: &Value) -> Type {
    match value {
        Value::Int(_) => Type::INT8,
        Value::Bool(_) => Type::BOOL,
        Value::Text(_) | Value::Null => Type::TEXT,
        Value::Uuid(_) => Type::UUID,
        Value::Hash(_) | Value::Bytes(_) => Type::BYTEA,
    }
}

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(value) => value.to_sql(ty, out),
            Self::Bool(value) => value.to_sql(ty, out),
            Self::Text(text) => text.to_sql(ty, out),
            Self::Uuid(id) => id.to_sql(ty, out),
            Self::Hash(hash) => hash.as_bytes().as_slice().to_sql(ty, out),
            Self::Bytes(bytes) => bytes.to_sql(ty, out),
        }
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::INT8 | Type::BOOL | Type::TEXT | Type::UUID | Type::BYTEA)
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Value {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Failure> {
        Ok(match *ty {
            Type::INT8 => Self::Int(i64::from_sql(ty, raw)?),
            Type::BOOL => Self::Bool(bool::from_sql(ty, raw)?),
            Type::UUID => Self::Uuid(FromSql::from_sql(ty, raw)?),
            Type::BYTEA => Self::Bytes(raw.to_vec()),
            _ => Self::Text(String::from_sql(ty, raw)?),
        })
    }

    fn from_sql_null(_: &Type) -> Result<Self, Failure> {
        Ok(Self::Null)
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::INT8 | Type::BOOL | Type::TEXT | Type::UUID | Type::BYTEA)
    }
}

/// The bytes of a value as they came.
pub(super) struct Raw<'a>(pub(super) &'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Failure> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// One column of several rows, as an array.
#[derive(Debug)]
pub(super) enum Column<'a> {
    Int(Vec<Option<i64>>),
    Bool(Vec<Option<bool>>),
    Text(Vec<Option<&'a str>>),
    Uuid(Vec<Option<uuid::Uuid>>),
    Bytes(Vec<Option<&'a [u8]>>),
}

impl<'a> Column<'a> {
    /// The values of a column of this kind. A value of another kind would be a fault of this crate and is sent as null,
    /// which the column refuses.
    pub(super) fn new(kind: Kind, values: impl Iterator<Item = &'a Value>) -> Self {
        match kind {
            Kind::Int => Self::Int(values.map(|v| if let Value::Int(v) = v { Some(*v) } else { None }).collect()),
            Kind::Bool => Self::Bool(values.map(|v| if let Value::Bool(v) = v { Some(*v) } else { None }).collect()),
            Kind::Text => {
                Self::Text(values.map(|v| if let Value::Text(v) = v { Some(v.as_str()) } else { None }).collect())
            }
            Kind::Uuid => Self::Uuid(values.map(|v| if let Value::Uuid(v) = v { Some(*v) } else { None }).collect()),
            Kind::Hash | Kind::Bytes => Self::Bytes(
                values
                    .map(|value| match value {
                        Value::Hash(hash) => Some(hash.as_bytes().as_slice()),
                        Value::Bytes(bytes) => Some(bytes.as_slice()),
                        _ => None,
                    })
                    .collect(),
            ),
        }
    }

    /// The columns at some positions of rows.
    pub(super) fn all(kinds: &[Kind], rows: &[&'a Row]) -> Vec<Self> {
        let column = |(index, kind): (usize, &Kind)| Self::new(*kind, rows.iter().map(move |row| &row[index]));
        kinds.iter().enumerate().map(column).collect()
    }
}

impl ToSql for Column<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
        match self {
            Self::Int(values) => values.to_sql(ty, out),
            Self::Bool(values) => values.to_sql(ty, out),
            Self::Text(values) => values.to_sql(ty, out),
            Self::Uuid(values) => values.to_sql(ty, out),
            Self::Bytes(values) => values.to_sql(ty, out),
        }
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::INT8_ARRAY | Type::BOOL_ARRAY | Type::TEXT_ARRAY | Type::UUID_ARRAY | Type::BYTEA_ARRAY)
    }

    to_sql_checked!();
}
