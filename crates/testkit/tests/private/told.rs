//! A member of a group that tells of what is not so: batches that are for others, or are nowhere, and groups without end.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use photinus_model::{
    Hash,
    group::{Group, Member as InGroup},
};
use photinus_ports::exchange::{DataExchange, ReceivedBlob, Receiver, Refusal, Route};
use photinus_testkit::{
    exchange::Parcel,
    network::{DEADLINE, Member, NAMESPACE, Network, peer},
};
use serde_json::{Value, json};

use crate::{
    forgery::{Forgery, inject, log, node, route},
    inputs::{all_confirmed, confirmed, decisions_on, message, registered, until_final},
};

/// Where the engine keeps what payloads it asks for, and what groups.
const REPAIRS: [u8; 2] = [10, 16];
/// Batches that the liar tells of with each group.
const LISTED: usize = 400;
/// Batches that are asked for at a time because one node told of them.
const MOST: usize = 500;

/// The second member's node, which tells of groups and what was sent to them, and gives nothing.
struct Liar {
    /// By the hash of the group.
    told: HashMap<String, Bytes>,
    /// Questions for batches.
    questions: AtomicUsize,
}

#[async_trait]
impl Receiver for Liar {
    async fn message(&self, _route: &Route, _payload: Bytes) -> Result<String, Refusal> {
        Err(Refusal::Never("it takes nothing".to_owned()))
    }

    async fn admit_blob(&self, _route: &Route, _path: &str, _size: u64) -> Result<(), Refusal> {
        Err(Refusal::Never("it takes nothing".to_owned()))
    }

    async fn blob(&self, _blob: ReceivedBlob) -> Result<(), Refusal> {
        Err(Refusal::Never("it takes nothing".to_owned()))
    }

    async fn answer(&self, _route: &Route, question: Bytes) -> Result<Bytes, Refusal> {
        if let Some(told) = field(&question, "hash").and_then(|hash| self.told.get(&hash)) {
            return Ok(told.clone());
        }
        self.questions.fetch_add(1, Ordering::SeqCst);
        Err(Refusal::Never("nothing".to_owned()))
    }
}

fn field(question: &[u8], name: &str) -> Option<String> {
    let question: Value = serde_json::from_slice(question).unwrap();
    question[name].as_str().map(str::to_owned)
}

/// A group of all three that nobody was told of.
async fn unheard_of(network: &Network, name: &str) -> Group {
    let mut members = Vec::new();
    for index in 0..3 {
        let identity = format!("did:firefly:org/org_{index}");
        members.push(InGroup { identity, node: Some(node(&network.members[0], index).await) });
    }
    let mut group = Group {
        namespace: NAMESPACE.to_owned(),
        name: name.to_owned(),
        members,
        local_namespace: String::new(),
        message: None,
        hash: None,
        created: None,
    };
    group.hash = Some(group.identity_hash());
    group
}

async fn restart(member: &mut Member, expiry: Duration) {
    member.stop().await;
    member.options.delivery.repair = Duration::from_millis(2);
    member.options.delivery.early.expiry = expiry;
    member.start().await;
}

