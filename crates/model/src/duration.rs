//! Lengths of time in the text form of configuration and of subscription options: `1m30s`, `50ms`, or a bare number of milliseconds.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A length of time, never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Duration(pub std::time::Duration);

/// A text that is not a length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read \"{0}\" as a duration such as \"1m30s\" or a number of milliseconds")]
pub struct Error(pub String);

const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

impl FromStr for Duration {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let nanos = match text.parse::<u64>() {
            Ok(millis) => millis.checked_mul(1_000_000),
            Err(_) => with_units(text),
        };
        nanos.map(|nanos| Self(std::time::Duration::from_nanos(nanos))).ok_or_else(|| Error(text.to_owned()))
    }
}

/// Reads one or more numbers with a unit each, as in `1h2.5s`.
fn with_units(text: &str) -> Option<u64> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut total = 0_u64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let split = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(split);
        let length = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, after) = tail.split_at(length);
        let (_, scale) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return None;
        }
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        total = total.checked_add(whole.checked_mul(scale)?)?;
        let mut place = scale;
        for digit in fraction.bytes() {
            place /= 10;
            total = total.checked_add(place * u64::from(digit - b'0'))?;
        }
        rest = after;
    }
    Some(total)
}

impl fmt::Display for Duration {
    /// The form of Go: `1h0m0s`, `1m30s`, `1.5s`, `50ms`, `0s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        let fraction = |f: &mut fmt::Formatter<'_>, value: u128, scale: u128, unit: &str| {
            write!(f, "{}", value / scale)?;
            if !value.is_multiple_of(scale) {
                let width = scale.ilog10() as usize;
                let digits = format!("{:0width$}", value % scale);
                write!(f, ".{}", digits.trim_end_matches('0'))?;
            }
            f.write_str(unit)
        };
        match nanos {
            0 => f.write_str("0s"),
            1..1_000 => write!(f, "{nanos}ns"),
            1_000..1_000_000 => fraction(f, nanos, 1_000, "µs"),
            1_000_000..1_000_000_000 => fraction(f, nanos, 1_000_000, "ms"),
            _ => {
                let minutes = nanos / 60_000_000_000;
                if minutes >= 60 {
                    write!(f, "{}h", minutes / 60)?;
                }
                if minutes > 0 {
                    write!(f, "{}m", minutes % 60)?;
                }
                fraction(f, nanos % 60_000_000_000, 1_000_000_000, "s")
            }
        }
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Duration;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as \"1m30s\" or a number of milliseconds")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Duration, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_u64<E>(self, millis: u64) -> Result<Duration, E> {
                Ok(Duration(std::time::Duration::from_millis(millis)))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        for (text, written) in [
            ("50ms", "50ms"),
            ("90s", "1m30s"),
            ("1500", "1.5s"),
            ("1h", "1h0m0s"),
            ("0", "0s"),
            ("1.5ms", "1.5ms"),
            ("7us", "7µs"),
            ("3ns", "3ns"),
            (".5s", "500ms"),
            ("1h2m3.25s", "1h2m3.25s"),
        ] {
            assert_eq!(text.parse::<Duration>().unwrap().to_string(), written, "{text}");
        }
        for text in ["", "s", "1x", "-1s", "1.2.3s", "999999999999h", "."] {
            assert!(text.parse::<Duration>().is_err(), "{text}");
        }
    }
}
