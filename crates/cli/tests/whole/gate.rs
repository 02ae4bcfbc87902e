//! A wire between two ports on which only so many bytes pass, so that a transfer stands still where a test wants it.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp},
    sync::watch,
};

/// The wire. It counts what passes from who connects to who listens.
#[derive(Clone)]
pub(crate) struct Gate {
    passed: Arc<AtomicU64>,
    limit: watch::Sender<u64>,
}

impl Gate {
    /// Listens on one port and connects to another. Everything passes.
    pub(crate) fn between(listen: u16, target: u16) -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, listen)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let gate = Self { passed: Arc::default(), limit: watch::Sender::new(u64::MAX) };
        let wire = gate.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let wire = wire.clone();
                tokio::spawn(async move {
                    let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await else { return };
                    let ((from, mut back), (mut answers, to)) = (near.into_split(), far.into_split());
                    tokio::select! {
                        () = wire.pass(from, to) => {}
                        _ = tokio::io::copy(&mut answers, &mut back) => {}
                    }
                });
            }
        });
        gate
    }

    /// How many bytes have passed, of all connections.
    pub(crate) fn passed(&self) -> u64 {
        self.passed.load(Ordering::SeqCst)
    }

    /// Lets so many more bytes pass, and stops then.
    pub(crate) fn allow(&self, more: u64) {
        self.limit.send_replace(self.passed().saturating_add(more));
    }

    async fn pass(&self, mut from: tcp::OwnedReadHalf, mut to: tcp::OwnedWriteHalf) {
        let (mut limit, mut buffer) = (self.limit.subscribe(), vec![0; 16 * 1024]);
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            let open = limit.wait_for(|limit| self.passed() < *limit).await.is_ok();
            if !open || to.write_all(&buffer[..read]).await.is_err() {
                return;
            }
            self.passed.fetch_add(read as u64, Ordering::SeqCst);
        }
    }
}
