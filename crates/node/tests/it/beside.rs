//! Members that keep the processes that FireFly runs beside a node, in one network with members that do not.

use std::{
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use bytes::Bytes;
use photinus_devchain::{Chain, Options};
use photinus_engine::{Namespace, data::Fields};
use photinus_exchange_https::Identity;
use photinus_model::Uuid;
use photinus_ports::stream;
use photinus_standins::{
    kubo::Kubo,
    sidecar::{Papers, Sidecar},
};
use serde_json::{Value, json};

use crate::network::{DEADLINE, configurations, message_events, org, register, running, start};

/// Stores a file; the id of its data.
async fn upload(namespace: &Namespace, content: &Bytes) -> Uuid {
    let fields = Fields { filename: "file.bin".into(), ..Fields::default() };
    let received = namespace.receive_blob(fields, stream::once(content.clone())).await.unwrap();
    namespace.keep_blob(received).await.unwrap().id
}

/// A file's content at a member.
async fn download(namespace: &Namespace, id: Uuid) -> Bytes {
    let (_, size, content) = namespace.open_blob(id).await.unwrap();
    stream::collect(content, usize::try_from(size).unwrap()).await.unwrap()
}

fn body(text: &str, file: Option<Uuid>, to: Option<&str>) -> Value {
    let mut data = vec![json!({ "value": text })];
    data.extend(file.map(|id| json!({ "id": id })));
    let mut body = json!({"header": {"topics": ["t"]}, "data": data});
    if let Some(to) = to {
        body["group"] = json!({"members": [{ "identity": to }]});
    }
    body
}

/// Sends a message with a file, and waits until the sender has confirmed it; the id of the file's data.
async fn send(from: &Namespace, text: &str, content: &Bytes, to: Option<&str>) -> Uuid {
    let file = upload(from, content).await;
    let body = body(text, Some(file), to);
    match to {
        Some(_) => drop(from.send_private(serde_json::from_value(body).unwrap(), Some(DEADLINE)).await.unwrap()),
        None => drop(from.broadcast(serde_json::from_value(body).unwrap(), Some(DEADLINE)).await.unwrap()),
    }
    file
}

/// The ends of the messages on the tests' topic at a member, once there are so many.
async fn ends(member: &Namespace, count: usize) -> Vec<(String, String)> {
    let mut seen = 0;
    loop {
        let events = message_events(member, seen).await;
        seen = events.len() + 1;
        let on_topic = events.into_iter().filter(|(_, topic, _)| topic == "t");
        let ends: Vec<_> = on_topic.map(|(kind, _, message)| (message, kind)).collect();
        if ends.len() >= count {
            return ends;
        }
    }
}

/// Sends with files both ways, and checks that both members have the same messages, so many in all, and the files.
async fn both_ways(members: &[Namespace; 2], private: bool, total: usize) {
    let byte = |n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8;
    let content = |first: u32| Bytes::from((first..first + 700_000).map(byte).collect::<Vec<_>>());
    let mut files = Vec::new();
    for round in 0..2 {
        for (from, member) in members.iter().enumerate() {
            let to = private.then(|| org(1 - from));
            let content = content(round * 10 + u32::try_from(from).unwrap());
            files.push((send(member, &format!("{round} from {from}"), &content, to.as_deref()).await, content));
        }
    }
    let [mut expected, mut found] = [ends(&members[0], total).await, ends(&members[1], total).await];
    if private {
        // Of two authors nobody promises an order.
        expected.sort();
        found.sort();
    }
    assert!(expected.iter().all(|(_, kind)| kind == "message_confirmed"), "{expected:?}");
    assert_eq!(found, expected);
    for (file, content) in files {
        for member in members {
            assert!(download(member, file).await == content, "a file differs at {}", member.name());
        }
    }
}

fn on_ipfs(folder: &Path, kubo: &str) -> Value {
    json!([{"name": "files", "type": "ipfs", "ipfs": {
        "api": {"url": kubo}, "gateway": {"url": kubo}, "directory": folder,
    }}])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_on_ipfs_and_one_without_read_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, kubo) = (Chain::start(Options { port: 0, ..Options::default() }).await.unwrap(), Kubo::start().await);
    let mut settings = configurations(folder.path(), &chain).await;
    settings[0]["plugins"]["sharedstorage"] = on_ipfs(&folder.path().join("0/files"), &kubo.url());
    let nodes = [start(&settings[0]).await, start(&settings[1]).await];
    let members = [running(&nodes[0]).await, running(&nodes[1]).await];
    for member in &members {
        register(member).await;
    }
    both_ways(&members, false, 4).await;
    assert!(!kubo.pins().is_empty(), "what is published is kept there");
    // What was published while one was away is there for it when it comes back.
    let [on_ipfs, other] = members;
    drop(other);
    let [first, second] = nodes;
    second.stop().await;
    let content = Bytes::from_static(b"while it was away");
    let file = send(&on_ipfs, "while it was away", &content, None).await;
    let second = start(&settings[1]).await;
    let back = running(&second).await;
    assert_eq!(ends(&back, 5).await, ends(&on_ipfs, 5).await);
    assert_eq!(download(&back, file).await, content);
    first.stop().await;
    second.stop().await;
    chain.stop().await;
}

