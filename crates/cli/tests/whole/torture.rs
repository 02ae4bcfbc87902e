//! Members are killed at any moment under load, and started again, on a chain of ours and on another. Nothing accepted is lost,
//! nothing is confirmed twice, and every member has the same order. On our own chain the command `photinus torture` does it, with all
//! its other faults.

use std::{
    collections::HashSet,
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use photinus_store::testing::{Flush, Server};
use serde_json::{Value, json};

use crate::{chain::Anvil, members::Members};

const MEMBERS: usize = 3;
/// How often a member is killed.
const ROUNDS: usize = 5;
/// Senders at each member.
const SENDERS: usize = 3;
const TOPICS: [&str; 3] = ["torture-a", "torture-b", "torture-c"];
const LONG: Duration = Duration::from_secs(120);

#[test]
fn on_sqlite_with_every_fault() {
    suffers(&[]);
}

#[test]
fn on_postgresql_with_every_fault() {
    suffers(&["--postgres"]);
}

/// Faults that need nothing of the machine.
const ALWAYS: [&str; 6] = [
    "member killed",
    "two members killed at once",
    "chain killed",
    "member paused",
    "exchange refused",
    "exchange silent",
];
/// Faults of a disk that can be filled.
const DISK: [&str; 2] = ["disk full", "disk full, and member killed"];
/// What applications send.
const KINDS: [&str; 7] =
    ["broadcast", "broadcast with file", "private", "private with file", "private unpinned", "datatype", "identity"];

/// The command that users have, for a minute.
fn suffers(more: &[&str]) {
    let run = Command::new(env!("CARGO_BIN_EXE_photinus"))
        .args(["-o", "json", "torture", "--minutes", "1", "--flood", "3"])
        .args(more)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (report, talk) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{report}\n{talk}");
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["problems"], json!([]), "{report}");
    let mut faults: Vec<&str> = ALWAYS.to_vec();
    // Only the superuser may mount a disk to fill.
    if !report["leftOut"].to_string().contains("disk full") {
        faults.extend(DISK);
    }
    if more.contains(&"--postgres") {
        faults.push("database restarted");
    }
    for fault in faults {
        assert!(report["faults"][fault].as_u64().is_some_and(|times| times > 0), "no {fault}: {report}");
    }
    for kind in KINDS {
        assert!(report["accepted"][kind].as_u64().is_some_and(|count| count > 0), "no {kind}: {report}");
    }
    assert!(report["files"].as_u64().is_some_and(|files| files > 0), "{report}");
    assert!(report["behind"].as_object().is_some_and(|behind| !behind.is_empty()), "nobody was ever behind: {report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite_and_anvil() {
    let anvil = Anvil::start();
    torture(Members::up(MEMBERS, &["--chain", &anvil.url])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgresql_and_anvil() {
    let (server, anvil) = (Server::start(Flush::System).unwrap(), Anvil::start());
    let url = server.database().await.unwrap();
    torture(Members::up(MEMBERS, &["--chain", &anvil.url, "--database", &url])).await;
}

/// What the senders share.
struct Load {
    stop: AtomicBool,
    accepted: Mutex<Vec<String>>,
    numbers: AtomicUsize,
}

async fn torture(mut members: Members) {
    let load =
        Arc::new(Load { stop: AtomicBool::new(false), accepted: Mutex::default(), numbers: AtomicUsize::new(0) });
    let senders: Vec<_> = (0..MEMBERS * SENDERS)
        .map(|sender| tokio::spawn(send(members.urls[sender % MEMBERS].clone(), Arc::clone(&load))))
        .collect();
    for round in 0..ROUNDS {
        let more = load.accepted.lock().unwrap().len() + 20 + rand::random::<u8>() as usize % 40;
        until("more messages are accepted", &members, || load.accepted.lock().unwrap().len() >= more).await;
        members.kill((round + rand::random::<u8>() as usize) % MEMBERS);
        tokio::task::block_in_place(|| members.start());
    }
    load.stop.store(true, Ordering::Relaxed);
    for sender in senders {
        sender.await.unwrap();
    }
    let accepted = load.accepted.lock().unwrap().clone();
    let accepted: HashSet<&str> = accepted.iter().map(String::as_str).collect();
    let mut orders: Vec<Vec<Vec<String>>> = Vec::new();
    for url in &members.urls {
        let deadline = Instant::now() + LONG;
        let decided = loop {
            let decided = decided(url).await;
            let known: HashSet<&str> = decided.iter().flatten().map(String::as_str).collect();
            if accepted.is_subset(&known) {
                break decided;
            }
            let missing = accepted.difference(&known).count();
            assert!(Instant::now() < deadline, "{missing} messages are lost at {url}\n{}", members.logs());
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        orders.push(decided);
    }
    // A request whose answer was lost may have been accepted too; every member must agree on those as well.
    let longest = orders.iter().map(|order| order.iter().map(Vec::len).sum::<usize>()).max().unwrap();
    for (index, url) in members.urls.iter().enumerate() {
        let deadline = Instant::now() + LONG;
        while orders[index].iter().map(Vec::len).sum::<usize>() < longest {
            assert!(Instant::now() < deadline, "a member is behind for good\n{}", members.logs());
            tokio::time::sleep(Duration::from_millis(100)).await;
            orders[index] = decided(url).await;
        }
        for topic in &orders[index] {
            let once: HashSet<&String> = topic.iter().collect();
            assert_eq!(once.len(), topic.len(), "something was confirmed twice at {url}");
        }
    }
    for order in &orders[1..] {
        assert_eq!(order, &orders[0], "members have different orders");
    }
    assert!(longest >= accepted.len() && accepted.len() >= ROUNDS * 20);
}

/// Sends until told to stop. A request that got no answer is repeated under its key until it gets one.
async fn send(url: String, load: Arc<Load>) {
    let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
    while !load.stop.load(Ordering::Relaxed) {
        let number = load.numbers.fetch_add(1, Ordering::Relaxed);
        let key = format!("torture-{number}");
        let body = json!({
            "header": {"topics": [TOPICS[number % TOPICS.len()]]},
            "data": [{"value": {"number": number}}],
            "idempotencyKey": key,
        });
        let id = loop {
            let answer = http.post(format!("{url}/api/v1/messages/broadcast")).json(&body).send().await;
            let Ok(answer) = answer else {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            let status = answer.status().as_u16();
            let Ok(answer) = answer.json::<Value>().await else { continue };
            match status {
                202 => break answer["header"]["id"].as_str().unwrap().to_owned(),
                409 => {
                    let Ok(found) = http.get(format!("{url}/api/v1/messages?idempotencykey={key}")).send().await else {
                        continue;
                    };
                    let Ok(found) = found.json::<Value>().await else { continue };
                    if let Some(id) = found[0]["header"]["id"].as_str() {
                        break id.to_owned();
                    }
                }
                // Starting, or overloaded.
                412 | 429 | 503 => tokio::time::sleep(Duration::from_millis(20)).await,
                other => panic!("{url} answered {other}: {answer}"),
            }
        };
        load.accepted.lock().unwrap().push(id);
    }
}

/// The messages of each topic in the order of their events. A rejection would be a failure of its own.
async fn decided(url: &str) -> Vec<Vec<String>> {
    let mut topics = Vec::new();
    for topic in TOPICS {
        let (mut ids, mut last) = (Vec::new(), -1);
        loop {
            let query = format!("topic={topic}&type=^message_&sequence=>{last}&sort=sequence&limit=500");
            let Ok(page) = reqwest::get(format!("{url}/api/v1/events?{query}")).await else { break };
            let page: Value = page.json().await.unwrap();
            let page = page.as_array().unwrap_or_else(|| panic!("{page}"));
            let Some(end) = page.last() else { break };
            last = end["sequence"].as_i64().unwrap();
            for event in page {
                assert_eq!(event["type"], "message_confirmed", "{event}");
                ids.push(event["reference"].as_str().unwrap().to_owned());
            }
        }
        topics.push(ids);
    }
    topics
}

async fn until(what: &str, members: &Members, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + LONG;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not in time\n{}", members.logs());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
