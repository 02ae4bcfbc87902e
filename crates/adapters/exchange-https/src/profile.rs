//! Node profiles: what a node publishes of itself with its identity, as `{id, endpoint, cert}`.

use photinus_ports::exchange;
use serde_json::{Map, Value};

use crate::{
    certificate::{Bundle, Identity, subject},
    endpoint::Endpoint,
};

/// The longest profile id.
const MAX_ID: usize = 256;

/// A profile that was read and agrees with itself.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    /// Base id: what the certificate carries.
    pub(crate) base: String,
    /// The node's name behind that base id, when the profile's id has one.
    pub(crate) destination: Option<String>,
    pub(crate) endpoint: Endpoint,
    pub(crate) bundle: Bundle,
}

impl Profile {
    /// Reads a profile that somebody else published. Keys that are unknown are left alone.
    pub(crate) fn parse(profile: &Map<String, Value>) -> Result<Self, exchange::Error> {
        let wrong = |reason: String| exchange::Error::InvalidProfile(reason);
        let field = |name: &str| match profile.get(name) {
            Some(Value::String(text)) if !text.is_empty() => Ok(text.as_str()),
            _ => Err(wrong(format!("'{name}' is missing or not a text"))),
        };
        let id = field("id")?;
        if id.len() > MAX_ID {
            return Err(wrong(format!("'id' is longer than {MAX_ID} bytes")));
        }
        let (base, destination) = match id.split_once('/') {
            Some((base, destination)) => (base, Some(destination)),
            None => (id, None),
        };
        if !subject::is_peer_id(base) || destination.is_some_and(|d| !photinus_model::name::is_valid(d)) {
            return Err(wrong("'id' is not of the form base or base/destination".to_owned()));
        }
        let endpoint = field("endpoint")?.parse::<Endpoint>().map_err(|e| wrong(e.to_string()))?;
        let bundle = Bundle::parse(field("cert")?).map_err(|e| wrong(e.to_string()))?;
        if !bundle.carries(base) {
            return Err(wrong(format!("no certificate of the profile carries the id '{base}'")));
        }
        Ok(Self { base: base.to_owned(), destination: destination.map(str::to_owned), endpoint, bundle })
    }
}

/// What this node publishes.
pub(crate) fn own(identity: &Identity, endpoint: &Endpoint) -> Map<String, Value> {
    [("id", identity.id().to_owned()), ("endpoint", endpoint.to_string()), ("cert", identity.published().to_owned())]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), Value::String(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(value: &Value) -> Result<Profile, String> {
        Profile::parse(value.as_object().unwrap()).map_err(|e| e.to_string())
    }

    #[test]
    fn accepts_its_own_and_names_what_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let identity = Identity::load_or_create(dir.path(), "org_a", "localhost").unwrap();
        let mine = Value::Object(own(&identity, &"https://localhost:3001".parse().unwrap()));
        let read = parse(&mine).unwrap();
        assert_eq!((read.base.as_str(), read.destination), ("org_a", None));

        let with = |key: &str, value: Value| {
            let mut changed = mine.clone();
            changed[key] = value;
            parse(&changed)
        };
        let named = with("id", json!("org_a/node_1")).unwrap();
        assert_eq!(named.destination.as_deref(), Some("node_1"));
        assert!(with("photinus", json!({"dx": 2})).is_ok());
        for (key, value, reason) in [
            ("id", json!(null), "'id' is missing"),
            ("id", json!("org_b/node_1"), "carries the id 'org_b'"),
            ("id", json!("../../etc"), "not of the form"),
            ("id", json!("org_a/../x"), "not of the form"),
            ("id", json!("x".repeat(300)), "longer than"),
            ("endpoint", json!("http://localhost"), "https://"),
            ("endpoint", json!(7), "'endpoint' is missing"),
            ("cert", json!("nonsense"), "no certificate"),
        ] {
            let error = with(key, value).unwrap_err();
            assert!(error.contains(reason), "{error} should contain {reason}");
        }
    }
}
