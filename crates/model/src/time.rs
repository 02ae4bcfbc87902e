//! Points in time: nanoseconds since 1970 in memory and in the database, RFC 3339 text in JSON.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

const NANOS: i128 = 1_000_000_000;

/// A point in time in nanoseconds since 1970-01-01T00:00:00Z.
///
/// Zero means "no time" and is written as `null`, as the database of the reference has no other way to say so.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Time(i64);

/// A text that is neither RFC 3339 nor a whole number (`FF00136`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read \"{0}\" as RFC 3339 or Unix time")]
pub struct Error(pub String);

impl Time {
    /// "No time", written as `null`.
    pub const ZERO: Self = Self(0);

    /// From nanoseconds since 1970.
    #[must_use]
    pub const fn from_unix_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since 1970.
    #[must_use]
    pub const fn as_unix_nanos(self) -> i64 {
        self.0
    }

    /// Whether this is "no time".
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

/// A point in time as a peer may write it: any year from 0 to 9999, wider than [`Time`] can hold.
///
/// Needed at the door only, where the text of the time feeds a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wide {
    /// Nanoseconds since 1970.
    nanos: i128,
}

impl Wide {
    /// The zero time of Go: the first instant of year 1.
    const ZERO: i128 = -62_135_596_800 * NANOS;

    /// The zero time.
    pub(crate) const ZERO_TIME: Self = Self { nanos: Self::ZERO };

    /// Whether this is the zero time, written as `null`.
    pub(crate) const fn is_zero(self) -> bool {
        self.nanos == Self::ZERO
    }

    /// As the reference stores it: the zero time is 0, and what 64 bits cannot hold wraps.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "wrapping is what the reference does and what its database holds"
    )]
    pub(crate) const fn wrapped(self) -> Time {
        if self.is_zero() { Time::ZERO } else { Time(self.nanos as i64) }
    }
}

impl FromStr for Wide {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if let Some(nanos) = rfc3339(text.as_bytes()) {
            return Ok(Self { nanos });
        }
        let mut number: i64 = text.parse().map_err(|_| Error(text.to_owned()))?;
        // Overflow wraps, as it does in the reference; only absurd negative numbers get there.
        if number < 10_000_000_000 {
            number = number.wrapping_mul(1_000);
        }
        if number < 1_000_000_000_000_000 {
            number = number.wrapping_mul(1_000_000);
        }
        Ok(Self { nanos: i128::from(number) })
    }
}

/// Writes a time, given as seconds since 1970 and the nanoseconds after them.
fn write_utc(f: &mut fmt::Formatter<'_>, seconds: i64, nanos: u32) -> fmt::Result {
    let (year, month, day) = civil(seconds.div_euclid(86_400));
    let second = seconds.rem_euclid(86_400);
    let clock = [(8, day), (5, month), (11, second / 3_600), (14, second / 60 % 60), (17, second % 60)];
    // Not through the formatting machinery: records are full of times.
    let mut text = *b"0000-00-00T00:00:00.000000000Z";
    for (at, number) in clock {
        digits(&mut text[at..at + 2], number);
    }
    digits(&mut text[20..29], i64::from(nanos));
    let length = text[20..29].iter().rposition(|digit| *digit != b'0').map_or(19, |last| 21 + last);
    text[length] = b'Z';
    let from = if (0..=9_999).contains(&year) {
        digits(&mut text[..4], year);
        0
    } else {
        write!(f, "{}{:04}", if year < 0 { "-" } else { "" }, year.abs())?;
        4
    };
    f.write_str(std::str::from_utf8(&text[from..=length]).map_err(|_| fmt::Error)?)
}

/// Writes a number that is not negative over all the places of `text`, in decimal.
fn digits(text: &mut [u8], mut number: i64) {
    for place in text.iter_mut().rev() {
        *place = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
}

impl fmt::Display for Wide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = i64::try_from(self.nanos.div_euclid(NANOS)).map_err(|_| fmt::Error)?;
        write_utc(f, seconds, u32::try_from(self.nanos.rem_euclid(NANOS)).map_err(|_| fmt::Error)?)
    }
}

