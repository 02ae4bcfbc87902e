//! Asking other members for what is lost: payloads, files, and the members of groups.
//!
//! What is lacking is written down in the commit that finds it so, and struck out in the one that takes it. One task asks
//! for all of it: in turns between groups, a few questions at a time, and each thing again after a growing wait. What only
//! one node says to be missing has the turns of that node, is asked of that node first, and there is only so much of it
//! at a time (module `told`).
//!
//! Memory holds what the ledger names for our groups, which costs whoever pins it, and what the bounds of each node let in.

mod queue;
pub(super) mod told;

use std::{convert::Infallible, sync::Arc, time::Duration};

use futures::stream::FuturesUnordered;
use parking_lot::Mutex;
use photinus_model::Hash;
use photinus_sequencing::facts::BatchKey;
pub(super) use queue::{Key, Lane};
use queue::{Next, Queue, WORKERS};
use tokio::{sync::Notify, time::Instant};

use super::{
    repair::{self, Lacking},
    repair_files::{self, LackingFile},
    repair_groups::{self, Unknown},
};
use crate::core::Core;

/// Longest wait before a node that has refused is asked again for what it told of.
const LONGEST: Duration = Duration::from_secs(3_600);

/// What came of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// There is nothing left to ask for.
    Done,
    /// Nobody gave it who may yet.
    NotYet,
    /// Who told of it, or wrote of it, does not give it.
    Refused,
}

/// Something to ask for.
#[derive(Clone, Debug)]
pub(super) enum Work {
    Batch(Lacking),
    File(LackingFile),
    Group(Unknown),
}

impl Work {
    fn key(&self) -> Key {
        match self {
            Self::Batch(lacking) => Key::Batch(lacking.batch()),
            Self::File(lacking) => lacking.asked_as(),
            Self::Group(unknown) => Key::Group(unknown.group),
        }
    }

    fn lane(&self) -> Lane {
        match self {
            Self::Batch(lacking) => match &lacking.told {
                Some(told) => Lane::Told(told.peer.clone()),
                None => Lane::Group(lacking.group),
            },
            Self::File(lacking) => Lane::Files(lacking.whose_turn()),
            Self::Group(unknown) => Lane::Wrote(unknown.peer.clone()),
        }
    }
}

/// What is asked for.
#[derive(Default)]
pub(super) struct Repairs {
    queue: Mutex<Queue<Work>>,
    arrived: Notify,
}

impl Repairs {
    /// Asks for something once it has been waited for long enough. What is asked for already is not asked for twice.
    pub(super) fn add(&self, core: &Core, work: Work) {
        let options = &core.options.delivery;
        let (key, lane) = (work.key(), work.lane());
        let mut queue = self.queue.lock();
        let anew = match &work {
            // What one node said is true: from here on all members are asked.
            Work::Batch(lacking) => lacking.told.is_none() && self::is_told(&queue, &key),
            Work::File(_) => false,
            Work::Group(unknown) => self::wonders(&queue, &key).is_some_and(|asked| asked != unknown.peer),
        };
        if anew {
            queue.remove(&key);
        }
        queue.add(key, lane, work, Instant::now() + options.repair, core.tasks.backoff(options.retry));
        drop(queue);
        self.arrived.notify_one();
    }

    /// Whether a payload is asked for.
    pub(super) fn lacks(&self, batch: BatchKey) -> bool {
        self.queue.lock().contains(&Key::Batch(batch))
    }

    /// Whether only one node says that a payload is missing.
    pub(super) fn is_told(&self, batch: BatchKey) -> bool {
        is_told(&self.queue.lock(), &Key::Batch(batch))
    }

    /// The node that is asked for a group.
    pub(super) fn wonders(&self, group: Hash) -> Option<String> {
        wonders(&self.queue.lock(), &Key::Group(group)).map(str::to_owned)
    }

    /// How much there is of a lane.
    pub(super) fn of(&self, lane: &Lane) -> usize {
        self.queue.lock().of(lane)
    }

    /// A payload is not asked for any longer.
    pub(super) fn found(&self, batch: BatchKey) {
        self.queue.lock().remove(&Key::Batch(batch));
    }

    /// Has everything asked for at once.
    pub(super) fn hurry(&self) {
        self.queue.lock().hurry(Instant::now());
        self.arrived.notify_one();
    }
}

fn is_told(queue: &Queue<Work>, key: &Key) -> bool {
    queue.get(key).is_some_and(|work| matches!(work, Work::Batch(Lacking { told: Some(_), .. })))
}

