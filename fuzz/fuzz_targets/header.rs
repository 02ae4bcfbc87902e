//! A message header in strict JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use photinus_model::{json, message::Header};

fuzz_target!(|text: &str| {
    let Ok(header) = serde_json::from_str::<Header>(text) else { return };
    if header.created.is_some_and(photinus_model::Time::is_zero) {
        // "No time" is written as null, which is read as no time at all.
        return;
    }
    let Ok(written) = json::to_text(&header) else { panic!("a header is written") };
    let Ok(again) = serde_json::from_str::<Header>(&written) else { panic!("what is written is read: {written}") };
    assert_eq!(again.hash(), header.hash());
});
