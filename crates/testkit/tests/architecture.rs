//! The house rule that no crate depends upwards, checked against what cargo knows.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// What each crate may use of ours. A new arrow is added here on purpose, in review, or not at all.
const ALLOWED: &[(&str, &[&str])] = &[
    ("photinus-model", &[]),
    ("photinus-query", &["photinus-model"]),
    ("photinus-ports", &["photinus-model"]),
    ("photinus-remote", &[]),
    ("photinus-sequencing", &["photinus-model"]),
    ("photinus-store", &["photinus-model", "photinus-query"]),
    (
        "photinus-engine",
        &["photinus-model", "photinus-query", "photinus-ports", "photinus-sequencing", "photinus-store"],
    ),
    // The API streams blobs through the engine, in the type that the ports have for it.
    ("photinus-api", &["photinus-model", "photinus-query", "photinus-ports", "photinus-store", "photinus-engine"]),
    ("photinus-devchain", &[]),
    ("photinus-ethereum", &["photinus-model", "photinus-ports"]),
    ("photinus-exchange-client", &["photinus-model", "photinus-ports", "photinus-remote"]),
    ("photinus-exchange-https", &["photinus-model", "photinus-ports"]),
    ("photinus-storage-ipfs", &["photinus-model", "photinus-ports", "photinus-remote"]),
    ("photinus-storage-local", &["photinus-model", "photinus-ports"]),
    ("photinus-webhooks", &["photinus-ports"]),
    (
        "photinus-node",
        &[
            "photinus-model",
            "photinus-query",
            "photinus-ports",
            "photinus-store",
            "photinus-engine",
            "photinus-api",
            "photinus-devchain",
            "photinus-ethereum",
            "photinus-exchange-client",
            "photinus-exchange-https",
            "photinus-remote",
            "photinus-storage-ipfs",
            "photinus-storage-local",
            "photinus-webhooks",
        ],
    ),
    ("photinus-cli", &["photinus-node", "photinus-devchain", "photinus-ethereum", "photinus-exchange-https"]),
    (
        "photinus-simulation",
        &[
            "photinus-model",
            "photinus-query",
            "photinus-ports",
            "photinus-sequencing",
            "photinus-store",
            "photinus-engine",
            "photinus-testkit",
        ],
    ),
    ("photinus-xtask", &["photinus-simulation"]),
    ("photinus-standins", &["photinus-model"]),
    (
        "photinus-testkit",
        &[
            "photinus-model",
            "photinus-query",
            "photinus-ports",
            "photinus-store",
            "photinus-engine",
            "photinus-devchain",
        ],
    ),
];

fn metadata() -> Value {
    let output = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON")
}

#[test]
fn no_crate_depends_upwards() {
    let allowed: BTreeMap<_, BTreeSet<_>> =
        ALLOWED.iter().map(|(name, uses)| (*name, uses.iter().copied().collect())).collect();
    let metadata = metadata();
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let Some(uses) = allowed.get(name) else {
            wrong.push(format!("{name} is not in the table"));
            continue;
        };
        for dependency in package["dependencies"].as_array().unwrap() {
            let to = dependency["name"].as_str().unwrap();
            // Tests may look anywhere; what ships may not.
            if to.starts_with("photinus-") && dependency["kind"].is_null() && !uses.contains(to) {
                wrong.push(format!("{name} must not depend on {to}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_crate_takes_the_workspace_lints() {
    let metadata = metadata();
    for package in metadata["packages"].as_array().unwrap() {
        let manifest = package["manifest_path"].as_str().unwrap();
        let text = std::fs::read_to_string(manifest).unwrap();
        assert!(text.contains("[lints]\nworkspace = true"), "{manifest} does not take the workspace's lints");
    }
}
