//! What a seed comes to: how many members, what they do and when, and what happens to them.

use std::{collections::BTreeSet, ops::Range};

use crate::{
    attack::{AMBUSH, MIMICRY, TRICKS},
    random::Random,
    world::Weather,
};

/// Bounds that a caller sets.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Fewest members.
    pub fewest: usize,
    /// Most members.
    pub most: usize,
    /// Keep the lines of the trace.
    pub keep: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { fewest: 2, most: 7, keep: false }
    }
}

/// Something that a member does, or that happens to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Broadcast {
        topics: Vec<String>,
        datatype: Option<(String, bool)>,
        count: u64,
    },
    Private {
        to: BTreeSet<usize>,
        topics: Vec<String>,
        pinned: bool,
        count: u64,
    },
    Datatype {
        name: String,
    },
    /// A message with a file, to a group or to everybody.
    File {
        to: Option<BTreeSet<usize>>,
        topics: Vec<String>,
        size: usize,
    },
    /// Ends the contract in force.
    Terminate,
    Crash {
        down: u64,
    },
    Stop {
        down: u64,
    },
    Start,
    Cut(bool),
    Blind(bool),
    Weather(Box<Weather>),
    /// What the member uploads does not come to another one, or does again.
    Veil {
        from: usize,
        is: bool,
    },
    Attack {
        trick: usize,
        seed: u64,
    },
    Fork,
}

/// When, who and what.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) at: u64,
    pub(crate) member: usize,
    pub(crate) deed: Deed,
}

/// A whole run.
pub(crate) struct Scenario {
    pub(crate) members: usize,
    /// Whether anybody lies.
    pub(crate) hostile: bool,
    /// Whether things go wrong from the first moment on.
    pub(crate) early: bool,
    /// Whether the private messages of all authors stand in one order.
    pub(crate) across: bool,
    /// Whether a member has to begin anew at the end.
    pub(crate) rebuilds: bool,
    /// Milliseconds between blocks.
    pub(crate) pace: Range<u64>,
    pub(crate) skews: Vec<i64>,
    pub(crate) weather: Weather,
    pub(crate) steps: Vec<Step>,
    /// Milliseconds of traffic.
    pub(crate) length: u64,
}

const TOPICS: [&str; 3] = ["bills", "letters", "papers"];
const DATATYPES: [&str; 2] = ["widget", "gadget"];

impl Scenario {
    pub(crate) fn new(random: &mut Random, settings: &Settings) -> Self {
        let members = members(random, settings);
        let foul = random.chance(800);
        let hostile = random.chance(450);
        let length = random.within(4_000..40_000);
        let pace = match random.below(3) {
            0 => 20..200,
            1 => 200..2_000,
            _ => 1_000..3_000,
        };
        let skews = (0..members).map(|_| skew(random)).collect();
        let weather = if foul { foul_weather(random) } else { Weather::fair() };
        let mut scenario = Self {
            members,
            hostile,
            early: foul && random.chance(250),
            across: random.chance(250),
            rebuilds: random.chance(150),
            pace,
            skews,
            weather,
            steps: Vec::new(),
            length,
        };
        scenario.traffic(random);
        if foul {
            scenario.mishaps(random);
        }
        scenario.definitions(random);
        scenario.files(random);
        if random.chance(200) {
            let first = scenario.step(random, Deed::Terminate);
            if random.chance(300) {
                let member = (first.member + 1) % members;
                scenario.steps.push(Step { member, at: first.at + random.within(0..20), ..first.clone() });
            }
            scenario.steps.push(first);
        }
        if hostile {
            scenario.lies(random);
        }
        if random.chance(250) {
            for _ in 0..3 {
                let step = scenario.step(random, Deed::Fork);
                scenario.steps.push(step);
            }
        }
        scenario.steps.sort_by_key(|step| step.at);
        scenario
    }

    fn step(&self, random: &mut Random, deed: Deed) -> Step {
        Step { at: random.within(0..self.length), member: random.below(self.members), deed }
    }

    fn traffic(&mut self, random: &mut Random) {
        let names = random.within(0..3);
        for index in 0..names {
            let name = DATATYPES[usize::try_from(index).unwrap_or(0) % DATATYPES.len()].to_owned();
            let step = self.step(random, Deed::Datatype { name });
            self.steps.push(step);
        }
        for _ in 0..random.within(6..28) {
            let topics = topics(random);
            let count = if random.chance(200) { random.within(2..8) } else { 1 };
            let deed = if random.chance(500) {
                let datatype = random.chance(200).then(|| (random.pick(&DATATYPES).to_string(), random.chance(700)));
                Deed::Broadcast { topics, datatype, count }
            } else {
                let mut to: BTreeSet<usize> = (0..self.members).filter(|_| random.chance(500)).collect();
                let pinned = random.chance(850);
                if to.len() < 2 {
                    to = (0..self.members.min(2)).collect();
                }
                Deed::Private { to, topics, pinned, count }
            };
            let mut step = self.step(random, deed);
            if let Deed::Private { to, .. } = &step.deed
                && !to.contains(&step.member)
            {
                let members: Vec<usize> = to.iter().copied().collect();
                step.member = *random.pick(&members);
            }
            self.steps.push(step);
        }
    }

