//! Three members' shared storages over real connections.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use photinus_model::cid;
use photinus_ports::{peers::Peers, storage::SharedStorage, stream};
use photinus_storage_local::{
    Options,
    shared::{Handle, Service},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::node::{Node, prepared};

struct Member {
    node: Node,
    storage: Handle,
    running: tokio::task::JoinHandle<()>,
    stop: DropGuard,
}

impl Member {
    async fn new(dir: tempfile::TempDir, options: photinus_exchange_https::Options) -> Self {
        let node = Node::on(dir, options).await;
        let shared = Options::new(node.dir.path().join("shared"));
        let service = Service::open(shared, Arc::new(node.handle.clone()) as Arc<dyn Peers>).unwrap();
        let storage = service.handle();
        let stop = CancellationToken::new();
        Self { node, storage, running: tokio::spawn(service.run(stop.clone())), stop: stop.drop_guard() }
    }

    async fn stop(self) {
        drop(self.stop);
        self.running.await.unwrap();
        self.node.stop().await;
    }

    async fn read(&self, reference: &str) -> Bytes {
        let content = self.storage.download(reference, 100 << 20).await.unwrap();
        stream::collect(content, 100 << 20).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_members_share_what_they_publish() {
    let prepared: Vec<_> = ["org_a", "org_b", "org_c"].map(prepared).into();
    let bootstrap: Vec<_> = prepared.iter().map(|(_, _, bootstrap)| bootstrap.clone()).collect();
    let mut members = Vec::new();
    for (dir, mut options, _) in prepared {
        options.bootstrap = bootstrap.clone();
        members.push(Member::new(dir, options).await);
    }
    // Nobody is registered yet: this is how the first claims of a network are read.
    let claim = Bytes::from_static(b"the first claim");
    let reference = members[0].storage.upload(claim.clone()).await.unwrap();
    for member in &members {
        assert_eq!(member.read(&reference).await, claim);
    }
    let large = Bytes::from((0..64 << 20).map(|i: u32| (i % 251) as u8).collect::<Vec<_>>());
    let reference = members[1].storage.upload_stream(stream::once(large.clone())).await.unwrap();
    assert_eq!(reference, cid::of(&large));
    let (a, c) = tokio::join!(members[0].read(&reference), members[2].read(&reference));
    assert!(a == large && c == large);

    // What its author can no longer give is had from others.
    let small = members[1].storage.upload(Bytes::from_static(b"left behind")).await.unwrap();
    assert_eq!(members[0].read(&small).await, "left behind");
    members.remove(1).stop().await;
    let (dir, late, boot) = crate::node::prepared("org_d");
    let mut options = late;
    options.bootstrap = bootstrap;
    let late = Member::new(dir, options).await;
    drop(boot);
    for member in &members {
        member.node.learn(&late.node).await;
        late.node.learn(&member.node).await;
    }
    assert_eq!(late.read(&small).await, "left behind");
    assert_eq!(late.read(&reference).await.len(), large.len());

    // Waiting for what is not there yet ends as soon as it is.
    let soon = cid::of(b"soon");
    let (read, _) = tokio::time::timeout(Duration::from_secs(20), async {
        tokio::join!(late.read(&soon), members[1].storage.upload(Bytes::from_static(b"soon")))
    })
    .await
    .unwrap();
    assert_eq!(read, "soon");
    late.stop().await;
    for member in members {
        member.stop().await;
    }
}
