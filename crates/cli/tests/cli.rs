//! The command line as an interface: help texts, errors, exit codes and where output goes, compared with committed files.
//! `PHOTINUS_BLESS=1` writes them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

fn photinus() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_photinus"));
    // The width of help texts must not depend on the terminal.
    command.env("COLUMNS", "120").env_remove("FIREFLY_HTTP_PORT").stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    photinus().args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn golden(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("PHOTINUS_BLESS").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, expected, "{name}; PHOTINUS_BLESS=1 writes it");
}

/// What a command did, as one text.
fn told(arguments: &[&str], folder: &Path) -> String {
    let output = photinus().args(arguments).current_dir(folder).output().unwrap();
    let folder = folder.canonicalize().unwrap();
    let shown = |bytes: &[u8]| text(bytes).replace(&*folder.to_string_lossy(), "[folder]");
    format!(
        "$ photinus {}\nexit {}\n--- standard output\n{}--- standard error\n{}\n",
        arguments.join(" "),
        output.status.code().unwrap(),
        shown(&output.stdout),
        shown(&output.stderr)
    )
}

#[test]
fn help_of_every_command() {
    let mut all = String::new();
    for arguments in [
        &["--help"][..],
        &["start", "--help"],
        &["chain", "--help"],
        &["network", "--help"],
        &["network", "up", "--help"],
        &["network", "down", "--help"],
        &["network", "status", "--help"],
        &["network", "reset", "--help"],
        &["deploy", "--help"],
        &["why", "--help"],
        &["release", "--help"],
        &["config", "--help"],
        &["config", "check", "--help"],
        &["namespaces", "--help"],
        &["namespaces", "reload", "--help"],
        &["demo", "--help"],
        &["bench", "--help"],
        &["version", "--help"],
        &["completions", "--help"],
    ] {
        let output = run(arguments);
        assert!(output.status.success() && output.stderr.is_empty(), "{arguments:?}");
        all.push_str(&format!("$ photinus {}\n{}\n", arguments.join(" "), text(&output.stdout)));
    }
    golden("help.txt", &all);
}

/// A node without a network, with a key that has no meaning here.
const ALONE: &str = "orchestrator: {startupAttempts: 5}
plugins: {database: [{name: db, type: sqlite3, sqlite3: {url: node.db}}]}
namespaces: {predefined: [{name: default}]}
";

#[test]
fn errors_name_the_next_step() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path();
    std::fs::write(inside.join("wrong.yml"), "http:\n  prot: 1\n").unwrap();
    std::fs::write(inside.join("alone.yml"), ALONE).unwrap();
    std::fs::create_dir(inside.join("full")).unwrap();
    std::fs::write(inside.join("full/letter.txt"), "Dear").unwrap();
    std::fs::create_dir(inside.join("broken")).unwrap();
    std::fs::write(inside.join("broken/stack.json"), "{}").unwrap();
    let mut all = String::new();
    for arguments in [
        &["strat"][..],
        &["network", "up", "--members", "0"],
        &["start", "--file", "absent.yml"],
        &["start", "--file", "wrong.yml"],
        &["-o", "json", "start", "--file", "wrong.yml"],
        &["network", "status", "--dir", "nowhere"],
        &["network", "down", "--dir", "nowhere"],
        &["network", "reset", "--dir", "nowhere", "--yes"],
        &["network", "status", "--dir", "broken"],
        &["network", "up", "--dir", "full"],
        &["deploy", "http://127.0.0.1:1", "--key-file", "absent.key"],
        &["why", "11111111-1111-4111-8111-111111111111", "--url", "http://127.0.0.1:1"],
        &["release", "1/2/3", "--alone", "--for-others"],
        &["release", "1/2/3", "--for-others", "--url", "http://127.0.0.1:1"],
        &["config", "check", "-f", "wrong.yml"],
        &["config", "check", "-f", "alone.yml"],
        &["namespaces", "list", "--url", "http://name:secret@127.0.0.1:1"],
        &["chain", "--accounts", "5000"],
    ] {
        all.push_str(&told(arguments, inside));
    }
    golden("errors.txt", &all);
}

#[test]
fn data_is_json_where_asked() {
    let output = run(&["version", "-o", "json"]);
    let version: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(text(&run(&["version"]).stdout), format!("photinus {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn completions_are_scripts() {
    for shell in ["bash", "zsh", "fish"] {
        let output = run(&["completions", shell]);
        assert!(output.status.success() && text(&output.stdout).contains("photinus"), "{shell}");
    }
}

/// A chain in a process of its own, ended when dropped.
struct Chain {
    child: Child,
    description: Value,
}

impl Chain {
    fn start(folder: &Path) -> Self {
        let mut child = photinus()
            .args(["-o", "json", "chain", "--port", "0", "--data-dir"])
            .arg(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut description = String::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            description.push_str(&line);
            if line == "}" {
                break;
            }
        }
        Self { child, description: serde_json::from_str(&description).unwrap() }
    }

    fn url(&self) -> &str {
        self.description["url"].as_str().unwrap()
    }

    fn stop(mut self) -> bool {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        self.child.wait().unwrap().success()
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_chain_takes_the_contract_and_stops_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let chain = Chain::start(folder.path());
    assert_eq!(chain.description["accounts"].as_array().unwrap().len(), 10);
    let output = run(&["-o", "json", "deploy", chain.url()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let deployed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let address = deployed["address"].as_str().unwrap();
    assert!(address.len() == 42 && address.starts_with("0x"), "{address}");
    assert!(chain.stop(), "SIGTERM is an orderly end");
}

#[test]
fn a_key_without_a_chain_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, "not a key").unwrap();
    let output = run(&["deploy", "http://127.0.0.1:1", "--key-file", key.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!text(&output.stderr).contains("not a key"), "a key must not be shown");
    std::fs::write(&key, "11".repeat(32)).unwrap();
    let output = run(&["deploy", "http://127.0.0.1:1", "--key-file", key.to_str().unwrap()]);
    assert!(text(&output.stderr).contains("next:"), "{}", text(&output.stderr));
}
