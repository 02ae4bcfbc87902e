//! Everything that feeds a hash, against what FireFly itself computed and recorded.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod abi;
mod cid;
mod door;
mod go;
mod ledger;
mod properties;
mod records;
mod vectors;

use std::{fs, path::PathBuf};

use serde_json::Value;

/// Reads a file of `testdata`.
fn file(name: &str) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The cases of a file of vectors.
fn cases(name: &str) -> Vec<Value> {
    let cases = file(&format!("vectors/{name}.json"))["cases"].as_array().unwrap().clone();
    assert!(!cases.is_empty());
    cases
}

/// A member of a case that must be text.
fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} in {value}"))
}

/// The code at the beginning of an expected error.
fn code<'a>(case: &'a Value, key: &str) -> Option<&'a str> {
    case.get(key).map(|error| error.as_str().unwrap().split(':').next().unwrap())
}
