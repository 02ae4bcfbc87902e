//! A batch from a peer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use photinus_model::wire;

fuzz_target!(|text: &str| {
    let Ok(batch) = wire::parse_batch(text, wire::MAX_TEXT) else { return };
    let written = batch.to_text();
    let Ok(again) = wire::parse_batch(&written, usize::MAX) else { panic!("what is written is read: {written}") };
    assert_eq!(again.to_text(), written);
    let namespace = batch.namespace().to_owned();
    let Ok(accepted) = wire::accept(batch, None, &namespace) else { return };
    assert!(accepted.batch.payload.messages.iter().all(|message| message.hash.is_some()));
    assert_eq!(accepted.manifest.messages.len(), accepted.batch.payload.messages.len());
});
