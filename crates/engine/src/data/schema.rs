//! JSON schemas of datatypes, as every member of a network must understand them.
//!
//! The verdict "valid or not" is shared by the members, so this follows the engine that FireFly uses where dialects differ:
//! 2020-12 unless `$schema` names another draft; formats are checked, except when `$schema` names 2019-09 or 2020-12 in so
//! many words; patterns are those of RE2; nothing is fetched from elsewhere; numbers of a value are IEEE doubles.
//!
//! Deliberately not here: which datatype a value has to satisfy, and where it comes from.

use std::{
    fmt,
    sync::{Arc, LazyLock},
};

use jsonschema::{Draft, PatternOptions, ValidationOptions, Validator};
use photinus_model::Hash;
use quick_cache::sync;
use serde_json::{Number, Value, json};

/// Largest integer up to which every integer is a double.
const EXACT: u64 = 1 << 53;

/// A schema that can be applied.
pub(crate) struct Schema(Validator);

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Schema")
    }
}

impl Schema {
    /// Reads a schema. `Err` says what is wrong with it.
    pub(crate) fn compile(text: &str) -> Result<Self, String> {
        let schema: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let (draft, formats) = match &schema {
            Value::Bool(_) => (Draft::Draft202012, true),
            Value::Object(members) => match members.get("$schema") {
                None => (Draft::Draft202012, true),
                Some(Value::String(uri)) => {
                    dialect(uri).ok_or_else(|| format!("'$schema' names the unknown dialect '{uri}'"))?
                }
                Some(_) => return Err("'$schema' must be a string".to_owned()),
            },
            _ => return Err("a schema is an object or a boolean".to_owned()),
        };
        let options = jsonschema::options()
            .offline()
            .with_draft(draft)
            .with_pattern_options(PatternOptions::regex())
            .should_validate_formats(formats);
        let options = if formats { with_formats(options, draft) } else { options };
        options.build(&schema).map(Self).map_err(|error| match error.schema_path().as_str() {
            "" => error.to_string(),
            path => format!("{error} at {path}"),
        })
    }

    /// Applies the schema to a value's text. `Err` says what does not fit, and where.
    pub(crate) fn check(&self, value: &str) -> Result<(), String> {
        let mut value: Value = serde_json::from_str(value).map_err(|error| error.to_string())?;
        as_doubles(&mut value);
        self.0.validate(&value).map_err(|error| match error.instance_path().as_str() {
            "" => error.to_string(),
            path => format!("{error} at {path}"),
        })
    }
}

/// The draft that a `$schema` names, and whether formats are checked under it.
fn dialect(uri: &str) -> Option<(Draft, bool)> {
    let uri = uri.trim_end_matches('#');
    let (_, path) = uri.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"))?;
    match path {
        "json-schema.org/schema" => Some((Draft::Draft202012, true)),
        "json-schema.org/draft/2020-12/schema" => Some((Draft::Draft202012, false)),
        "json-schema.org/draft/2019-09/schema" => Some((Draft::Draft201909, false)),
        "json-schema.org/draft-07/schema" => Some((Draft::Draft7, true)),
        "json-schema.org/draft-06/schema" => Some((Draft::Draft6, true)),
        "json-schema.org/draft-04/schema" => Some((Draft::Draft4, true)),
        _ => None,
    }
}

