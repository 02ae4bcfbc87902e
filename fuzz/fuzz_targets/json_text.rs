//! A free JSON value.
#![no_main]

use libfuzzer_sys::fuzz_target;
use photinus_model::{JsonText, json};

fuzz_target!(|text: &str| {
    let Ok(value) = text.parse::<JsonText>() else { return };
    assert_eq!(json::canonical(value.as_str()).as_deref(), Ok(value.as_str()));
    // Both fail on what does not fit a double, such as 1e400.
    let meaning = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    assert_eq!(meaning(text), meaning(value.as_str()));
});
