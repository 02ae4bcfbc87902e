//! Whole nodes, joined as in production.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod beside;
mod contracts;
mod gateway;
mod members;
mod network;
mod reload;
mod twins;
