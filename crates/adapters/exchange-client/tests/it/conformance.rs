//! The promises of the port, between two members that each keep a data exchange of FireFly's kind.

use std::sync::Arc;

use async_trait::async_trait;
use photinus_ports::{blobs::BlobStore, exchange::DataExchange};
use photinus_standins::sidecar::{Manners, Sidecar, Wires};
use photinus_testkit::conformance::exchange::{Promises, Rig, Side, check};

use crate::member::{Member, options};

struct Beside {
    sidecars: [Sidecar; 2],
    left: Member,
    right: Option<Member>,
    acknowledges: bool,
}

impl Beside {
    fn new(manners: Manners) -> Self {
        let wires = Wires::default();
        let sidecars = ["org_a", "org_b"].map(|id| Sidecar::new(id, &wires, manners));
        let member = |sidecar: &Sidecar| {
            let mut options = options(sidecar.url());
            options.manifest = manners.acknowledges;
            options.init = manners.init;
            Member::start(options)
        };
        let (left, right) = (member(&sidecars[0]), member(&sidecars[1]));
        Self { sidecars, left, right: Some(right), acknowledges: manners.acknowledges }
    }

    fn member(&self, side: Side) -> &Member {
        match side {
            Side::Left => &self.left,
            Side::Right => self.right.as_ref().unwrap(),
        }
    }
}

#[async_trait]
impl Rig for Beside {
    fn promises(&self) -> Promises {
        let stored = self.acknowledges;
        Promises { stored, refusals: false, questions: false, message: Some(1 << 20) }
    }

    fn exchange(&self, side: Side) -> Arc<dyn DataExchange> {
        Arc::new(self.member(side).handle.clone())
    }

    fn blobs(&self, side: Side) -> Arc<dyn BlobStore> {
        Arc::new(self.member(side).blobs.clone())
    }

    async fn cut(&mut self) {
        self.sidecars[1].stop();
    }

    async fn mend(&mut self) {
        self.sidecars[1].start();
    }

    async fn restart(&mut self) {
        self.sidecars[1].stop();
        let restarted = self.right.take().unwrap().restart().await;
        self.right = Some(restarted);
        self.sidecars[1].start();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_a_data_exchange_the_promises_are_kept() {
    let mut rig = Beside::new(Manners::default());
    check(&mut rig).await;
    // Nothing of what was sent stays behind with the process.
    let blobs: Vec<String> = rig.sidecars[0].disk.blobs.lock().keys().cloned().collect();
    assert!(blobs.is_empty(), "{blobs:?}");
}
