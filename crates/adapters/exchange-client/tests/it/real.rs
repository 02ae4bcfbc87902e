//! The same promises with FireFly's own data exchange in the place of the small server, and with a node of this project on the
//! other side. `PHOTINUS_SIDECAR` names the folder of a built `firefly-dataexchange-https`; Node.js runs it.

use std::{
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use photinus_exchange_https::Identity;
use photinus_ports::{blobs::BlobStore, clock, exchange::DataExchange, ids};
use photinus_storage_local::blobs::Blobs;
use photinus_testkit::conformance::exchange::{Promises, Rig, Side, check};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::member::{Member, options};

fn free() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A process of FireFly's data exchange.
struct Real {
    dir: tempfile::TempDir,
    api: SocketAddr,
    child: Option<Child>,
}

impl Real {
    fn start(id: &str) -> Self {
        let (dir, api, p2p) = (tempfile::tempdir().unwrap(), free(), free());
        Identity::load_or_create(dir.path(), id, "127.0.0.1").unwrap();
        std::fs::create_dir(dir.path().join("peer-certs")).unwrap();
        let config = serde_json::json!({
            "api": {"hostname": "127.0.0.1", "port": api.port()},
            "p2p": {"hostname": "127.0.0.1", "port": p2p.port(), "endpoint": format!("https://{p2p}")},
        });
        std::fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
        let mut real = Self { dir, api, child: None };
        real.run();
        real
    }

    fn run(&mut self) {
        let built =
            PathBuf::from(std::env::var_os("PHOTINUS_SIDECAR").expect("PHOTINUS_SIDECAR")).join("build/index.js");
        let child =
            Command::new("node").arg(built).env("DATA_DIRECTORY", self.dir.path()).stdout(Stdio::null()).spawn();
        self.child = Some(child.unwrap());
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A node of this project, which needs no process beside it.
struct Embedded {
    handle: photinus_exchange_https::Handle,
    blobs: Blobs,
    options: photinus_exchange_https::Options,
    dir: Arc<tempfile::TempDir>,
    running: Option<(tokio::task::JoinHandle<()>, DropGuard)>,
}

impl Embedded {
    async fn start(id: &str) -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let mut options = photinus_exchange_https::Options::new(dir.path().join("exchange"), id);
        options.limits.max_back_off = Duration::from_millis(200);
        let blobs = Blobs::open(dir.path().join("blobs"), Arc::new(ids::Random)).unwrap();
        Self::on(dir, options, blobs).await
    }

    async fn on(dir: Arc<tempfile::TempDir>, mut options: photinus_exchange_https::Options, blobs: Blobs) -> Self {
        let service = photinus_exchange_https::Service::bind(options.clone(), Arc::new(clock::System)).await.unwrap();
        options.listen = service.address();
        let handle = service.handle();
        handle.keep_blobs_in(Arc::new(blobs.clone()));
        let stop = CancellationToken::new();
        let running = tokio::spawn(service.run(stop.clone()));
        Self { handle, blobs, options, dir, running: Some((running, stop.drop_guard())) }
    }

    async fn stop(&mut self) {
        if let Some((running, stop)) = self.running.take() {
            drop(stop);
            running.await.unwrap();
        }
    }
}

enum Kind {
    Beside(Real, Option<Member>),
    Embedded(Embedded),
}

impl Kind {
    fn beside(id: &str) -> Self {
        let real = Real::start(id);
        let member = Member::start(options(format!("http://{}", real.api)));
        Self::Beside(real, Some(member))
    }
}

struct Mixed {
    left: Kind,
    right: Kind,
}

impl Mixed {
    fn of(&self, side: Side) -> &Kind {
        match side {
            Side::Left => &self.left,
            Side::Right => &self.right,
        }
    }
}

#[async_trait]
impl Rig for Mixed {
    fn promises(&self) -> Promises {
        // A refusal of a node of this project reaches the sender, whatever that is.
        let refusals = matches!(self.right, Kind::Embedded(_));
        Promises { stored: false, refusals, questions: false, message: Some(1 << 20) }
    }

    fn exchange(&self, side: Side) -> Arc<dyn DataExchange> {
        match self.of(side) {
            Kind::Beside(_, member) => Arc::new(member.as_ref().unwrap().handle.clone()),
            Kind::Embedded(node) => Arc::new(node.handle.clone()),
        }
    }

    fn blobs(&self, side: Side) -> Arc<dyn BlobStore> {
        match self.of(side) {
            Kind::Beside(_, member) => Arc::new(member.as_ref().unwrap().blobs.clone()),
            Kind::Embedded(node) => Arc::new(node.blobs.clone()),
        }
    }

    async fn cut(&mut self) {
        match &mut self.right {
            Kind::Beside(real, _) => real.kill(),
            Kind::Embedded(node) => node.stop().await,
        }
    }

    async fn mend(&mut self) {
        match &mut self.right {
            Kind::Beside(real, _) => real.run(),
            Kind::Embedded(node) => {
                *node = Embedded::on(Arc::clone(&node.dir), node.options.clone(), node.blobs.clone()).await;
            }
        }
    }

    async fn restart(&mut self) {
        self.cut().await;
        if let Kind::Beside(_, member) = &mut self.right {
            *member = Some(member.take().unwrap().restart().await);
        }
        self.mend().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs FireFly's data exchange: PHOTINUS_SIDECAR names the folder where it was built"]
async fn two_clients_keep_the_promises_with_the_real_one() {
    check(&mut Mixed { left: Kind::beside("org_a"), right: Kind::beside("org_b") }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs FireFly's data exchange: PHOTINUS_SIDECAR names the folder where it was built"]
async fn a_client_of_the_real_one_reaches_a_node_without() {
    check(&mut Mixed { left: Kind::beside("org_a"), right: Kind::Embedded(Embedded::start("org_b").await) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs FireFly's data exchange: PHOTINUS_SIDECAR names the folder where it was built"]
async fn a_node_without_reaches_a_client_of_the_real_one() {
    check(&mut Mixed { left: Kind::Embedded(Embedded::start("org_a").await), right: Kind::beside("org_b") }).await;
}