/// Days since 1970 to year, month and day (proleptic Gregorian), by eras of 400 years that begin on 1 March.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// Year, month and day to days since 1970; the inverse of [`civil`].
fn days(year: i128, month: i128, day: i128) -> i128 {
    let year = year - i128::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Reads RFC 3339 as liberally as Go's `time.Parse`: an hour of one digit, a comma before the fraction, more than
/// nine digits of fraction (dropped).
fn rfc3339(text: &[u8]) -> Option<i128> {
    let (date, rest) = text.split_at_checked(11)?;
    if date[4] != b'-' || date[7] != b'-' || date[10] != b'T' {
        return None;
    }
    let (year, month, day) = (number(&date[..4])?, number(&date[5..7])?, number(&date[8..10])?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i128::from(leap),
        _ => return None,
    };
    if !(1..=last).contains(&day) {
        return None;
    }
    let colon = rest.iter().position(|b| *b == b':').filter(|at| (1..=2).contains(at))?;
    let (hour, rest) = rest.split_at(colon);
    let (clock, mut rest) = rest.split_at_checked(6)?;
    if clock[3] != b':' {
        return None;
    }
    let (hour, minute, second) = (number(hour)?, number(&clock[1..3])?, number(&clock[4..6])?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut nanos = 0;
    if let [b'.' | b',', tail @ ..] = rest {
        let length = tail.iter().take_while(|b| b.is_ascii_digit()).count();
        let (digits, after) = tail.split_at(length);
        if digits.is_empty() {
            return None;
        }
        nanos = digits.iter().chain(b"000000000").take(9).fold(0, |sum, b| sum * 10 + i128::from(b - b'0'));
        rest = after;
    }
    let offset = match rest {
        b"Z" => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?);
            if hours > 24 || minutes > 60 {
                return None;
            }
            let seconds = hours * 3600 + minutes * 60;
            if *sign == b'-' { -seconds } else { seconds }
        }
        _ => return None,
    };
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
    Some(seconds * NANOS + nanos)
}

/// Decimal digits, all of them.
fn number(digits: &[u8]) -> Option<i128> {
    digits.iter().try_fold(0, |sum, b| b.is_ascii_digit().then(|| sum * 10 + i128::from(b - b'0')))
}

impl FromStr for Time {
    type Err = Error;

    /// Reads RFC 3339 with any offset, or a whole number: seconds below 1e10, milliseconds below 1e15, else nanoseconds.
    fn from_str(text: &str) -> Result<Self, Error> {
        let wide: Wide = text.parse()?;
        if wide.is_zero() {
            return Ok(Self::ZERO);
        }
        i64::try_from(wide.nanos).map(Self).map_err(|_| Error(text.to_owned()))
    }
}

impl fmt::Display for Time {
    /// RFC 3339 in UTC with as many digits of fraction as needed, at most nine.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SECOND: i64 = 1_000_000_000;
        write_utc(f, self.0.div_euclid(SECOND), u32::try_from(self.0.rem_euclid(SECOND)).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_zero() { serializer.serialize_none() } else { serializer.collect_str(self) }
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Time;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time as a string")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Time, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_none<E>(self) -> Result<Time, E> {
                Ok(Time::ZERO)
            }

            fn visit_unit<E>(self) -> Result<Time, E> {
                Ok(Time::ZERO)
            }

            fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Time, D::Error> {
                inner.deserialize_str(self)
            }
        }
        deserializer.deserialize_option(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_and_reads() {
        let time = Time::from_unix_nanos(1_700_000_000_500_000_000);
        assert_eq!(time.to_string(), "2023-11-14T22:13:20.5Z");
        assert_eq!(time.to_string().parse(), Ok(time));
        assert_eq!(serde_json::to_string(&Time::ZERO).unwrap(), "null");
        assert_eq!(serde_json::from_str::<Time>("null").unwrap(), Time::ZERO);
        assert!(serde_json::from_str::<Time>("1700000000").is_err());
        assert_eq!("0001-01-01T00:00:00Z".parse(), Ok(Time::ZERO));
        assert_eq!("-5".parse(), Ok(Time::from_unix_nanos(-5_000_000_000)));
        assert_eq!("1969-12-31T23:59:55Z".parse(), Ok(Time::from_unix_nanos(-5_000_000_000)));
    }

    #[test]
    fn reads_what_go_reads() {
        for (text, same) in [
            ("2024-02-29T1:02:03Z", "2024-02-29T01:02:03Z"),
            ("2024-02-29T01:02:03,25Z", "2024-02-29T01:02:03.25Z"),
            ("2024-02-29T01:02:03.1234567899Z", "2024-02-29T01:02:03.123456789Z"),
            ("2024-02-29T01:02:03-01:30", "2024-02-29T02:32:03Z"),
        ] {
            assert_eq!(text.parse::<Time>().unwrap().to_string(), same);
        }
        for text in [
            "2023-02-29T01:02:03Z",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:00:60Z",
            "2024-01-01t00:00:00Z",
            "2024-01-01T00:00:00",
            "2024-01-01T00:00:00.Z",
            "2024-13-01T00:00:00Z",
            "",
            "2024-01-01T00:00:00z",
            "1e3",
        ] {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
    }

    #[test]
    fn wide_times_keep_their_text() {
        let wide: Wide = "3000-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(wide.to_string(), "3000-01-01T00:00:00Z");
        assert!("3000-01-01T00:00:00Z".parse::<Time>().is_err());
        assert!("0001-01-01T02:00:00+02:00".parse::<Wide>().unwrap().is_zero());
        assert_eq!("1970-01-01T00:00:00Z".parse::<Wide>().unwrap().to_string(), "1970-01-01T00:00:00Z");
    }
}
