//! The client of FireFly's data exchange, against a small server that answers as the real one was seen to.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod conformance;
mod faults;
mod member;
mod real;
