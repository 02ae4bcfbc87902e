//! Private messages on a network of members in one process: happy ways, faults of the exchange, crashes, attacks.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[macro_use]
mod places;

mod absence;
mod attacks;
mod blobs;
mod crash;
mod early;
mod faults;
mod forgery;
mod groups;
mod inputs;
mod messages;
mod order;
mod repair;
mod told;
