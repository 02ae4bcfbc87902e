//! A wire between the adapter and a chain that can be cut.

use std::net::SocketAddr;

use parking_lot::Mutex;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// Forwards connections to one port.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    target: u16,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
    }
}

impl Proxy {
    pub(crate) async fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let proxy = Self { address, target, task: Mutex::default() };
        proxy.serve(listener);
        proxy
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn ws_url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Ends all connections and takes no new ones.
    pub(crate) fn cut(&self) {
        if let Some(task) = self.task.lock().take() {
            task.abort();
        }
    }

    /// Takes connections again.
    pub(crate) async fn mend(&self) {
        let wait = async {
            loop {
                // The port is free once the cut connections are gone.
                match TcpListener::bind(self.address).await {
                    Ok(listener) => return listener,
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        };
        let listener = tokio::time::timeout(crate::engine::DEADLINE, wait).await.expect("the port is free again");
        self.serve(listener);
    }

    fn serve(&self, listener: TcpListener) {
        let target = self.target;
        *self.task.lock() = Some(tokio::spawn(async move {
            // Connections end with this task.
            let mut connections = JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                connections.spawn(async move {
                    if let Ok(mut far) = TcpStream::connect(("127.0.0.1", target)).await {
                        let _ = near.set_nodelay(true);
                        let _ = far.set_nodelay(true);
                        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                    }
                });
                while connections.try_join_next().is_some() {}
            }
        }));
    }
}
