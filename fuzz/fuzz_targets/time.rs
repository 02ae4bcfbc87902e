//! A point in time.
#![no_main]

use libfuzzer_sys::fuzz_target;
use photinus_model::Time;

fuzz_target!(|text: &str| {
    let Ok(time) = text.parse::<Time>() else { return };
    if !time.is_zero() {
        assert_eq!(time.to_string().parse(), Ok(time));
    }
});
