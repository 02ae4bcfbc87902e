//! Publishing a datatype.

use std::time::Duration;

use photinus_model::{JsonText, data::Validator, datatype::Datatype, definition, name, tag};
use serde::Deserialize;

use super::Error;
use crate::{Namespace, data, identity::signer, messaging};

/// A datatype that is to be published.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Input {
    /// Name.
    #[serde(default)]
    pub name: Option<String>,
    /// Version, an opaque name.
    #[serde(default)]
    pub version: Option<String>,
    /// Kind of schema; only `json` exists.
    #[serde(default)]
    pub validator: Option<Validator>,
    /// The JSON schema.
    #[serde(default)]
    pub value: Option<JsonText>,
}

impl Namespace {
    /// Publishes a datatype. Returns it as it was sent; with `wait`, as it is once confirmed.
    ///
    /// # Errors
    /// When a field or the schema is wrong, the name and version are known here already, or it is rejected or not confirmed
    /// in time.
    pub async fn publish_datatype(&self, input: Input, wait: Option<Duration>) -> Result<Datatype, crate::Error> {
        let core = self.core();
        let mut datatype = check(input, core.options.limits.schema_size)?;
        let read = core.store.read(core.name());
        if read.datatype(&datatype.name, &datatype.version).await?.is_some() {
            return Err(Error::Exists { name: datatype.name, version: datatype.version }.into());
        }
        datatype.id = Some(core.ports.ids.next());
        datatype.created = Some(core.ports.clock.now());
        let signer = signer::resolve(core, "", "").await.map_err(messaging::Error::Author)?;
        let (payload, topic) = (definition::datatype_value(&datatype), definition::datatype_topic(&datatype.name));
        let outgoing = super::outgoing(core, payload, tag::DEFINE_DATATYPE, topic, signer)?;
        let message = self.send_one(outgoing, wait).await?;
        if wait.is_some()
            && let Some(confirmed) = read.datatype(&datatype.name, &datatype.version).await?
        {
            return Ok(confirmed);
        }
        datatype.message = Some(message.header.id);
        core.name().clone_into(&mut datatype.namespace);
        Ok(datatype)
    }
}

/// A datatype without id and time, once its fields are known to be right.
fn check(input: Input, limit: usize) -> Result<Datatype, Error> {
    let (name, version) = (input.name.unwrap_or_default(), input.version.unwrap_or_default());
    match input.validator {
        None | Some(Validator::Unset | Validator::Json) => {}
        Some(other) => return Err(Error::Validator(other.as_str().to_owned())),
    }
    name::check_no_uuid(&name, "name")?;
    name::check(&version, "version")?;
    let value = input.value.filter(|value| !value.is_null()).ok_or(Error::Missing("value"))?;
    if value.as_str().len() > limit {
        return Err(Error::TooLarge(limit));
    }
    data::schema::Schema::compile(value.as_str()).map_err(data::Error::Schema)?;
    Ok(Datatype {
        id: None,
        message: None,
        validator: Validator::Json,
        namespace: String::new(),
        name,
        version,
        hash: Some(value.hash()),
        created: None,
        value: Some(value),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn code(input: &str) -> Option<&'static str> {
        check(serde_json::from_str(input).unwrap(), 100).err().map(|error| error.code())
    }

    #[test]
    fn fields_are_checked() {
        assert_eq!(code(r#"{"name":"widget","version":"1","value":{"type":"object"},"unknown":1}"#), None);
        assert_eq!(code(r#"{"name":"widget","version":"1","validator":null,"value":true}"#), None);
        assert_eq!(code(r#"{"version":"1","value":{}}"#), Some("FF00140"));
        assert_eq!(
            code(r#"{"name":"1c0abf75-0f3a-40e4-a8cd-5ff926f80aa8","version":"1","value":{}}"#),
            Some("FF00141")
        );
        assert_eq!(code(r#"{"name":"widget","version":"bad version","value":{}}"#), Some("FF00140"));
        assert_eq!(code(r#"{"name":"widget","version":"1","validator":"none","value":{}}"#), Some("FF00111"));
        assert_eq!(code(r#"{"name":"widget","version":"1"}"#), Some("FF00112"));
        assert_eq!(code(r#"{"name":"widget","version":"1","value":null}"#), Some("FF00112"));
        assert_eq!(code(r#"{"name":"widget","version":"1","value":{"type":"nonsense"}}"#), Some("FF10196"));
        let long = format!(r#"{{"name":"widget","version":"1","value":{{"title":"{}"}}}}"#, "x".repeat(100));
        assert_eq!(code(&long), Some("FF00135"));
    }
}