fn wonders<'a>(queue: &'a Queue<Work>, key: &Key) -> Option<&'a str> {
    match queue.get(key)? {
        Work::Group(unknown) => Some(&unknown.peer),
        Work::Batch(_) | Work::File(_) => None,
    }
}

/// Goes on with what was lacking when the namespace last stopped, and starts the task.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn start(core: &Arc<Core>) -> Result<(), photinus_store::Error> {
    repair::resume(core).await?;
    repair_files::resume(core).await?;
    repair_groups::resume(core).await?;
    let owner = Arc::clone(core);
    core.tasks.spawn("repairs", move || run(Arc::clone(&owner)));
    Ok(())
}

async fn run(core: Arc<Core>) -> Result<(), Infallible> {
    let repairs = &core.aggregation.repairs;
    repairs.queue.lock().start_over(Instant::now());
    let mut at_work = FuturesUnordered::new();
    loop {
        while at_work.len() < WORKERS {
            let Some(next) = repairs.queue.lock().next(Instant::now()) else { break };
            at_work.push(work(Arc::clone(&core), next));
        }
        let due = repairs.queue.lock().next_due();
        if !core.tasks.turn(&mut at_work, &repairs.arrived, due).await {
            return Ok(());
        }
    }
}

/// Asks once, and says how it went.
async fn work(core: Arc<Core>, next: Next<Work>) {
    let Next { key, work, attempts } = next;
    let is_file = matches!(work, Work::File(_));
    let owner = Arc::clone(&core);
    let outcome = core.tasks.finish("repair", async move { ask(&owner, &work).await }).await;
    let repair = core.options.delivery.repair;
    let least = match outcome {
        Some(Outcome::Done) => return core.aggregation.repairs.queue.lock().done(&key),
        Some(Outcome::Refused) => repair.saturating_mul(1 << attempts.min(20)).min(LONGEST),
        // A file that is on its way takes its time: nobody is asked more often than after the first wait.
        _ if is_file => repair,
        _ => Duration::ZERO,
    };
    core.aggregation.repairs.queue.lock().later(&key, Instant::now(), least);
}

async fn ask(core: &Arc<Core>, work: &Work) -> Outcome {
    let asked = match work {
        Work::Batch(lacking) => repair::attempt(core, lacking).await,
        Work::File(lacking) => repair_files::attempt(core, lacking).await,
        Work::Group(unknown) => repair_groups::attempt(core, unknown).await,
    };
    asked.unwrap_or_else(|error| {
        tracing::warn!(namespace = core.name(), key = ?work.key(), %error, "repair failed");
        Outcome::NotYet
    })
}

#[cfg(test)]
mod tests {
    use photinus_model::Uuid;
    use photinus_ports::ids;
    use photinus_sequencing::facts::MessageKey;

    use super::*;
    use crate::{backoff::Backoff, options::Retry};

    /// A file of a message in a batch of its own.
    fn file(group: &str, number: u32) -> Work {
        let (id, hash) = (Uuid::from_bytes([7; 16]), Hash::of(format!("{group} {number}")));
        Work::File(LackingFile::new(Hash::of(group), BatchKey { id, hash }, MessageKey { id, hash }, hash))
    }

    #[test]
    fn files_take_turns_by_group() {
        let now = Instant::now();
        let mut queue = Queue::default();
        let works = (0..100).map(|number| file("many", number)).chain([file("one", 0)]);
        for work in works {
            let wait = Backoff::new(Retry::default(), Arc::new(ids::Random));
            queue.add(work.key(), work.lane(), work, now, wait);
        }
        let begun: Vec<_> = std::iter::from_fn(|| queue.next(now)).map(|next| next.work.lane()).collect();
        let of = |group: &str| begun.iter().filter(|lane| **lane == Lane::Files(Hash::of(group))).count();
        assert!(of("many") > 1 && of("many") < WORKERS, "{begun:?}");
        assert!(begun.iter().take(2).any(|lane| *lane == Lane::Files(Hash::of("one"))), "{begun:?}");
    }

    #[test]
    fn what_an_earlier_version_wrote_down_is_still_asked_for() {
        let Work::File(lacking) = file("g", 1) else { panic!("a file") };
        let mut row = serde_json::to_value(&lacking).unwrap();
        row.as_object_mut().unwrap().remove("group");
        let old: LackingFile = serde_json::from_value(row).unwrap();
        assert_eq!(old.asked_as(), lacking.asked_as());
        assert_eq!(old.whose_turn(), Hash::of("g 1"));
    }
}
