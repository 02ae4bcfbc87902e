//! One run from its first moment to the verdict on it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use photinus_model::Hash;
use photinus_sequencing::mutation::{self, Mutation};
use tokio::{sync::mpsc, time::Instant};

use crate::{
    attack::Attack,
    check::{self, View},
    deeds::{self, Accepted},
    facts::Facts,
    member::{Member, Shared},
    random::Random,
    reader,
    scenario::{Deed, Scenario, Settings, Step},
    trace::Trace,
    world::{Fall, Weather, World, exchange::Wires, ledger::Ledger, storage::Storage},
};

/// Longest time in which every member must have registered.
const ENROLMENT: Duration = Duration::from_secs(3_600);
/// How often the end looks whether anything still moves.
const LOOK: Duration = Duration::from_secs(40);
/// How often it looks in all before it says that this never ends.
const LOOKS: usize = 60;

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// Digest of everything that happened, and the number of things.
    pub digest: (Hash, u64),
    /// Number of members.
    pub members: usize,
    /// Whether anybody lied.
    pub hostile: bool,
    /// Messages that members accepted from their applications.
    pub accepted: usize,
    /// Times that a member fell over.
    pub crashes: usize,
    /// Times that the ledger took blocks back.
    pub forks: usize,
    /// Blocks on the ledger.
    pub blocks: u64,
    /// Simulated time.
    pub simulated: Duration,
    /// What was not as it must be, in words. Empty: all was.
    pub violations: Vec<String>,
    /// Lines of the trace, if they were asked for.
    pub lines: Vec<String>,
}

/// Runs a seed. A panic in it is one of the things that are not as they must be.
#[must_use]
pub fn run(seed: u64, settings: &Settings) -> Report {
    std::panic::catch_unwind(|| run_to_its_end(seed, settings)).unwrap_or_else(|_| Report {
        seed,
        digest: (Hash::of("panic"), 0),
        members: 0,
        hostile: false,
        accepted: 0,
        crashes: 0,
        forks: 0,
        blocks: 0,
        simulated: Duration::ZERO,
        violations: vec!["it panicked".to_owned()],
        lines: Vec::new(),
    })
}

fn run_to_its_end(seed: u64, settings: &Settings) -> Report {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().expect("a runtime starts");
    let folder = tempfile::Builder::new().prefix("photinus-simulation").tempdir().expect("a folder is made");
    let (mut report, world) = runtime.block_on(async {
        let mut run = Run::new(seed, settings, folder.path().to_owned());
        run.go().await;
        let world = Arc::downgrade(&run.shared.world);
        (run.report(seed), world)
    });
    drop(runtime);
    if world.strong_count() > 0 {
        report.violations.push("members are over, and something keeps them in memory".to_owned());
    }
    report
}

/// Runs a seed with members whose rules are broken in one way.
#[must_use]
pub fn break_rules(mutation: Mutation, seed: u64, settings: &Settings) -> Report {
    mutation::set(Some(mutation));
    let report = run(seed, settings);
    mutation::set(None);
    report
}

/// A network in motion.
pub(crate) struct Run {
    pub(crate) shared: Shared,
    pub(crate) scenario: Scenario,
    pub(crate) members: Vec<Member>,
    pub(crate) accepted: Arc<Mutex<Vec<Accepted>>>,
    pub(crate) violations: Vec<String>,
    pub(crate) random: Random,
    falls: mpsc::UnboundedReceiver<Fall>,
    agenda: BTreeMap<(u64, u64), Step>,
    planned: u64,
    pub(crate) crashes: usize,
    forks: usize,
    calm: bool,
}

impl Run {
    fn new(seed: u64, settings: &Settings, folder: std::path::PathBuf) -> Self {
        let mut random = Random::new(seed);
        let scenario = Scenario::new(&mut random, settings);
        let (world, falls) = World::new(random.fork(), Trace::new(settings.keep));
        let shared = Shared {
            ledger: Ledger::new(&world),
            storage: Arc::<Storage>::default(),
            wires: Wires::new(&world),
            world,
            folder,
        };
        let member = |index: usize| Member::new(index, &shared, &mut random, &scenario);
        let members = (0..scenario.members).map(member).collect();
        Self {
            shared,
            scenario,
            members,
            accepted: Arc::default(),
            violations: Vec::new(),
            random,
            falls,
            agenda: BTreeMap::new(),
            planned: 0,
            crashes: 0,
            forks: 0,
            calm: false,
        }
    }

