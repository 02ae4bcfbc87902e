//! Disks: slow, full, forgetful, and the place where members fall over at the boundary of a commit.

use std::sync::Arc;

use photinus_store::simulation::{Answer, Disk, Fate};

use super::{Life, World};

/// The disk of one member's life.
pub(crate) struct SimulatedDisk {
    pub(crate) world: Arc<World>,
    pub(crate) life: Arc<Life>,
}

impl std::fmt::Debug for SimulatedDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "disk of {}", self.life)
    }
}

impl SimulatedDisk {
    /// Falls over here and now, or not. One that did never comes back.
    async fn stumble(&self, when: &str) {
        if self.life.over.is_cancelled() {
            std::future::pending::<()>().await;
        }
        if self.world.happens(|weather| weather.crash) {
            self.world.note(&self.life, format_args!("falls over {when} a commit"));
            let _nobody = self.world.falls.send((self.life.member, self.life.number));
            std::future::pending::<()>().await;
        }
    }
}

impl Disk for SimulatedDisk {
    fn write(&self) -> Answer<'_, Fate> {
        Box::pin(async {
            self.stumble("before").await;
            self.world.lasts(|weather| weather.disk.clone()).await;
            if self.world.happens(|weather| weather.full) {
                self.world.note(&self.life, "disk is full");
                Fate::Failed
            } else if self.world.happens(|weather| weather.unknown) {
                self.world.note(&self.life, "disk forgets to answer");
                Fate::Unknown
            } else {
                Fate::Done
            }
        })
    }

    fn written(&self) -> Answer<'_, ()> {
        Box::pin(async {
            self.world.note(&self.life, "committed");
            self.stumble("after").await;
        })
    }
}
