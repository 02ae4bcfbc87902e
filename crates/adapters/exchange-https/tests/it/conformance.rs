//! The promises of the port, between two nodes.

use std::sync::Arc;

use async_trait::async_trait;
use photinus_ports::{blobs::BlobStore, exchange::DataExchange, ids};
use photinus_storage_local::blobs::Blobs;
use photinus_testkit::conformance::exchange::{Promises, Rig, Side, check};

use crate::node::Node;

struct Two {
    left: (Node, Blobs),
    right: Option<(Node, Blobs)>,
    /// What is left of the right one while it is away.
    away: Option<(tempfile::TempDir, photinus_exchange_https::Options, Blobs)>,
}

/// A node with its blobs.
async fn node(id: &str) -> (Node, Blobs) {
    let node = Node::new(id).await;
    let blobs = Blobs::open(node.dir.path().join("blobs"), Arc::new(ids::Random)).unwrap();
    node.handle.keep_blobs_in(Arc::new(blobs.clone()));
    (node, blobs)
}

impl Two {
    fn of(&self, side: Side) -> &(Node, Blobs) {
        match side {
            Side::Left => &self.left,
            Side::Right => self.right.as_ref().unwrap(),
        }
    }
}

#[async_trait]
impl Rig for Two {
    fn promises(&self) -> Promises {
        Promises { stored: true, refusals: true, questions: true, message: Some(1 << 20) }
    }

    fn exchange(&self, side: Side) -> Arc<dyn DataExchange> {
        Arc::new(self.of(side).0.handle.clone())
    }

    fn blobs(&self, side: Side) -> Arc<dyn BlobStore> {
        Arc::new(self.of(side).1.clone())
    }

    async fn cut(&mut self) {
        let (node, blobs) = self.right.take().unwrap();
        let (dir, options) = node.stop().await;
        self.away = Some((dir, options, blobs));
    }

    async fn mend(&mut self) {
        let (dir, options, blobs) = self.away.take().unwrap();
        let node = Node::on(dir, options).await;
        node.handle.keep_blobs_in(Arc::new(blobs.clone()));
        self.right = Some((node, blobs));
    }

    async fn restart(&mut self) {
        self.cut().await;
        self.mend().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn between_two_nodes_the_promises_are_kept() {
    check(&mut Two { left: node("org_a").await, right: Some(node("org_b").await), away: None }).await;
}
