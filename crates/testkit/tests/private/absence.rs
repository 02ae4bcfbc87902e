//! A member that is switched off for long while the others go on: they are not held up, it is told who is behind, and everything
//! arrives in the end, in order.

use bytes::Bytes;
use photinus_engine::data::Fields;
use photinus_model::{Uuid, message};
use photinus_ports::stream;
use photinus_testkit::network::{DEADLINE, Member};
use serde_json::json;

use crate::inputs::{
    all_confirmed, decisions_on, input, message, registered, sent, unpinned, until_final, until_nothing_is_owed,
};

/// Messages of each kind; files are a tenth.
const MANY: usize = 120;

async fn broadcast(member: &Member, number: usize) -> Uuid {
    let body = json!({ "header": { "topics": ["open"] }, "data": [{ "value": number }] });
    let input: message::Input = serde_json::from_str(&body.to_string()).unwrap();
    member.namespace().broadcast(input, None).await.unwrap().header.id
}

async fn file(member: &Member, number: usize) -> Uuid {
    let content = stream::once(Bytes::from(format!("file {number} {}", "x".repeat(5_000))));
    let received = member.namespace().receive_blob(Fields::default(), content).await.unwrap();
    let data = member.namespace().keep_blob(received).await.unwrap();
    let body = json!({
        "header": { "topics": ["files"] },
        "group": { "members": [{ "identity": "org_1" }, { "identity": "org_2" }] },
        "data": [{ "id": data.id }],
    });
    sent(member, input(&body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_was_off_for_long_gets_everything_in_order() {
    let mut network = registered(3).await;
    // Less than what is owed to the member that is off is held in memory.
    network.members[0].stop().await;
    network.members[0].options.delivery.queue = 10;
    network.members[0].options.delivery.memory = 20_000;
    network.members[0].start().await;
    network.members[2].stop().await;
    let [sender, alive, _] = &network.members[..] else { panic!("three members") };
    let (mut open, mut private, mut quick, mut files) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for number in 0..MANY {
        open.push(broadcast(sender, number).await);
        private.push(sent(sender, message(&[0, 1, 2], "private", number)).await);
        quick.push(sent(sender, unpinned(&[0, 1, 2], "quick", number)).await);
        if number % 10 == 0 {
            files.push(file(sender, number).await);
        }
    }
    // Who is there has everything, while nothing of it reached the other.
    for ids in [&open, &private, &quick, &files] {
        until_final(alive, ids).await;
    }
    let behind = |status: photinus_engine::status::Status| {
        let peers = status.exchange.peers;
        // Nobody is listed to whom nothing was sent since the start, and nothing is owed.
        let one = |name: &str| peers.iter().find(|peer| peer.name == name).cloned();
        (one("node_1").map_or(0, |peer| peer.behind), one("node_2").unwrap())
    };
    sender
        .until("nothing to be owed to the member that is there", |_| async {
            behind(sender.namespace().status().await.unwrap()).0 == 0
        })
        .await;
    let (_, off) = behind(sender.namespace().status().await.unwrap());
    // Messages may share a batch; every file is owed by itself.
    let most = 2 * MANY + 2 * files.len() + 1;
    assert!(off.behind as usize > files.len() && off.behind as usize <= most, "{off:?}");
    assert!(off.since.is_some() && off.last_error.is_some(), "{off:?}");
    assert_eq!(sender.namespace().vitals().behind.iter().map(|(_, count)| *count).max(), Some(off.behind));
    // What it is told of is no less after the one who owes it was off, too.
    network.members[0].crash().await;
    network.members[0].start().await;
    let sender = &network.members[0];
    let (_, again) = behind(sender.namespace().status().await.unwrap());
    assert_eq!((again.behind, again.since), (off.behind, off.since));
    network.members[2].start().await;
    let [sender, alive, back] = &network.members[..] else { panic!("three members") };
    for ids in [&open, &private, &quick, &files] {
        until_final(back, ids).await;
    }
    assert_eq!(decisions_on(back, "open").await, decisions_on(alive, "open").await);
    for (topic, ids) in [("open", &open), ("private", &private), ("files", &files)] {
        assert_eq!(decisions_on(back, topic).await, all_confirmed(ids), "{topic}");
    }
    tokio::time::timeout(DEADLINE, until_nothing_is_owed(sender)).await.unwrap();
    let (_, caught_up) = behind(sender.namespace().status().await.unwrap());
    assert_eq!((caught_up.behind, caught_up.since, caught_up.last_error), (0, None, None));
    network.stop().await;
}
