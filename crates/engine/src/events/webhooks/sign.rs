//! Signatures, by which an endpoint knows that a call is from this node and of now. Pure.
//!
//! The form is that of Standard Webhooks: HMAC-SHA256 over `<webhook-id>.<webhook-timestamp>.<body>`, in base64. While a
//! secret is being replaced, the old one signs too, so that no call is refused meanwhile.

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use photinus_model::{Time, Uuid};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What texts of secrets begin with.
const PREFIX: &str = "whsec_";

/// The secrets of a subscription, newest first.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Secrets {
    keys: Vec<Key>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Key {
    /// In base64.
    key: String,
    /// When it stops signing.
    until: Option<Time>,
}

/// Secrets that sign at the same time.
const MOST: usize = 4;

impl Secrets {
    /// Puts a new secret made of `randomness` in front; those before it sign until `until`. Gives its text.
    pub(super) fn rotate(&mut self, randomness: &[Uuid], now: Time, until: Time) -> String {
        let mut digest = Sha256::new();
        randomness.iter().for_each(|id| digest.update(id.as_bytes()));
        let key = BASE64_STANDARD.encode(digest.finalize());
        self.keys.retain(|key| key.until.is_none_or(|until| until > now));
        for old in &mut self.keys {
            old.until = Some(old.until.map_or(until, |earlier| earlier.min(until)));
        }
        let text = format!("{PREFIX}{key}");
        self.keys.insert(0, Key { key, until: None });
        self.keys.truncate(MOST);
        text
    }

    /// The headers that sign a call, if there is a secret.
    pub(super) fn headers(&self, id: Uuid, body: &[u8], now: Time) -> Option<[(String, String); 3]> {
        let seconds = (now.as_unix_nanos() / 1_000_000_000).to_string();
        let signatures: Vec<String> = self
            .keys
            .iter()
            .filter(|key| key.until.is_none_or(|until| until > now))
            .filter_map(|key| Some(format!("v1,{}", signature(&key.key, &id.to_string(), &seconds, body)?)))
            .collect();
        if signatures.is_empty() {
            return None;
        }
        Some([
            ("webhook-id".to_owned(), id.to_string()),
            ("webhook-timestamp".to_owned(), seconds),
            ("webhook-signature".to_owned(), signatures.join(" ")),
        ])
    }
}

fn signature(key: &str, id: &str, seconds: &str, body: &[u8]) -> Option<String> {
    let key = BASE64_STANDARD.decode(key).ok()?;
    // Keys of every length are taken.
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    for part in [id.as_bytes(), b".", seconds.as_bytes(), b".", body] {
        mac.update(part);
    }
    Some(BASE64_STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_standard_webhooks() {
        // The example of the Standard Webhooks libraries.
        let key = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let body = br#"{"test": 2432232314}"#;
        let signed = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body).unwrap();
        assert_eq!(signed, "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn an_old_secret_signs_until_its_time_is_over() {
        let (mut secrets, time) = (Secrets::default(), Time::from_unix_nanos);
        assert!(secrets.headers(Uuid::nil(), b"", time(0)).is_none());
        let first = secrets.rotate(&[Uuid::from_u128(1)], time(0), time(0));
        let second = secrets.rotate(&[Uuid::from_u128(2)], time(1), time(100));
        assert!(first.starts_with(PREFIX) && first != second);
        let count = |at| secrets.headers(Uuid::nil(), b"x", time(at)).unwrap()[2].1.split(' ').count();
        assert_eq!((count(50), count(100)), (2, 1));
    }
}
