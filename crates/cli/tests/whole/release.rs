//! A stranger pins what is nowhere, on a real chain, and two of three organisations release it.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{chain::packages, members::Members};

const LONG: Duration = Duration::from_secs(60);

/// Pins a batch without payload on a topic, with an account that belongs to nobody.
const STRANGER: &str = r#"
const { ethers } = require("ethers");
const [url, address, topic] = process.argv.slice(1);
(async () => {
  const provider = new ethers.JsonRpcProvider(url);
  const accounts = await provider.listAccounts();
  const abi = ["function pinBatch(bytes32 uuids, bytes32 batchHash, string payloadRef, bytes32[] contexts)"];
  const contract = new ethers.Contract(address, abi, accounts[accounts.length - 1]);
  const random = () => ethers.hexlify(ethers.randomBytes(32));
  const context = ethers.sha256(ethers.toUtf8Bytes(topic));
  const pinned = await contract.pinBatch(random(), random(), "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG", [context]);
  await pinned.wait();
  provider.destroy();
})();
"#;

fn pin_nothing(chain: &str, contract: &str, topic: &str) {
    let output = Command::new("node")
        .args(["-e", STRANGER, chain, contract, topic])
        .env("NODE_PATH", packages().join("node_modules"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// `photinus release` and what it answers.
fn release(url: &str, position: &str, more: &[&str]) -> Result<Value, String> {
    let output = Command::new(Path::new(env!("CARGO_BIN_EXE_photinus")))
        .args(["-o", "json", "release", position, "--url", url])
        .args(more)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    if output.status.success() {
        return Ok(serde_json::from_slice(&output.stdout).unwrap());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

async fn get(url: &str, path: &str) -> Value {
    let answer = reqwest::get(format!("{url}/api/v1/{path}")).await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
    answer.json().await.unwrap()
}

/// Looks until the answer is as it should be.
async fn until(members: &Members, url: &str, path: &str, is: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + LONG;
    loop {
        let found = get(url, path).await;
        if is(&found) {
            return found;
        }
        assert!(Instant::now() < deadline, "{url} {path}: {found}\n{}", members.logs());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The topic as it is told to wait.
fn waits<'a>(blocked: &'a Value, topic: &str) -> Option<&'a Value> {
    blocked.as_array().unwrap().iter().find(|blocked| blocked["topic"] == topic && blocked["waitsFor"].is_object())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_three_release_what_a_stranger_pinned() {
    let members = Members::up(3, &[]);
    let (urls, chain) = (&members.urls, members.chain());
    let status = get(&urls[0], "status").await;
    let contract = status["multiparty"]["contract"]["active"]["location"]["address"].as_str().unwrap();
    pin_nothing(&chain, contract, "bills");
    let body = json!({ "header": { "topics": ["bills"] }, "data": [{ "value": "behind it" }] });
    let sent = reqwest::Client::new().post(format!("{}/api/v1/messages/broadcast", urls[2])).json(&body).send();
    let sent: Value = sent.await.unwrap().json().await.unwrap();
    let message = format!("messages/{}", sent["header"]["id"].as_str().unwrap());
    // Every member tells where it stands, and of the message that it waits for that.
    let mut positions = Vec::new();
    for url in urls {
        let blocked = until(&members, url, "status/topics", |blocked| waits(blocked, "bills").is_some()).await;
        let blocked = waits(&blocked, "bills").unwrap();
        assert_eq!(blocked["waitsFor"]["kind"], "content", "{blocked}");
        positions.push(blocked["position"].as_str().unwrap().to_owned());
        let why = until(&members, url, &format!("{message}/why"), |why| why["waitsFor"][1]["kind"] == "content").await;
        assert_eq!(
            (&why["waitsFor"][0]["kind"], &why["waitsFor"][1]["position"]),
            (&json!("earlier"), &blocked["position"])
        );
        let missing = until(&members, url, "status", |status| status["fetches"]["missing"] == 1).await;
        assert_eq!(missing["fetches"]["sources"], 1, "{missing}");
    }
    assert!(positions.iter().all(|position| *position == positions[0]), "{positions:?}");
    let position = positions.swap_remove(0);
    // One vote is counted and is not enough; nor are two of one organisation.
    let first = release(&urls[0], &position, &[]).unwrap();
    assert_eq!((&first["undecided"], &first["electorate"], &first["votes"]), (&json!(1), &json!(3), &json!([])));
    let votes = |count: usize| {
        let path = "blockchainevents?limit=100";
        let is_vote = |record: &&Value| record["output"]["namespace"] == "firefly:release";
        let of = move |records: &Value| records.as_array().unwrap().iter().filter(is_vote).count() == count;
        (path, of)
    };
    let (path, one) = votes(1);
    for url in urls {
        let records = until(&members, url, path, one).await;
        let vote = records.as_array().unwrap().iter().find(|record| record["output"]["namespace"] == "firefly:release");
        // It is an action of FireFly's contract like any other.
        let vote = vote.unwrap();
        assert_eq!((&vote["name"], &vote["output"]["payloadRef"]), (&json!("BatchPin"), &json!(position)));
    }
    assert_eq!(release(&urls[0], &position, &[]).unwrap()["votes"].as_array().unwrap().len(), 1);
    let (path, two) = votes(2);
    until(&members, &urls[2], path, two).await;
    assert_eq!(get(&urls[2], &message).await["state"], "sent");
    // The second organisation decides it, for all three alike.
    release(&urls[1], &position, &[]).unwrap();
    for url in urls {
        until(&members, url, &message, |message| message["state"] == "confirmed").await;
        let told = get(url, "events?topic=photinus_released").await;
        let told = told.as_array().unwrap();
        assert_eq!(told.len(), 1, "{told:?}");
        let record = get(url, &format!("blockchainevents/{}", told[0]["reference"].as_str().unwrap())).await;
        assert_eq!(record["protocolId"], position.as_str());
        until(&members, url, "status/topics", |blocked| blocked == &json!([])).await;
        let open = get(url, "pins?dispatched=false").await;
        assert_eq!(open, json!([]), "no pin is left open");
    }
    // Who comes too late is told so.
    let late = release(&urls[2], &position, &[]).unwrap_err();
    assert!(late.contains("FF10109"), "{late}");
    // Of what is decided here, a vote is cast only for others, who may wait.
    let events = get(&urls[2], "blockchainevents?limit=100").await;
    let decided = events.as_array().unwrap().iter().find(|event| event["tx"]["type"] == "batch_pin").unwrap();
    let decided = decided["protocolId"].as_str().unwrap();
    let alike = release(&urls[2], decided, &[]).unwrap_err();
    assert!(alike.contains("FF10109") && alike.contains("forOthers"), "{alike}");
    let cast = release(&urls[2], decided, &["--for-others"]).unwrap();
    assert_eq!((&cast["position"], &cast["undecided"]), (&json!(decided), &json!(0)), "{cast}");
    let (path, four) = votes(4);
    until(&members, &urls[0], path, four).await;
    let nonsense = release(&urls[2], "1/2", &["--for-others"]).unwrap_err();
    assert!(nonsense.contains("FF00112"), "{nonsense}");
}
