//! Tests of the sequencing machine from the outside: one member at a time, whole networks, and an oracle.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::allow_attributes, reason = "tests")]

mod economy;
mod garbage;
mod member;
mod network;
mod oracle;
mod properties;
mod scenarios;
mod story;