/// Adds the formats that the shared engine knows under every draft.
fn with_formats(options: ValidationOptions<'_>, draft: Draft) -> ValidationOptions<'_> {
    const EVERYWHERE: [&str; 15] = [
        "date-time",
        "date",
        "time",
        "duration",
        "hostname",
        "email",
        "ipv4",
        "ipv6",
        "uri",
        "iri",
        "uri-reference",
        "iri-reference",
        "uri-template",
        "json-pointer",
        "relative-json-pointer",
    ];
    let mut options = options
        .with_format("ip-address", |text: &str| fits("ipv4", text))
        .with_format("uriref", |text: &str| fits("uri-reference", text))
        .with_format("period", period)
        .with_format("regex", |text: &str| regex::Regex::new(text).is_ok());
    if draft != Draft::Draft202012 {
        for name in EVERYWHERE {
            options = options.with_format(name, move |text: &str| fits(name, text));
        }
        options = options.with_format("uuid", |text: &str| fits("uuid", text));
    }
    options
}

/// Whether a text is of a format that the newest draft defines.
fn fits(format: &str, text: &str) -> bool {
    static PROBES: LazyLock<sync::Cache<String, Arc<Validator>>> = LazyLock::new(|| sync::Cache::new(32));
    let probe = PROBES.get_or_insert_with(format, || {
        jsonschema::options()
            .offline()
            .with_draft(Draft::Draft202012)
            .with_pattern_options(PatternOptions::regex())
            .should_validate_formats(true)
            .build(&json!({ "format": format }))
            .map(Arc::new)
    });
    probe.is_ok_and(|probe| probe.is_valid(&Value::String(text.to_owned())))
}

/// ISO 8601: a start and an end, one of which may be a duration.
fn period(text: &str) -> bool {
    let Some((start, end)) = text.split_once('/') else { return false };
    if start.starts_with('P') {
        fits("duration", start) && fits("date-time", end)
    } else if end.starts_with('P') {
        fits("date-time", start) && fits("duration", end)
    } else {
        fits("date-time", start) && fits("date-time", end)
    }
}

/// Rounds integers that no double holds, as a reader that knows only doubles does.
fn as_doubles(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let magnitude = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
            if magnitude.is_some_and(|magnitude| magnitude > EXACT)
                && let Some(rounded) = number.as_f64().and_then(Number::from_f64)
            {
                *number = rounded;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(as_doubles),
        Value::Object(members) => members.values_mut().for_each(as_doubles),
        _ => {}
    }
}

/// Compiled schemas, by the hash of their text: an entry never goes stale.
pub(crate) struct Cache(sync::Cache<Hash, Arc<Schema>>);

impl Cache {
    /// A cache of at most this many schemas.
    pub(crate) fn new(entries: usize) -> Self {
        Self(sync::Cache::new(entries))
    }

    /// The compiled schema of a text whose hash is known.
    pub(crate) fn compile(&self, hash: &Hash, text: &str) -> Result<Arc<Schema>, String> {
        self.0.get_or_insert_with(hash, || Schema::compile(text).map(Arc::new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(schema: &str, value: &str) -> bool {
        Schema::compile(schema).unwrap().check(value).is_ok()
    }

    #[test]
    fn what_does_not_compile() {
        for schema in [
            "1",
            r#""text""#,
            r#"{"type":"nonsense"}"#,
            r#"{"$schema":"https://example.com/mine"}"#,
            r#"{"$schema":5}"#,
            r#"{"$ref":"https://example.com/other.json"}"#,
            r##"{"$ref":"#/definitions/missing"}"##,
            r#"{"items":[{"type":"string"}]}"#,
            r#"{"pattern":"(?=ahead)"}"#,
            r#"{"pattern":"(a)\\1"}"#,
        ] {
            assert!(Schema::compile(schema).is_err(), "{schema}");
        }
    }

    #[test]
    fn dialects() {
        assert!(check("true", "1") && !check("false", "1"));
        assert!(check(
            r#"{"$schema":"http://json-schema.org/draft-07/schema#","items":[{"type":"string"}]}"#,
            r#"["a"]"#
        ));
        assert!(check(r##"{"$ref":"#/definitions/a","definitions":{"a":{"type":"string"}}}"##, r#""a""#));
        assert!(!check(r#"{"dependencies":{"a":["b"]}}"#, r#"{"a":1}"#));
        assert!(check(r#"{"unknown":"keyword"}"#, "1"));
    }

    #[test]
    fn formats_are_checked_unless_a_new_draft_is_named() {
        for (format, good, bad) in [
            ("date-time", "2024-05-01T10:00:00Z", "yesterday"),
            ("date", "2024-05-01", "2024-13-01"),
            ("time", "10:00:00Z", "25:00"),
            ("duration", "P1D", "1 day"),
            ("period", "2024-05-01T10:00:00Z/P1D", "2024-05-01"),
            ("hostname", "example.com", "-"),
            ("email", "a@example.com", "nobody"),
            ("ip-address", "127.0.0.1", "::1"),
            ("ipv4", "127.0.0.1", "1.2.3"),
            ("ipv6", "::1", "127.0.0.1"),
            ("uri", "http://a/b", "a/b"),
            ("uriref", "a/b", "\\"),
            ("uri-reference", "a/b", "\\"),
            ("uuid", "1c0abf75-0f3a-40e4-a8cd-5ff926f80aa8", "1"),
            ("regex", "^a$", "("),
            ("json-pointer", "/a", "a"),
            ("relative-json-pointer", "0/a", "/a"),
        ] {
            let (good, bad) = (json!(good).to_string(), json!(bad).to_string());
            for draft in [
                "",
                r#""$schema":"http://json-schema.org/draft-04/schema#","#,
                r#""$schema":"http://json-schema.org/draft-07/schema#","#,
            ] {
                let schema = format!(r#"{{{draft}"format":"{format}"}}"#);
                assert!(check(&schema, &good) && !check(&schema, &bad), "{schema}");
            }
            let schema = format!(r#"{{"$schema":"https://json-schema.org/draft/2020-12/schema","format":"{format}"}}"#);
            assert!(check(&schema, &bad), "{schema}");
        }
    }

    #[test]
    fn numbers_are_doubles() {
        assert!(check(r#"{"maximum":9007199254740992}"#, "9007199254740993"));
        assert!(check(r#"{"type":"integer"}"#, "1.0") && check(r#"{"type":"integer"}"#, "1e2"));
        assert!(!check(r#"{"type":"integer"}"#, "1.5"));
    }

    #[test]
    fn the_reason_names_the_place() {
        let schema = Schema::compile(r#"{"properties":{"a":{"type":"string"}}}"#).unwrap();
        let reason = schema.check(r#"{"a":1}"#).unwrap_err();
        assert!(reason.contains("/a"), "{reason}");
    }
}
