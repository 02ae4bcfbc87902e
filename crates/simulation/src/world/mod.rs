//! The outside world of a simulated network: one ledger, one storage, wires, disks, weather, and the time.

pub(crate) mod connector;
pub(crate) mod disk;
pub(crate) mod exchange;
pub(crate) mod ledger;
pub(crate) mod signal;
pub(crate) mod storage;

use std::{collections::BTreeSet, future::Future, ops::Range, sync::Arc, time::Duration};

use parking_lot::Mutex;
use photinus_model::Time;
use photinus_ports::clock::Clock;
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{random::Random, trace::Trace};

/// Name of the namespace on every member.
pub(crate) const NAMESPACE: &str = "default";

/// When the simulated time begins, in nanoseconds: a day in 2026.
const EPOCH: i64 = 1_780_000_000_000_000_000;

/// How unkind the world is. Chances are thousandths, times milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Weather {
    /// A delivery is lost on its way.
    pub(crate) loss: u32,
    /// A delivery arrives and its answer is lost.
    pub(crate) deaf: u32,
    /// A delivery arrives once more, later.
    pub(crate) double: u32,
    /// A file is refused for good, and its sender gives up.
    pub(crate) torn: u32,
    /// How long a delivery takes.
    pub(crate) wire: Range<u64>,
    /// A call to shared storage fails.
    pub(crate) storage: u32,
    /// How long a call to shared storage takes.
    pub(crate) fetch: Range<u64>,
    /// A submission to the ledger fails.
    pub(crate) submission: u32,
    /// How long it takes until a member sees a block.
    pub(crate) sight: Range<u64>,
    /// A commit fails, and nothing was written.
    pub(crate) full: u32,
    /// A commit succeeds, and nobody knows.
    pub(crate) unknown: u32,
    /// A member falls over before a commit, or after one.
    pub(crate) crash: u32,
    /// How long a commit takes.
    pub(crate) disk: Range<u64>,
    /// Members that reach no peer.
    pub(crate) cut: BTreeSet<usize>,
    /// Members that reach no shared storage.
    pub(crate) blind: BTreeSet<usize>,
}

impl Weather {
    /// Nothing goes wrong.
    #[must_use]
    pub(crate) fn fair() -> Self {
        Self {
            loss: 0,
            deaf: 0,
            double: 0,
            torn: 0,
            wire: 1..30,
            storage: 0,
            fetch: 1..40,
            submission: 0,
            sight: 0..50,
            full: 0,
            unknown: 0,
            crash: 0,
            disk: 0..3,
            cut: BTreeSet::new(),
            blind: BTreeSet::new(),
        }
    }
}

/// A member that fell over by itself: which, and in which of its lives.
pub(crate) type Fall = (usize, u64);

/// What everything simulated shares.
pub(crate) struct World {
    random: Mutex<Random>,
    pub(crate) trace: Trace,
    pub(crate) weather: Mutex<Weather>,
    began: Instant,
    pub(crate) falls: mpsc::UnboundedSender<Fall>,
}

impl World {
    pub(crate) fn new(random: Random, trace: Trace) -> (Arc<Self>, mpsc::UnboundedReceiver<Fall>) {
        let (falls, fallen) = mpsc::unbounded_channel();
        let (random, weather) = (Mutex::new(random), Mutex::new(Weather::fair()));
        (Arc::new(Self { random, trace, weather, began: Instant::now(), falls }), fallen)
    }

    /// Takes from the one source of chance.
    pub(crate) fn draw<T>(&self, draw: impl FnOnce(&mut Random) -> T) -> T {
        draw(&mut self.random.lock())
    }

    /// Whether something happens that the weather has a chance for.
    pub(crate) fn happens(&self, what: impl FnOnce(&Weather) -> u32) -> bool {
        let chance = what(&self.weather.lock());
        chance > 0 && self.draw(|random| random.chance(chance))
    }

    /// Waits as long as the weather makes one wait.
    pub(crate) async fn lasts(&self, what: impl FnOnce(&Weather) -> Range<u64>) {
        let range = what(&self.weather.lock());
        let wait = self.draw(|random| random.within(range));
        if wait > 0 {
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
    }

    /// Simulated time since the beginning.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Writes down what happened.
    pub(crate) fn note(&self, who: impl std::fmt::Display, what: impl std::fmt::Display) {
        self.trace.add(format!("{:>9} {who} {what}", self.elapsed().as_millis()));
    }
}

/// One life of a member: from a start to its end. Whatever it does after its end has no effect.
pub(crate) struct Life {
    pub(crate) member: usize,
    /// Which of the member's lives.
    pub(crate) number: u64,
    pub(crate) over: CancellationToken,
}

impl Life {
    pub(crate) fn new(member: usize, number: u64) -> Arc<Self> {
        Arc::new(Self { member, number, over: CancellationToken::new() })
    }

    /// Works as long as this life lasts.
    pub(crate) async fn bound<T, E>(&self, dead: E, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        tokio::select! {
            biased;
            () = self.over.cancelled() => Err(dead),
            done = work => done,
        }
    }

    /// Waits for something that need not come.
    pub(crate) async fn until<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.over.cancelled() => None,
            done = work => Some(done),
        }
    }
}

impl std::fmt::Display for Life {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "m{}", self.member)
    }
}

/// A member's clock: the simulated time, as wrong as it is.
pub(crate) struct Skewed {
    pub(crate) world: Arc<World>,
    pub(crate) skew: i64,
}

impl Clock for Skewed {
    fn now(&self) -> Time {
        let since = i64::try_from(self.world.elapsed().as_nanos()).unwrap_or_default();
        Time::from_unix_nanos(EPOCH + since + self.skew * 1_000_000)
    }
}
