//! A disk that a simulated network owns: it is slow, it fails, and members fall over while they wait for it.

use std::{collections::HashMap, fmt, future::Future, pin::Pin, sync::Arc};

use crate::{
    lane::{Backend, Failure},
    plan::{Facts, Wants, Writes},
    store::Opened,
};

/// What a disk does, sooner or later. A disk that never answers is one whose machine is gone.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a commit came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It succeeded.
    Done,
    /// It failed, and nothing was written.
    Failed,
    /// It succeeded, and the writer is told that nobody knows.
    Unknown,
}

/// Decides what happens to the commits of one store.
pub trait Disk: fmt::Debug + Send + Sync {
    /// A commit is about to be written.
    fn write(&self) -> Answer<'_, Fate>;
    /// It was written; nobody has been told yet.
    fn written(&self) -> Answer<'_, ()>;
}

/// A backend on a simulated disk.
pub(crate) struct OnDisk<B> {
    backend: B,
    disk: Arc<dyn Disk>,
}

impl<B> Opened<B> {
    /// The same on a simulated disk.
    pub(crate) fn on(self, disk: Arc<dyn Disk>) -> Opened<OnDisk<B>> {
        let Self { backend, readers, highest, namespaces } = self;
        Opened { backend: OnDisk { backend, disk }, readers, highest, namespaces }
    }
}

impl<B: Backend> Backend for OnDisk<B> {
    async fn namespaces(&mut self) -> Result<HashMap<String, i64>, Failure> {
        self.backend.namespaces().await
    }

    async fn load(&mut self, wants: Wants) -> Result<Facts, Failure> {
        self.backend.load(wants).await
    }

    async fn write(&mut self, writes: &Writes) -> Result<(), Failure> {
        let fate = self.disk.write().await;
        if fate == Fate::Failed {
            return Err(Failure::Unavailable("the simulated disk is full".to_owned()));
        }
        self.backend.write(writes).await?;
        self.disk.written().await;
        match fate {
            Fate::Unknown => Err(Failure::Unknown("the simulated disk lost its answer".to_owned())),
            _ => Ok(()),
        }
    }

    async fn close(self) {
        self.backend.close().await;
    }
}