/// What is noted to be asked for: payloads, and groups.
async fn noted(member: &Member) -> (usize, usize) {
    let mut counts = [0; 2];
    for (count, space) in counts.iter_mut().zip(REPAIRS) {
        *count = member.store.kv_range(NAMESPACE, space, &[], None, 10_000).await.unwrap().len();
    }
    (counts[0], counts[1])
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_member_tells_of_is_bounded_and_bothers_nobody_else() {
    let mut network = registered(3).await;
    restart(&mut network.members[0], Duration::from_secs(3_600)).await;
    // Pins of others, with payloads that the first member has never seen.
    let (mut told, mut groups) = (HashMap::new(), Vec::new());
    for name in ["one", "another"] {
        let mut listed = Vec::new();
        for _ in 0..LISTED {
            let batch = Forgery::new(1, Hash::of("a group of others")).batch(&network.members[1], "theirs").await;
            network.ledger.inject(log(&batch));
            listed.push(json!({ "id": batch.id, "hash": batch.hash, "author": batch.author }));
        }
        let group = unheard_of(&network, name).await;
        let mut answer = serde_json::to_value(&group).unwrap();
        answer["batches"] = Value::Array(listed);
        groups.extend(group.hash);
        told.insert(groups[groups.len() - 1].to_string(), answer.to_string().into());
    }
    network.members[1].stop().await;
    let liar = Arc::new(Liar { told, questions: AtomicUsize::new(0) });
    let wire = network.fabric.member("peer_1", Arc::default());
    wire.receive(&peer(1), Arc::clone(&liar) as Arc<dyn Receiver>);
    // What came last on the ledger is decided: so are the pins before it.
    confirmed(&network.members[0], message(&[0], "else", 1)).await;
    for group in groups {
        let batch = Forgery::new(1, group).batch(&network.members[0], "hello").await;
        inject(&network, 1, 0, &batch).await.expect("it is taken");
    }

    let victim = &network.members[0];
    victim.until("it asks", |_| async { liar.questions.load(Ordering::SeqCst) > 2 * MOST }).await;
    victim.until("one group is asked for again", |_| async { noted(victim).await == (MOST, 1) }).await;
    let bothered = network.fabric.delivered().into_iter().any(
        |delivered| matches!(&delivered.what, Parcel::Question(question) if delivered.route == route(0, 2) && field(question, "question").as_deref() == Some("batch")),
    );
    assert!(!bothered, "another member was asked for what the liar made up");
    // Others are served meanwhile.
    network.fabric.faults(&peer(0), |faults| faults.refuse = Some("lost".into()));
    let lost = confirmed(&network.members[2], message(&[0, 2], "t", 2)).await.header.id;
    network.fabric.faults(&peer(0), |faults| faults.refuse = None);
    let next = confirmed(&network.members[2], message(&[0, 2], "t", 3)).await.header.id;
    until_final(victim, &[lost, next]).await;
    assert_eq!(decisions_on(victim, "t").await, all_confirmed(&[lost, next]));

    // Nobody gave it for as long as early content is kept.
    restart(&mut network.members[0], Duration::from_millis(1)).await;
    let victim = &network.members[0];
    let given_up = async {
        while noted(victim).await != (0, 0) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, given_up).await.expect("it is given up");
    network.stop().await;
}

/// Groups are asked for a few at a time; what is for more of them stays with its sender.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_writes_to_groups_without_end_is_told_to_wait() {
    let mut network = registered(3).await;
    restart(&mut network.members[0], Duration::from_secs(3_600)).await;
    network.fabric.faults(&peer(1), |faults| faults.down = true);
    let mut taken = Vec::new();
    let refused = loop {
        let batch = Forgery::new(1, Hash::of(taken.len().to_string())).batch(&network.members[1], "hello").await;
        match inject(&network, 1, 0, &batch).await {
            Ok(_) => taken.push(batch),
            Err(Refusal::Later(why)) => break (batch, why),
            Err(other) => panic!("{other:?}"),
        }
        assert!(taken.len() <= 200, "there is no end");
    };
    assert!(refused.1.contains("told of other groups"), "{}", refused.1);
    assert_eq!((taken.len(), noted(&network.members[0]).await.1), (200, 200));
    // What is for a group that is asked for already comes in, also from another node; so does what others write.
    let more = Forgery::new(1, Hash::of("7")).batch(&network.members[1], "again").await;
    inject(&network, 1, 0, &more).await.expect("it is asked for already");
    let other = Forgery::new(2, Hash::of("another")).batch(&network.members[2], "hello").await;
    inject(&network, 2, 0, &other).await.expect("it has its own room");
    network.stop().await;
}
