//! A local network of real processes, driven as a user would: made, used, stopped, started again, reset; and the demonstration.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use photinus_store::testing::{Flush, Server};
use serde_json::{Value, json};

/// A network that starts again takes the ports that it had, so only one test at a time starts anything.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

fn photinus(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_photinus")).args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// The folder of a network that is stopped and removed in the end, whatever happens.
struct Network {
    folder: tempfile::TempDir,
}

impl Network {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join("net")
    }

    fn run(&self, command: &str, more: &[&str]) -> Output {
        let dir = self.dir();
        let mut arguments = vec!["-o", "json", "network", command, "--dir", dir.to_str().unwrap()];
        arguments.extend(more);
        photinus(&arguments)
    }

    /// Runs a command that must succeed; its data.
    fn done(&self, command: &str, more: &[&str]) -> Value {
        let output = self.run(command, more);
        assert!(output.status.success(), "network {command}: {}", String::from_utf8_lossy(&output.stderr));
        if output.stdout.is_empty() { Value::Null } else { serde_json::from_slice(&output.stdout).unwrap() }
    }

    fn read(&self, file: &str) -> Value {
        serde_json::from_slice(&std::fs::read(self.dir().join(file)).unwrap()).unwrap()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.run("down", &[]);
    }
}

fn url(status: &Value, member: usize, path: &str) -> String {
    format!("{}/api/v1/{path}", status["members"][member]["url"].as_str().unwrap())
}

async fn get(url: String) -> Value {
    reqwest::get(url).await.unwrap().json().await.unwrap()
}

/// Broadcasts and waits for the confirmation; the message's id.
async fn broadcast(status: &Value, member: usize, value: &str) -> String {
    let body = json!({"header": {"topics": ["test"]}, "data": [{"value": value}]});
    let url = url(status, member, "messages/broadcast?confirm=true");
    let answer: Value = reqwest::Client::new().post(url).json(&body).send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["state"], "confirmed", "{answer}");
    answer["header"]["id"].as_str().unwrap().to_owned()
}

fn pids(status: &Value) -> Vec<u64> {
    let members = status["members"].as_array().unwrap().iter();
    members.chain([&status["chain"]]).filter_map(|process| process["pid"].as_u64()).collect()
}

#[tokio::test]
async fn a_network_is_made_used_stopped_and_started_again() {
    let _alone = ALONE.lock().await;
    let network = Network::new();
    let status = network.done("up", &["--members", "2"]);
    assert_eq!(status["members"].as_array().unwrap().len(), 2);
    assert!(pids(&status).len() == 3 && status["chain"]["state"] == "ready", "{status}");

    let (stack, state) = (network.read("stack.json"), network.read("runtime/stackState.json"));
    assert_eq!(stack["members"][1]["orgName"], "org_1");
    assert_eq!(state["accounts"][1]["address"], stack["members"][1]["account"]["address"]);
    assert!(state["accounts"].as_array().unwrap().len() > 2, "tools need accounts that nobody has claimed");
    let contract = state["deployedContracts"][0]["location"]["address"].as_str().unwrap();
    let config = std::fs::read_to_string(network.dir().join("runtime/config/firefly_core_1.yml")).unwrap();
    assert!(config.contains(contract), "{config}");

    let message = broadcast(&status, 0, "hello").await;
    for member in 0..2 {
        let nodes = get(url(&status, member, "network/nodes")).await;
        assert_eq!(nodes.as_array().unwrap().len(), 2, "{nodes}");
    }

    let again = network.done("up", &["--members", "2"]);
    assert_eq!(pids(&again), pids(&status), "what runs is left alone");
    let refused = network.run("up", &["--members", "3"]);
    assert_eq!(refused.status.code(), Some(1));

    network.done("down", &[]);
    let stopped = network.run("status", &[]);
    assert_eq!(stopped.status.code(), Some(3));
    let stopped: Value = serde_json::from_slice(&stopped.stdout).unwrap();
    assert_eq!(stopped["members"][0]["state"], "stopped");

    let status = network.done("up", &[]);
    let kept = get(url(&status, 1, &format!("messages/{message}"))).await;
    assert_eq!(kept["state"], "confirmed", "{kept}");
    broadcast(&status, 1, "still here").await;

    let refused = network.run("reset", &[]);
    assert_eq!(refused.status.code(), Some(1), "a reset asks, and nobody is there to answer");
    let status = network.done("reset", &["--yes"]);
    let gone = get(url(&status, 0, "messages?topics=test")).await;
    assert_eq!(gone, json!([]));
    broadcast(&status, 0, "anew").await;
}

