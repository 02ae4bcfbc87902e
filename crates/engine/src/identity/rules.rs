//! What an identity must look like before it is claimed. Pure rules.

use photinus_model::{
    JsonText, did,
    identity::{Identity, Type},
    name,
};
use serde_json::{Map, Value};

use super::Error;

/// Longest description, in bytes.
const MAX_DESCRIPTION: usize = 4096;

/// The type that a request names; custom when it names none.
pub(super) fn kind(text: Option<&str>) -> Result<Type, Error> {
    match text.map(str::to_ascii_lowercase).as_deref() {
        None | Some("" | "custom") => Ok(Type::Custom),
        Some("org") => Ok(Type::Org),
        Some("node") => Ok(Type::Node),
        Some(other) => Err(Error::Type(other.to_owned())),
    }
}

/// Name, identifier and description of an identity that is to be claimed.
pub(super) fn check(identity: &Identity) -> Result<(), Error> {
    name::check_no_uuid(&identity.name, "name")?;
    check_description(&identity.description)?;
    if !did::matches(&identity.did, identity.kind, &identity.namespace, &identity.name) {
        return Err(Error::Unknown(identity.did.clone()));
    }
    Ok(())
}

/// Descriptions are bounded.
pub(super) fn check_description(description: &str) -> Result<(), Error> {
    if description.len() > MAX_DESCRIPTION { Err(Error::Description) } else { Ok(()) }
}

/// Who may belong to whom.
pub(super) fn check_parent(child: Type, parent: &Identity) -> Result<(), Error> {
    let allowed = match child {
        Type::Org | Type::Node => parent.kind == Type::Org,
        Type::Custom => matches!(parent.kind, Type::Org | Type::Custom),
    };
    if allowed {
        return Ok(());
    }
    Err(Error::ParentType { parent: parent.did.clone(), kind: parent.kind.as_str(), child: child.as_str() })
}

/// A profile as it is kept and sent: an object with sorted keys.
pub(super) fn profile(value: &JsonText) -> Result<Map<String, Value>, Error> {
    let mut members: Map<String, Value> = value.read().map_err(|_| Error::ProfileShape)?;
    sort(&mut members);
    Ok(members)
}

/// A profile's text.
pub(super) fn text(profile: &Map<String, Value>) -> Result<JsonText, Error> {
    JsonText::write(profile).map_err(|_| Error::ProfileShape)
}

/// Sorts keys on every level.
pub(super) fn sort(members: &mut Map<String, Value>) {
    members.sort_keys();
    members.values_mut().for_each(Value::sort_all_objects);
}

#[cfg(test)]
mod tests {
    use photinus_model::Uuid;

    use super::*;

    fn identity(kind: Type, name: &str) -> Identity {
        Identity {
            id: Uuid::from_u128(1),
            did: did::of(kind, name),
            kind,
            parent: None,
            namespace: String::new(),
            name: name.into(),
            description: String::new(),
            profile: None,
            messages: Default::default(),
            created: None,
            updated: None,
        }
    }

    #[test]
    fn types() {
        assert_eq!(kind(None).unwrap(), Type::Custom);
        assert_eq!(kind(Some("ORG")).unwrap(), Type::Org);
        assert_eq!(kind(Some("robot")).unwrap_err().code(), "FF00126");
    }

    #[test]
    fn names() {
        assert!(check(&identity(Type::Org, "org_0")).is_ok());
        assert_eq!(check(&identity(Type::Org, "org 0")).unwrap_err().code(), "FF00140");
        assert_eq!(check(&identity(Type::Org, "1c0abf75-0f3a-40e4-a8cd-5ff926f80aa8")).unwrap_err().code(), "FF00141");
        let long = Identity { description: "x".repeat(4097), ..identity(Type::Org, "a") };
        assert_eq!(check(&long).unwrap_err().code(), "FF00135");
    }

    #[test]
    fn parents() {
        for (child, parent, allowed) in [
            (Type::Org, Type::Org, true),
            (Type::Org, Type::Custom, false),
            (Type::Org, Type::Node, false),
            (Type::Node, Type::Org, true),
            (Type::Node, Type::Custom, false),
            (Type::Node, Type::Node, false),
            (Type::Custom, Type::Org, true),
            (Type::Custom, Type::Custom, true),
            (Type::Custom, Type::Node, false),
        ] {
            assert_eq!(check_parent(child, &identity(parent, "p")).is_ok(), allowed, "{child:?} {parent:?}");
        }
    }

    #[test]
    fn profiles_are_sorted_objects() {
        let text = JsonText::parse(r#"{"b":{"z":1,"a":2},"a":[{"y":1,"x":2}]}"#).unwrap();
        assert_eq!(Value::Object(profile(&text).unwrap()).to_string(), r#"{"a":[{"x":2,"y":1}],"b":{"a":2,"z":1}}"#);
        assert!(profile(&JsonText::parse("5").unwrap()).is_err());
    }
}
