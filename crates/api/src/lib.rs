//! HTTP for applications and operators: the REST interface that clients of FireFly know, its description, events over
//! WebSockets, and metrics.
//!
//! A [`Server`] serves the [`Namespaces`] that its owner starts and stops. Routes are tables of their own small type, one file
//! for each collection: the same table dispatches requests and describes the API. What the node does not do yet has no route.
//!
//! Deliberately not here: what requests mean (the engine) and the language of filters (the `query` crate).

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "tests"))]

mod auth;
mod changes;
mod cors;
mod dispatch;
mod document;
mod failure;
mod gateway;
mod lenient;
mod listing;
mod metrics;
mod monitoring;
mod namespaces;
pub mod options;
mod patient;
mod rate;
mod reply;
mod request;
mod room;
mod route;
mod routes;
mod server;
mod tls;
mod upload;
mod uri;
mod ws;

pub use crate::{
    auth::{Error as PasswordsError, Passwords},
    namespaces::{Namespaces, Reset, ResetError, State},
    options::Options,
    server::{Addresses, Error, Handle, Server},
};
