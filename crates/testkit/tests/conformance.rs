//! The fakes keep the promises of the ports, as what they stand for does.

use std::sync::Arc;

use async_trait::async_trait;
use photinus_ports::{blobs::BlobStore, exchange::DataExchange};
use photinus_testkit::{
    blobs::Blobs,
    conformance::{
        self,
        exchange::{NODE, Promises, Rig, Side},
    },
    exchange::{Exchange, Fabric},
    storage::Storage,
};

struct Memory {
    fabric: Arc<Fabric>,
    members: [(Arc<Exchange>, Arc<Blobs>); 2],
}

impl Memory {
    fn of(&self, side: Side) -> &(Arc<Exchange>, Arc<Blobs>) {
        &self.members[usize::from(side == Side::Right)]
    }

    fn down(&self, down: bool) {
        let node = photinus_ports::peers::PeerId(format!("org_b/{NODE}"));
        self.fabric.faults(&node, |faults| faults.down = down);
    }
}

#[async_trait]
impl Rig for Memory {
    fn promises(&self) -> Promises {
        Promises { stored: true, refusals: true, questions: true, message: None }
    }

    fn exchange(&self, side: Side) -> Arc<dyn DataExchange> {
        self.of(side).0.clone()
    }

    fn blobs(&self, side: Side) -> Arc<dyn BlobStore> {
        self.of(side).1.clone()
    }

    async fn cut(&mut self) {
        self.down(true);
    }

    async fn mend(&mut self) {
        self.down(false);
    }

    async fn restart(&mut self) {
        self.of(Side::Right).0.detach();
    }
}

#[tokio::test]
async fn the_data_exchange_in_memory_keeps_its_promises() {
    let fabric = Fabric::new();
    let member = |id: &str| {
        let blobs: Arc<Blobs> = Arc::default();
        (fabric.member(id, Arc::clone(&blobs)), blobs)
    };
    let members = [member("org_a"), member("org_b")];
    conformance::exchange::check(&mut Memory { fabric: Arc::clone(&fabric), members }).await;
}

#[tokio::test]
async fn the_storage_in_memory_keeps_its_promises() {
    conformance::storage::check(&*Storage::new().member()).await;
}
