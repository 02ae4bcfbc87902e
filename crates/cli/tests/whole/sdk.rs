//! The FireFly SDK from npm, unchanged, against two members.

use std::process::Command;

use crate::{chain::packages, members::Members};

#[test]
fn the_firefly_sdk_works_unchanged() {
    check("sdk-check.mjs");
}

#[test]
fn its_subscriptions_sockets_and_webhooks_do_too() {
    check("sdk-events.mjs");
}

#[test]
fn so_does_the_rest_of_it() {
    check("sdk-rest.mjs");
}

/// Runs a script of checks.
fn check(script: &str) {
    let members = Members::up(2, &[]);
    let output = Command::new("node")
        .arg(script)
        .args(&members.urls)
        .current_dir(packages())
        .output()
        .expect("node is installed, and `npm ci` was run in tests/npm");
    assert!(
        output.status.success(),
        "{}{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
        members.logs()
    );
}
