//! Updating the profile of an identity of this member.

use std::time::Duration;

use photinus_model::{
    JsonText, Uuid,
    definition::{identity_topic, update_value},
    identity::{Identity, Profile},
    tag,
};
use serde::Deserialize;
use serde_json::Value;

use super::{Error, claim, rules, signer};
use crate::{Namespace, definitions};

/// What replaces description and profile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Input {
    /// Free text; empty when left out.
    #[serde(default)]
    pub description: Option<String>,
    /// Free object; required.
    #[serde(default)]
    pub profile: Option<JsonText>,
}

impl Namespace {
    /// Replaces description and profile of an identity. Returns it as it will be; with `wait`, as it is once confirmed.
    ///
    /// A profile without `id` keeps the one that it had, because a node's peers know it by that.
    ///
    /// # Errors
    /// When there is no such identity, it is another member's, a field is wrong, or the update is rejected or not confirmed
    /// in time.
    pub async fn update_identity(
        &self,
        id: Uuid,
        input: Input,
        wait: Option<Duration>,
    ) -> Result<Identity, crate::Error> {
        let core = self.core();
        let identity = core.identities.by_id(id).await?.ok_or(Error::NothingToUpdate(id))?;
        let description = input.description.unwrap_or_default();
        rules::check_description(&description)?;
        let profile = input.profile.filter(|profile| !profile.is_null()).ok_or(Error::ProfileRequired)?;
        let profile = rules::text(&keep_id(rules::profile(&profile)?, identity.profile.as_ref()))?;
        if !signer::is_local(core, &identity).await? {
            return Err(Error::NotLocal(identity.did.clone()).into());
        }
        let updates = Profile { description, profile: Some(profile) };
        let payload = update_value(&identity, &updates);
        let signer = claim::claimant_of(core, &identity).await?;
        let topic = identity_topic(&identity.did);
        let outgoing = definitions::outgoing(core, payload, tag::IDENTITY_UPDATE, topic, signer)?;
        let message = self.send_one(outgoing, wait).await?;
        if wait.is_some() {
            // Not from the cache: it learns of the change a moment after the event that ended the wait.
            let updated = core.store.read(core.name()).identity(id).await?;
            return Ok(updated.ok_or(Error::NothingToUpdate(id))?);
        }
        let mut updated = Identity::clone(&identity);
        updated.description = updates.description;
        updated.profile = updates.profile;
        updated.messages.update = Some(message.header.id);
        Ok(updated)
    }
}

/// A profile without an id takes the one before it; an empty text when there was none, as members expect.
fn keep_id(mut profile: serde_json::Map<String, Value>, before: Option<&JsonText>) -> serde_json::Map<String, Value> {
    if profile.get("id").and_then(Value::as_str).unwrap_or_default().is_empty() {
        let before: Value = before.and_then(|before| before.read().ok()).unwrap_or_default();
        let id = before.get("id").and_then(Value::as_str).unwrap_or_default();
        profile.insert("id".to_owned(), Value::String(id.to_owned()));
        rules::sort(&mut profile);
    }
    profile
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(profile: &str, before: Option<&str>, expected: &str) {
        let before = before.map(|before| JsonText::parse(before).unwrap());
        let kept = keep_id(serde_json::from_str(profile).unwrap(), before.as_ref());
        assert_eq!(Value::Object(kept).to_string(), expected);
    }

    #[test]
    fn the_id_of_a_profile_stays() {
        check(r#"{"note":1}"#, None, r#"{"id":"","note":1}"#);
        check(r#"{"note":1}"#, Some(r#"{"id":"peer/node"}"#), r#"{"id":"peer/node","note":1}"#);
        check(r#"{"id":"","a":1}"#, Some(r#"{"id":"peer/node"}"#), r#"{"a":1,"id":"peer/node"}"#);
        check(r#"{"id":"new"}"#, Some(r#"{"id":"old"}"#), r#"{"id":"new"}"#);
    }
}
