//! A large private file whose sender or receiver is killed in the middle. What was there is not sent again, and what arrives is
//! what was pinned.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    gate::Gate,
    members::{Members, ports},
};

const MIB: u64 = 1 << 20;
/// Size of the file.
const SIZE: u64 = 64 * MIB;
/// Where it stands still.
const MIDDLE: u64 = SIZE / 2;
/// What must have been proved by then, in chunks of 4 MiB.
const PROVED: u64 = 6;
/// What is lost with a process: the chunk that was arriving, and what was in buffers on the way.
const LOST: u64 = 12 * MIB;
const LONG: Duration = Duration::from_secs(120);

/// The sender is the first member, the receiver the second one.
const SENDER: usize = 0;
const RECEIVER: usize = 1;

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_receiver_is_sent_the_rest() {
    let pair = Pair::new().await;
    let sent = pair.half_way().await;
    let before = pair.gate.passed();
    pair.kill_and_start(RECEIVER);
    sent.arrives(&pair).await;
    pair.check_cost(pair.gate.passed() - before);
    let sent = pair.carried(SENDER, "sent").await;
    assert!((SIZE..SIZE + LOST).contains(&sent), "the sender counts {sent} bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_sender_sends_the_rest() {
    let pair = Pair::new().await;
    let sent = pair.half_way().await;
    let before = pair.gate.passed();
    pair.kill_and_start(SENDER);
    sent.arrives(&pair).await;
    pair.check_cost(pair.gate.passed() - before);
    let received = pair.carried(RECEIVER, "received").await;
    assert!((SIZE..SIZE + LOST).contains(&received), "the receiver counts {received} bytes");
    let sent = pair.carried(SENDER, "sent").await;
    assert!((1..SIZE - PROVED * 4 * MIB + LOST).contains(&sent), "since its start the sender counts {sent} bytes");
}

/// Two members, and a gate before the exchange of the receiver.
struct Pair {
    members: Members,
    gate: Gate,
}

impl Pair {
    async fn new() -> Self {
        let mut members = Members::up(2, &[]);
        // Until the gate listens where the member did, nobody else may.
        let _ports = ports();
        members.kill(RECEIVER);
        let config = members.dir().join(format!("runtime/config/firefly_core_{RECEIVER}.yml"));
        let (announced, behind) = move_exchange(&config);
        let gate = Gate::between(announced, behind);
        tokio::task::block_in_place(|| members.start());
        Self { members, gate }
    }

    /// Sends a file, and waits until it stands in the middle.
    async fn half_way(&self) -> Sent {
        let sent = Sent::upload(&self.members.urls[SENDER]).await;
        self.gate.allow(MIDDLE);
        sent.send(&self.members.urls[SENDER]).await;
        until("half of the file is there", &self.members, async || self.proved() >= PROVED).await;
        sent
    }

    /// Chunks of a file that the receiver has on its disk, with their proofs.
    fn proved(&self) -> u64 {
        let incoming = self.members.dir().join(format!("runtime/data/member_{RECEIVER}/exchange/incoming"));
        let files = std::fs::read_dir(incoming).unwrap().flatten().map(|file| file.path());
        let journals = files.filter(|path| path.extension().is_some_and(|extension| extension == "journal"));
        let lines = journals.map(|path| std::fs::read_to_string(path).unwrap_or_default().lines().count() as u64);
        lines.map(|lines| lines.saturating_sub(1)).sum()
    }

    /// Kills a member in the middle, opens the gate, and starts it again.
    fn kill_and_start(&self, member: usize) {
        let _ports = ports();
        self.members.kill(member);
        self.gate.allow(u64::MAX / 2);
        tokio::task::block_in_place(|| drop(self.members.start_again()));
    }

    /// What passed after the kill is what was lacking then, not all of it.
    fn check_cost(&self, passed: u64) {
        let lacking = SIZE - PROVED * 4 * MIB;
        assert!(passed < lacking + LOST, "{passed} bytes passed after the kill, {lacking} at most were lacking");
    }

    /// What the exchange of a member says it has carried since its start.
    async fn carried(&self, member: usize, direction: &str) -> u64 {
        let config = self.members.dir().join(format!("runtime/config/firefly_core_{member}.yml"));
        let config = std::fs::read_to_string(config).unwrap();
        let monitoring = config.split("monitoring:").nth(1).unwrap();
        let port = monitoring.split("port: ").nth(1).unwrap().lines().next().unwrap();
        let text = reqwest::get(format!("http://127.0.0.1:{port}/metrics")).await.unwrap().text().await.unwrap();
        let name = format!("photinus_exchange_blob_bytes{{direction=\"{direction}\",ns=\"default\"}} ");
        let found = text.lines().find_map(|line| line.strip_prefix(&name));
        found.unwrap_or_else(|| panic!("{name} is missing in\n{text}")).parse().unwrap()
    }
}

/// Lets the exchange of a member listen elsewhere than it is announced; where it is announced, and where it will listen.
fn move_exchange(config: &Path) -> (u16, u16) {
    let text = std::fs::read_to_string(config).unwrap();
    let (before, section) = text.split_once("https:\n").unwrap();
    let (head, rest) = section.split_once("port: ").unwrap();
    let (announced, rest) = rest.split_once('\n').unwrap();
    let behind = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let endpoint = format!("endpoint: \"https://127.0.0.1:{announced}\"");
    let moved = format!("{before}https:\n{head}port: {behind}\n        {endpoint}\n{rest}");
    std::fs::write(config, moved).unwrap();
    (announced.parse().unwrap(), behind)
}

/// A file at its sender.
struct Sent {
    data: String,
    hash: String,
}

impl Sent {
    async fn upload(url: &str) -> Self {
        // Bytes that do not repeat within the file, and are not kept here.
        let piece = |at: u64| Sha256::digest(at.to_be_bytes()).repeat(MIB as usize / 32);
        let pieces = stream::iter(0..SIZE / MIB).map(move |at| Ok::<_, std::io::Error>(piece(at)));
        let file = reqwest::multipart::Part::stream(reqwest::Body::wrap_stream(pieces)).file_name("large");
        let form = reqwest::multipart::Form::new().part("file", file);
        let sent = reqwest::Client::new().post(format!("{url}/api/v1/data")).multipart(form).send().await.unwrap();
        let data: Value = sent.json().await.unwrap();
        let text = |at: &str| data.pointer(at).and_then(Value::as_str).unwrap_or_else(|| panic!("{data}")).to_owned();
        let mut hasher = Sha256::new();
        (0..SIZE / MIB).for_each(|at| hasher.update(piece(at)));
        assert_eq!(text("/blob/hash"), hex::encode(hasher.finalize()));
        Self { data: text("/id"), hash: text("/blob/hash") }
    }

    async fn send(&self, url: &str) {
        let body = json!({
            "header": {"topics": ["large"]},
            "group": {"members": [{"identity": "org_1"}]},
            "data": [{"id": self.data}],
        });
        let url = format!("{url}/api/v1/messages/private");
        let sent = reqwest::Client::new().post(url).json(&body).send().await.unwrap();
        assert_eq!(sent.status(), 202, "{}", sent.text().await.unwrap());
    }

    /// Waits until both members have confirmed the message, and reads the file at the receiver.
    async fn arrives(&self, pair: &Pair) {
        for url in &pair.members.urls {
            let messages = format!("{url}/api/v1/messages?topics=large&state=confirmed");
            until("the message is confirmed", &pair.members, async || {
                let Ok(found) = reqwest::get(&messages).await else { return false };
                found.json::<Value>().await.is_ok_and(|found| !found[0].is_null())
            })
            .await;
        }
        let url = format!("{}/api/v1/data/{}", pair.members.urls[RECEIVER], self.data);
        let data: Value = reqwest::get(&url).await.unwrap().json().await.unwrap();
        assert_eq!(data["blob"]["hash"], self.hash, "what is pinned");
        let mut content = reqwest::get(format!("{url}/blob")).await.unwrap().bytes_stream();
        let mut hasher = Sha256::new();
        while let Some(piece) = content.next().await {
            hasher.update(piece.unwrap());
        }
        assert_eq!(hex::encode(hasher.finalize()), self.hash, "what is there");
    }
}

async fn until(what: &str, members: &Members, holds: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + LONG;
    while !holds().await {
        assert!(Instant::now() < deadline, "{what}: not in time\n{}", members.logs());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
