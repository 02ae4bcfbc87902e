//! Settings as the text of a configuration file, for the commands that write one.

use saphyr::{Mapping, Scalar, Yaml, YamlEmitter};
use serde_json::Value as Json;

/// Writes settings, given as JSON, as YAML. Texts that another reader could take for something else are quoted.
#[must_use]
pub fn to_yaml(settings: &Json) -> String {
    let mut text = String::new();
    let written = YamlEmitter::new(&mut text).dump(&yaml(settings));
    debug_assert!(written.is_ok(), "writing into a string does not fail");
    text.push('\n');
    text
}

fn yaml(json: &Json) -> Yaml<'_> {
    match json {
        Json::Null => Yaml::Value(Scalar::Null),
        Json::Bool(flag) => Yaml::Value(Scalar::Boolean(*flag)),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => Yaml::Value(Scalar::Integer(integer)),
            None => Yaml::Value(Scalar::String(number.to_string().into())),
        },
        Json::String(text) => Yaml::Value(Scalar::String(text.as_str().into())),
        Json::Array(items) => Yaml::Sequence(items.iter().map(yaml).collect()),
        Json::Object(fields) => {
            let mut mapping = Mapping::new();
            for (key, value) in fields {
                mapping.insert(Yaml::Value(Scalar::String(key.as_str().into())), yaml(value));
            }
            Yaml::Mapping(mapping)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::document;
    use super::to_yaml;

    #[test]
    fn what_is_written_is_read_back() {
        let settings = serde_json::json!({
            "http": {"port": 5000, "address": "127.0.0.1"},
            "plugins": {"blockchain": [{"name": "b", "key": "0x00ab", "flag": true, "text": "true", "number": "12", "path": "C:\\a: b # c"}]},
            "empty": [],
            "text": "two\nlines",
        });
        let text = to_yaml(&settings);
        assert_eq!(document::parse(&text).unwrap().to_json(), settings, "{text}");
    }
}