    async fn go(&mut self) {
        let miner = tokio::spawn(Arc::clone(&self.shared.ledger).mine(self.scenario.pace.clone()));
        for member in &mut self.members {
            member.start().await;
        }
        if self.scenario.early {
            *self.shared.world.weather.lock() = self.scenario.weather.clone();
        }
        if self.enrol().await {
            self.traffic().await;
            self.settle().await;
            self.check().await;
            if self.scenario.rebuilds && self.violations.is_empty() {
                self.rebuild().await;
            }
        }
        for member in &mut self.members {
            member.crash().await;
        }
        miner.abort();
    }

    fn report(self, seed: u64) -> Report {
        let world = &self.shared.world;
        Report {
            seed,
            digest: world.trace.digest(),
            members: self.members.len(),
            hostile: self.scenario.hostile,
            accepted: self.accepted.lock().len(),
            crashes: self.crashes,
            forks: self.forks,
            blocks: self.shared.ledger.height(),
            simulated: world.elapsed(),
            violations: self.violations,
            lines: world.trace.lines(),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.shared.world.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn plan(&mut self, step: Step) {
        self.planned += 1;
        self.agenda.insert((step.at, self.planned), step);
    }

    /// Registers every member's organisation and node. False when that did not succeed.
    async fn enrol(&mut self) -> bool {
        let since = Instant::now();
        let mut under_way: BTreeMap<usize, tokio::task::JoinHandle<()>> = BTreeMap::new();
        loop {
            let mut missing = BTreeSet::new();
            for member in &self.members {
                let Some((namespace, life)) = member.namespace() else {
                    missing.insert(member.index);
                    continue;
                };
                if !deeds::knows_all(&namespace, self.members.len()).await {
                    missing.insert(member.index);
                    if under_way.get(&member.index).is_none_or(tokio::task::JoinHandle::is_finished) {
                        let enrolling = deeds::enrol(namespace, Arc::clone(&self.shared.world), life);
                        under_way.insert(member.index, tokio::spawn(enrolling));
                    }
                }
            }
            if missing.is_empty() {
                return true;
            }
            if since.elapsed() > ENROLMENT {
                self.violations.push(format!("members {missing:?} never knew the whole network"));
                return false;
            }
            self.pass(Duration::from_millis(500)).await;
        }
    }

    /// Lets time pass, and whatever it brings.
    async fn pass(&mut self, time: Duration) {
        let end = Instant::now() + time;
        loop {
            let next = self.agenda.first_key_value().map(|((at, _), _)| *at);
            let at = next.map_or(end, |at| end.min(self.instant(at)));
            tokio::select! {
                biased;
                Some(fall) = self.falls.recv() => self.fallen(fall).await,
                () = tokio::time::sleep_until(at) => {
                    let due = self.agenda.first_entry().filter(|entry| entry.key().0 <= self.shared.world.elapsed().as_millis() as u64);
                    match due.map(|entry| entry.remove()) {
                        Some(step) => self.perform(step).await,
                        None if Instant::now() >= end => return,
                        None => {}
                    }
                }
            }
        }
    }

    fn instant(&self, at: u64) -> Instant {
        Instant::now() + Duration::from_millis(at.saturating_sub(self.now()))
    }

    async fn fallen(&mut self, (member, life): Fall) {
        if self.members[member].life() == Some(life) {
            self.crash(member).await;
            let down = if self.calm { 1 } else { self.random.within(1..5_000) };
            let at = self.now() + down;
            self.plan(Step { at, member, deed: Deed::Start });
        }
    }

    async fn crash(&mut self, member: usize) {
        self.crashes += 1;
        self.members[member].crash().await;
    }

    async fn traffic(&mut self) {
        *self.shared.world.weather.lock() = self.scenario.weather.clone();
        let now = self.now();
        for step in std::mem::take(&mut self.scenario.steps) {
            self.plan(Step { at: now + step.at, ..step });
        }
        self.pass(Duration::from_millis(self.scenario.length)).await;
    }

    async fn perform(&mut self, Step { member, deed, .. }: Step) {
        let at = self.now();
        match deed {
            Deed::Crash { down } => {
                self.crash(member).await;
                self.plan(Step { at: at + down, member, deed: Deed::Start });
            }
            Deed::Stop { down } => {
                self.members[member].stop().await;
                self.plan(Step { at: at + down, member, deed: Deed::Start });
            }
            Deed::Start => self.members[member].start().await,
            Deed::Cut(is) => {
                self.weather(|weather| if is { weather.cut.insert(member) } else { weather.cut.remove(&member) });
                self.shared.wires.changed();
            }
            Deed::Blind(is) => {
                self.weather(|weather| if is { weather.blind.insert(member) } else { weather.blind.remove(&member) });
            }
            Deed::Weather(new) => {
                let mut weather = self.shared.world.weather.lock();
                let (cut, blind) = (weather.cut.clone(), weather.blind.clone());
                *weather = Weather { cut, blind, ..*new };
            }
            Deed::Veil { from, is } => self.shared.storage.veil(member, from, is),
            Deed::Attack { trick, seed } => {
                let (random, members) = (Random::new(seed), self.members.len());
                Attack { shared: &self.shared, random, members }.perform(trick);
            }
            Deed::Fork => self.fork().await,
            speech => {
                let Some((namespace, life)) = self.members[member].namespace() else { return };
                let (world, accepted) = (Arc::clone(&self.shared.world), Arc::clone(&self.accepted));
                tokio::spawn(deeds::speak(namespace, life, world, accepted, speech));
            }
        }
    }

    /// The chain takes its last blocks back, as long as nobody has decided anything in them.
    async fn fork(&mut self) {
        let mut decided = 0;
        for member in &self.members {
            let Some((namespace, _)) = member.namespace() else { return };
            let Some(highest) = deeds::decided_up_to(&namespace, &self.shared.ledger).await else { return };
            decided = decided.max(highest);
        }
        let height = self.shared.ledger.height();
        let from = (decided + 1).max(height.saturating_sub(3));
        if from <= height {
            self.forks += 1;
            let drops = self.random.chance(500);
            self.shared.ledger.fork(from, |sent| drops && sent.operation.is_none());
        }
    }

    fn weather(&self, change: impl FnOnce(&mut Weather) -> bool) {
        change(&mut self.shared.world.weather.lock());
    }

    /// Mends everything, and lets the network come to rest.
    async fn settle(&mut self) {
        self.calm = true;
        *self.shared.world.weather.lock() = Weather::fair();
        self.shared.storage.show_all();
        self.shared.wires.changed();
        self.shared.world.note("world", "heals");
        for member in &mut self.members {
            member.start().await;
        }
        self.rest().await;
    }

    /// Waits until nothing moves any more.
    pub(crate) async fn rest(&mut self) {
        let mut before = None;
        let mut same = 0;
        for _ in 0..LOOKS {
            self.pass(LOOK).await;
            let now = self.state().await;
            same = if before.as_ref() == Some(&now) && self.shared.ledger.waiting() == 0 { same + 1 } else { 0 };
            if same == 2 {
                return;
            }
            before = Some(now);
        }
        self.violations.push("the network does not come to rest".to_owned());
    }

    /// A digest of what all members hold.
    async fn state(&self) -> Vec<Hash> {
        let mut state = Vec::new();
        for member in &self.members {
            state.push(match member.namespace() {
                Some((namespace, _)) => deeds::state(&namespace).await,
                None => Hash::of("down"),
            });
        }
        state
    }

    /// Looks at everything that every member shows.
    async fn check(&mut self) {
        let mut views = Vec::new();
        for member in &self.members {
            let Some((namespace, _)) = member.namespace() else {
                self.violations.push(format!("member {} did not come up again", member.index));
                continue;
            };
            match View::of(member.index, &namespace).await {
                Ok(view) => views.push(view),
                Err(error) => self.violations.push(format!("member {} cannot be read: {error}", member.index)),
            }
        }
        if self.forks > 0 {
            // Something was decided while the fork was on its way: such a member rightly stops, and says so.
            views.retain(|view| !view.held.as_ref().is_some_and(|why| why.contains("withdrawn")));
        }
        let facts = Facts::gather(&self.shared);
        if let Some(end) = facts.end {
            self.shared.world.note("ledger", format_args!("its first contract ended at {}", end.protocol_id()));
        }
        for view in &views {
            for (id, why) in &view.waits {
                self.shared.world.note(format_args!("m{}", view.member), format_args!("does not decide {id}: {why:?}"));
            }
        }
        let hostile = self.scenario.hostile;
        let accepted = self.accepted.lock().clone();
        let mut wrong = Vec::new();
        let ours = accepted.iter().map(|accepted| accepted.id).collect();
        for view in &views {
            wrong.extend(check::own::check(view, &ours, hostile));
        }
        for view in &views {
            let events: Vec<i64> = view.events.iter().map(|event| event.sequence).collect();
            let given = reader::check(&self.members[view.member].given.lock(), &events);
            wrong.extend(given.map(|wrong| format!("member {}: {wrong}", view.member)));
        }
        wrong.extend(check::shared::agreement(&views, &facts.groups));
        wrong.extend(check::shared::privacy(&views, &accepted, &facts));
        wrong.extend(check::shared::accounted(&views, &accepted, hostile));
        wrong.extend(check::shared::sender_order(&views, &accepted, facts.end.is_some()));
        wrong.extend(check::models::check(&views, &facts, self.scenario.across));
        if !hostile {
            wrong.extend(check::models::reference(&views, &facts));
        }
        self.violations.extend(wrong);
    }
}
