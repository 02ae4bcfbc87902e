//! Whole networks of real processes: used through the FireFly SDK, and killed under load.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod chain;
mod description;
mod gate;
mod guide;
mod members;
mod release;
mod sdk;
mod torture;
mod transfer;