#[tokio::test]
async fn members_have_databases_in_a_server() {
    let _alone = ALONE.lock().await;
    let server = Server::start(Flush::System).unwrap();
    let url_of_some_database = server.database().await.unwrap();
    let network = Network::new();
    let status = network.done("up", &["--members", "2", "--database", &url_of_some_database]);
    broadcast(&status, 0, "hello").await;
    assert_eq!(network.read("stack.json")["database"], "postgres");
    let status = network.done("reset", &["--yes"]);
    assert_eq!(get(url(&status, 1, "messages?topics=test")).await, json!([]));
    broadcast(&status, 1, "anew").await;
}

#[test]
fn the_members_of_the_demonstration_agree() {
    let _alone = ALONE.blocking_lock();
    let output = photinus(&["-o", "json", "demo", "--once"]);
    let talk = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{talk}");
    let agreement: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(agreement["members"] == 3 && agreement["blobs"] == 1, "{agreement}");
    assert!(agreement["messages"].as_u64().unwrap() >= 4, "{agreement}");
    for shown in ["carrier", "buyer", "seller", "bill_issued", "bill_accepted", "payment_requested"] {
        assert!(talk.contains(shown), "{shown} is missing in:\n{talk}");
    }
    assert!(!talk.contains("! "), "a row differs:\n{talk}");
}

#[test]
fn a_member_alone_works_at_once() {
    let _alone = ALONE.blocking_lock();
    let folder = tempfile::tempdir().unwrap();
    let alone = Alone::start(&folder.path().join("data"));
    assert_eq!(alone.status()["org"]["registered"], true);
    assert_eq!(alone.status()["node"]["registered"], true);
    let url = alone.url.clone();
    assert!(alone.stop(), "SIGTERM is an orderly end");
    let again = Alone::start(&folder.path().join("data"));
    assert_eq!(again.url, url, "its ports are remembered");
    assert_eq!(again.status()["org"]["registered"], true);
}

/// `photinus start` without a configuration file.
struct Alone {
    child: std::process::Child,
    url: String,
}

impl Alone {
    fn start(dir: &Path) -> Self {
        use std::io::BufRead;
        let mut child = Command::new(env!("CARGO_BIN_EXE_photinus"))
            .args(["-o", "json", "start", "--dir"])
            .arg(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
        let mut text = String::new();
        for line in lines {
            text += &line.unwrap();
            if text.ends_with('}') {
                break;
            }
        }
        let addresses: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        Self { child, url: addresses["url"].as_str().unwrap().to_owned() }
    }

    fn status(&self) -> Value {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(get(format!("{}/api/v1/status", self.url)))
    }

    fn stop(mut self) -> bool {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap().success()
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn every_kind_of_load_can_be_measured() {
    let _alone = ALONE.blocking_lock();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deep/figures.json");
    let all = "broadcast,private,unpinned,blobs,list,queries,events,mixed";
    let more = ["--clients", "8", "--seconds", "0.5", "--json", file.to_str().unwrap()];
    let output = photinus(&[&["bench", "--work", all], &more[..]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 9, "{report}");
    for row in rows {
        assert!(row["value"].as_f64().unwrap() > 0.0, "{row}");
        assert!(row["figures"].is_null() || row["figures"]["failures"] == 0, "{row}");
    }
    assert!(report["machine"]["cores"].as_u64().unwrap() > 0);
}
