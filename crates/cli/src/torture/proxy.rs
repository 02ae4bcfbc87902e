//! A wire between two ports of this machine that can be cut: what stands between a member's exchange and the others.

use std::net::Ipv4Addr;

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// How the wire is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    /// Everything passes.
    Whole,
    /// Connections are closed at once.
    Refusing,
    /// Connections are taken, and nothing passes.
    Silent,
}

/// A wire. Cut for good when it is dropped.
pub(super) struct Proxy {
    wire: watch::Sender<Wire>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Listens on one port and connects to another.
    pub(super) async fn start(listen: u16, target: u16) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, listen)).await?;
        let (wire, state) = watch::channel(Wire::Whole);
        Ok(Self { wire, task: tokio::spawn(accept(listener, target, state)) })
    }

    /// Cuts or mends it.
    pub(super) fn set(&self, wire: Wire) {
        self.wire.send_replace(wire);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.wire.send_replace(Wire::Refusing);
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, target: u16, wire: watch::Receiver<Wire>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(pass(stream, target, wire.clone()));
            }
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
        }
    }
}

/// Serves one connection while the wire is whole. One that lives through a cut ends when the cut ends.
async fn pass(mut near: TcpStream, target: u16, mut wire: watch::Receiver<Wire>) {
    let now = *wire.borrow_and_update();
    match now {
        Wire::Refusing => {}
        Wire::Whole => {
            let Ok(mut far) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await else { return };
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut near, &mut far) => return,
                _ = wire.changed() => {}
            }
            // Both ends stay open and hear nothing, as behind a router that went away.
            held(&mut wire).await;
        }
        Wire::Silent => held(&mut wire).await,
    }
}

async fn held(wire: &mut watch::Receiver<Wire>) {
    // The sender being gone is an end too.
    let _ = wire.wait_for(|wire| *wire != Wire::Silent).await;
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// A port that answers every byte with the same byte.
    async fn echo() -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    tokio::io::copy(&mut read, &mut write).await
                });
            }
        });
        port
    }

    async fn echoes(stream: &mut TcpStream) -> bool {
        let mut byte = [0];
        let talk = async {
            stream.write_all(b"x").await?;
            stream.read_exact(&mut byte).await
        };
        matches!(tokio::time::timeout(Duration::from_millis(300), talk).await, Ok(Ok(1)))
    }

    #[tokio::test]
    async fn a_cut_wire_passes_nothing_and_a_mended_one_does() {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap().port();
        let proxy = Proxy::start(free, echo().await).await.unwrap();
        let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, free));
        let mut old = connect().await.unwrap();
        assert!(echoes(&mut old).await);
        for cut in [Wire::Silent, Wire::Refusing] {
            proxy.set(cut);
            assert!(!echoes(&mut old).await);
            assert!(!echoes(&mut connect().await.unwrap()).await);
        }
        proxy.set(Wire::Whole);
        assert!(echoes(&mut connect().await.unwrap()).await);
    }
}