    /// Files, many of them with the same content as another one.
    fn files(&mut self, random: &mut Random) {
        if !random.chance(400) {
            return;
        }
        for _ in 0..random.within(1..6) {
            let begun = self.step(random, Deed::Start);
            let other = (begun.member + 1) % self.members;
            let mut to: BTreeSet<usize> = (0..self.members).filter(|_| random.chance(400)).collect();
            to.extend([begun.member, other]);
            let to = random.chance(700).then_some(to);
            let deed = Deed::File { to, topics: topics(random), size: *random.pick(&[0, 1, 1_000, 70_000]) };
            self.steps.push(Step { deed, ..begun });
        }
    }

    /// Definitions that several members make at once, or that do not come to everybody in time.
    fn definitions(&mut self, random: &mut Random) {
        if random.chance(200) {
            let first = self.step(random, Deed::Datatype { name: "gizmo".into() });
            let second = (first.member + 1) % self.members;
            self.steps.push(Step { member: second, at: first.at + random.within(0..20), ..first.clone() });
            self.steps.push(first);
        }
        if random.chance(250) {
            let begun = self.step(random, Deed::Datatype { name: "gadget".into() });
            let (at, member, from) = (begun.at, begun.member, (begun.member + 1) % self.members);
            self.steps.push(Step { at, member, deed: Deed::Veil { from, is: true } });
            self.steps.push(begun);
            self.steps.push(Step { at: at + 1_000, member, deed: Deed::Veil { from, is: false } });
            for second in [3, 9] {
                let datatype = Some(("gadget".to_owned(), true));
                let deed = Deed::Broadcast { topics: topics(random), datatype, count: 1 };
                self.steps.push(Step { at: at + second * 1_000, member, deed });
            }
        }
    }

    /// What liars do.
    fn lies(&mut self, random: &mut Random) {
        for _ in 0..random.within(1..12) {
            let deed = Deed::Attack { trick: random.below(TRICKS), seed: random.next() };
            let step = self.step(random, deed);
            self.steps.push(step);
        }
        if random.chance(250) {
            let deed = Deed::Attack { trick: AMBUSH, seed: random.next() };
            let Step { at, member, deed } = self.step(random, deed);
            let to = [member, (member + 1) % self.members].into();
            let talk = Deed::Private { to, topics: vec![TOPICS[0].into()], pinned: true, count: 8 };
            self.steps.push(Step { at, member, deed });
            self.steps.push(Step { at: at + 1, member, deed: talk });
        }
        if random.chance(250) {
            let deed = Deed::Attack { trick: MIMICRY, seed: random.next() };
            self.steps.push(Step { at: self.length, member: 0, deed });
        }
    }

    fn mishaps(&mut self, random: &mut Random) {
        for _ in 0..random.within(0..6) {
            let down = if random.chance(700) { random.within(1..2_000) } else { random.within(2_000..30_000) };
            let deed = match random.below(4) {
                0 | 1 => Deed::Crash { down },
                2 => Deed::Stop { down },
                _ if random.chance(500) => Deed::Cut(true),
                _ => Deed::Blind(true),
            };
            let step = self.step(random, deed);
            let ends = match step.deed {
                Deed::Cut(_) => Some(Deed::Cut(false)),
                Deed::Blind(_) => Some(Deed::Blind(false)),
                _ => None,
            };
            if let Some(deed) = ends {
                self.steps.push(Step { at: step.at + down, member: step.member, deed });
            }
            self.steps.push(step);
        }
        if random.chance(300) {
            let deed = Deed::Weather(Box::new(foul_weather(random)));
            let step = self.step(random, deed);
            self.steps.push(step);
        }
    }
}

fn members(random: &mut Random, settings: &Settings) -> usize {
    // Small networks are quick, and show most of what can go wrong.
    let wanted = *random.pick(&[2, 2, 3, 3, 3, 3, 4, 4, 5, 7]);
    wanted.clamp(settings.fewest.max(1), settings.most.max(settings.fewest))
}

fn skew(random: &mut Random) -> i64 {
    let wide = if random.chance(300) { 3_600_000 } else { 500 };
    i64::try_from(random.within(0..2 * wide)).unwrap_or(0) - i64::try_from(wide).unwrap_or(0)
}

fn topics(random: &mut Random) -> Vec<String> {
    let mut chosen: Vec<&str> = TOPICS.to_vec();
    random.shuffle(&mut chosen);
    let count = if random.chance(250) { 2 } else { 1 };
    chosen.into_iter().take(count).map(str::to_owned).collect()
}

/// Some of what can go wrong, each of it seldom or often.
fn foul_weather(random: &mut Random) -> Weather {
    let mut some = |often: &[u32]| *random.pick(often);
    let mut weather = Weather::fair();
    weather.loss = some(&[0, 0, 20, 150]);
    weather.deaf = some(&[0, 0, 20, 150]);
    weather.double = some(&[0, 50, 200]);
    weather.wire = if some(&[0, 1]) == 0 { 1..30 } else { 1..3_000 };
    weather.storage = some(&[0, 20, 200]);
    weather.fetch = if some(&[0, 1]) == 0 { 1..40 } else { 1..5_000 };
    weather.submission = some(&[0, 20, 100]);
    weather.sight = if some(&[0, 1]) == 0 { 0..50 } else { 0..4_000 };
    weather.full = some(&[0, 0, 10, 50]);
    weather.unknown = some(&[0, 0, 10, 50]);
    weather.torn = some(&[0, 0, 100, 400]);
    weather.crash = some(&[0, 0, 2, 8]);
    weather.disk = if some(&[0, 0, 0, 1]) == 0 { 0..5 } else { 0..400 };
    weather
}