/// A member with all of FireFly's processes, and one with an embedded data exchange; both find contents in IPFS. In the end the
/// members are handed to `then`.
async fn beside_a_data_exchange(url: &str, then: impl AsyncFnOnce(&[Namespace; 2])) {
    let folder = tempfile::tempdir().unwrap();
    let (chain, kubo) = (Chain::start(Options { port: 0, ..Options::default() }).await.unwrap(), Kubo::start().await);
    let mut settings = configurations(folder.path(), &chain).await;
    for (index, settings) in settings.iter_mut().enumerate() {
        settings["plugins"]["sharedstorage"] = on_ipfs(&folder.path().join(format!("{index}/files")), &kubo.url());
    }
    settings[0]["plugins"]["dataexchange"] = json!([{"name": "dx", "type": "ffdx", "ffdx": { "url": url }}]);
    let nodes = [start(&settings[0]).await, start(&settings[1]).await];
    let members = [running(&nodes[0]).await, running(&nodes[1]).await];
    for member in &members {
        register(member).await;
    }
    both_ways(&members, false, 4).await;
    both_ways(&members, true, 8).await;
    then(&members).await;
    drop(members);
    for node in nodes {
        node.stop().await;
    }
    chain.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_beside_a_data_exchange_and_one_without_share_secrets() {
    let folder = tempfile::tempdir().unwrap();
    Identity::load_or_create(folder.path(), &org(0), "127.0.0.1").unwrap();
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let sidecar = Sidecar::on_the_wire(&org(0), Papers { certificate: read("cert.pem"), key: read("key.pem") });
    beside_a_data_exchange(&sidecar.url(), async |members| lies(&sidecar, members).await).await;
}

/// The process of the first member turns against the second: it repeats what was delivered, and delivers what was not sent.
async fn lies(sidecar: &Sidecar, members: &[Namespace; 2]) {
    let before = message_events(&members[1], 0).await;
    let sent = sidecar.process().sent.lock().clone();
    let [sender, recipient, truth] = sent.iter().rfind(|[.., message]| message.contains("1 from 0")).unwrap();
    let deliver = |sender: String, message: String| async move {
        let told = sidecar.process().deliver(&sender, recipient, &message).await;
        told.err().unwrap_or_default()
    };
    assert_eq!(deliver(sender.clone(), truth.clone()).await, "", "what was delivered before is no news");
    // Another payload of the same batch; what is no batch; another node's name.
    let other = deliver(sender.clone(), truth.replace("1 from 0", "9 from 0")).await;
    assert!(other.starts_with("404") && other.contains("hash"), "{other}");
    assert!(deliver(sender.clone(), "{}".to_owned()).await.starts_with("404"));
    let forged = deliver(format!("{}/node_1", org(0)), truth.clone()).await;
    assert!(forged.contains("Unknown sender destination"), "{forged}");
    send(&members[1], "still here", &Bytes::from_static(b"x"), Some(&org(0))).await;
    let after = message_events(&members[1], before.len() + 1).await;
    assert_eq!(after[..before.len()], before);
    assert_eq!(after.len(), before.len() + 1, "nothing came of it");
}

/// A process of FireFly's data exchange that ends with its value.
struct Real(Child);

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs FireFly's data exchange: PHOTINUS_SIDECAR names the folder where it was built"]
async fn so_do_they_beside_the_real_one() {
    let folder = tempfile::tempdir().unwrap();
    Identity::load_or_create(folder.path(), &org(0), "127.0.0.1").unwrap();
    std::fs::create_dir(folder.path().join("peer-certs")).unwrap();
    let free = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let (api, peers) = (free(), free());
    let config = json!({
        "api": {"hostname": "127.0.0.1", "port": api.port()},
        "p2p": {"hostname": "127.0.0.1", "port": peers.port(), "endpoint": format!("https://{peers}")},
    });
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let built = PathBuf::from(std::env::var_os("PHOTINUS_SIDECAR").unwrap()).join("build/index.js");
    let mut node = Command::new("node");
    let _real = Real(node.arg(built).env("DATA_DIRECTORY", folder.path()).stdout(Stdio::null()).spawn().unwrap());
    let listens = async {
        while tokio::net::TcpStream::connect(api).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(DEADLINE, listens).await.expect("it starts");
    beside_a_data_exchange(&format!("http://{api}"), async |_| ()).await;
}
