//! The payload of a definition from a member.
#![no_main]

use libfuzzer_sys::fuzz_target;
use photinus_model::{
    JsonText,
    definition::received::{self, Payload},
    tag,
};

const TAGS: [&str; 8] = [
    tag::IDENTITY_CLAIM,
    tag::IDENTITY_VERIFICATION,
    tag::IDENTITY_UPDATE,
    tag::DEFINE_DATATYPE,
    tag::DEFINE_GROUP,
    tag::DEFINE_FFI,
    tag::DEFINE_CONTRACT_API,
    tag::DEFINE_POOL,
];

fuzz_target!(|text: &str| {
    let Ok(value) = text.parse::<JsonText>() else { return };
    for tag in TAGS {
        match received::parse(tag, Some(&value)) {
            Payload::Claim(identity) => drop(identity.validate("default")),
            Payload::Verification { identity, .. } | Payload::Update { identity, .. } => {
                drop(identity.validate("default"));
            }
            Payload::Group(group) => drop(group.validate()),
            Payload::UnknownTag => panic!("{tag} is known"),
            _ => {}
        }
    }
});
