//! Schemathesis from PyPI against the description that a member serves: no request that it can think of is answered by a failure of
//! the node, or in another form than described.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::members::Members;

fn tool() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/python/.venv/bin/schemathesis")
}

#[test]
fn every_answer_is_as_described() {
    let members = Members::up(1, &[]);
    let base = format!("{}/api/v1/namespaces/default", members.urls[0]);
    // It leaves notes where it runs.
    let folder = tempfile::tempdir().unwrap();
    // The same requests each time. Coverage takes each parameter to its bounds; fuzzing combines them.
    let output = Command::new(tool())
        .args(["run", &format!("{base}/api/openapi.json"), "--url", &base, "--seed", "1", "--max-examples", "10"])
        .args(["--phases", "coverage,fuzzing", "--workers", "2", "--request-timeout", "30"])
        .args(["--checks", "not_a_server_error,response_schema_conformance,content_type_conformance"])
        .args(["--suppress-health-check", "all"])
        .env("NO_COLOR", "1")
        .current_dir(folder.path())
        .output()
        .expect("schemathesis is installed by tests/prepare.sh");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}\n{}", String::from_utf8_lossy(&output.stderr), members.logs());
}
