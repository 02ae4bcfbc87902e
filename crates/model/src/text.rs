//! Enumerations that are text in JSON and in the database.
//!
//! Two macros declare them: `closed_text!` for sets that only this node writes, `open_text!` for sets whose text
//! comes from peers and feeds a hash, so that an unknown member survives unchanged.

use std::fmt;

/// A text that is not a member of a closed set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} \"{text}\"")]
pub struct Unknown {
    /// What kind of text was expected, for example `message state`.
    pub what: &'static str,
    /// The text that was found.
    pub text: String,
}

/// Lower case as the Go standard library makes it: one character for one character.
///
/// `str::to_lowercase` differs for a final sigma and for the dotted capital I, and the result feeds hashes.
pub(crate) fn lower(text: &str) -> String {
    if text.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()) {
        return text.to_owned();
    }
    // The only character whose lower case is more than one is U+0130, and its first is the one that Go takes.
    text.chars().map(|c| c.to_lowercase().next().unwrap_or(c)).collect()
}

/// Replaces the one character that databases refuse in text.
pub(crate) fn without_nul(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

/// Visitor for text enumerations, without a copy of the text.
pub(crate) struct Visitor<T, F: Fn(&str) -> Result<T, Unknown>>(pub(crate) &'static str, pub(crate) F);

impl<T, F: Fn(&str) -> Result<T, Unknown>> serde::de::Visitor<'_> for Visitor<T, F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {}", self.0)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        (self.1)(text).map_err(E::custom)
    }
}

/// Has an enumeration written as its text, and read from it by a function.
macro_rules! as_text {
    ($what:literal $name:ident, $read:expr) => {
        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(self.as_str())
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                d.deserialize_str($crate::text::Visitor($what, $read))
            }
        }
    };
}

/// Declares an enumeration of a closed set of texts; input in any case is accepted.
macro_rules! closed_text {
    ($(#[$meta:meta])* $what:literal $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$vmeta])* $variant,)+ }

        impl $name {
            /// Every member of the set.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// The text of every member.
            pub const TEXTS: &'static [&'static str] = &[$($text),+];

            /// The text in JSON and in the database.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::text::Unknown;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $(if text.eq_ignore_ascii_case($text) { return Ok(Self::$variant); })+
                Err($crate::text::Unknown { what: $what, text: text.to_owned() })
            }
        }

        as_text!($what $name, |text: &str| text.parse());
    };
}

/// Declares an enumeration whose unknown texts survive in `Other`. Input is lower-cased, as the protocol demands.
macro_rules! open_text {
    ($(#[$meta:meta])* $what:literal $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$vmeta])* $variant,)+
            /// A text that this version does not know, in lower case.
            Other(Box<str>),
        }

        impl $name {
            /// Every text that this version knows.
            pub const TEXTS: &'static [&'static str] = &[$($text),+];

            /// The text in JSON, in the database and in hashes.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self { $(Self::$variant => $text,)+ Self::Other(text) => text }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                // As nearly everybody writes it.
                match text { $($text => return Self::$variant,)+ _ => {} }
                let text = $crate::text::lower(text);
                match text.as_str() { $($text => Self::$variant,)+ _ => Self::Other(text.into_boxed_str()) }
            }
        }

        as_text!($what $name, |text: &str| Ok(Self::from(text)));
    };
}

#[cfg(test)]
mod tests {
    use super::lower;

    #[test]
    fn lower_case_is_character_by_character() {
        assert_eq!(lower("Broadcast"), "broadcast");
        assert_eq!(lower("\u{130}"), "i");
        assert_eq!(lower("ΑΣ"), "ας".replace('ς', "σ"));
    }
}
