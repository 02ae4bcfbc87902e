//! What is broken when: drawn from a seed, so that a run can be repeated.
//!
//! The faults come from a deck of which every kind is dealt once before any is dealt again, so that a short run has them all.

use std::{fmt, time::Duration};

use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};

/// Something that happens to a network, and is mended again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Members are killed at the same time, and started again after a while.
    Kill { members: Vec<usize>, down: Duration },
    /// The chain is killed, and started again after a while.
    KillChain { down: Duration },
    /// A member does nothing for a while, and does not know it.
    Pause { member: usize, length: Duration },
    /// Nobody reaches a member's exchange for a while. It is refused, or nobody answers.
    Block { member: usize, silent: bool, length: Duration },
    /// The disk of a member is full for a while. It may be killed meanwhile, and started when there is space.
    FillDisk { member: usize, kill: bool, length: Duration },
    /// The database server stops in the middle of everything, and starts again.
    RestartDatabase,
}

/// The kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Kill,
    KillTwo,
    KillChain,
    Pause,
    Refuse,
    Silence,
    FillDisk,
    KillOnFullDisk,
    RestartDatabase,
}

impl Kind {
    /// Those that need nothing of the machine.
    pub(super) const ALWAYS: [Self; 6] =
        [Self::Kill, Self::KillTwo, Self::KillChain, Self::Pause, Self::Refuse, Self::Silence];
    /// Those that need a disk that can be filled.
    pub(super) const DISK: [Self; 2] = [Self::FillDisk, Self::KillOnFullDisk];
}

/// The faults of a run, without an end.
pub(super) struct Schedule {
    random: StdRng,
    members: usize,
    kinds: Vec<Kind>,
    deck: Vec<Kind>,
}

impl Schedule {
    pub(super) fn new(seed: u64, members: usize, kinds: Vec<Kind>) -> Self {
        Self { random: StdRng::seed_from_u64(seed), members, kinds, deck: Vec::new() }
    }

    /// How long nothing is broken before the next fault, and that fault.
    pub(super) fn next(&mut self) -> Option<(Duration, Fault)> {
        if self.deck.is_empty() {
            self.deck.clone_from(&self.kinds);
            self.deck.shuffle(&mut self.random);
        }
        let kind = self.deck.pop()?;
        let pause = self.between(300, 2_000);
        Some((pause, self.fault(kind)))
    }

    fn fault(&mut self, kind: Kind) -> Fault {
        let member = self.random.random_range(0..self.members);
        match kind {
            Kind::Kill => Fault::Kill { members: vec![member], down: self.between(0, 3_000) },
            Kind::KillTwo => {
                let other = (member + self.random.random_range(1..self.members)) % self.members;
                Fault::Kill { members: vec![member, other], down: self.between(0, 2_000) }
            }
            Kind::KillChain => Fault::KillChain { down: self.between(0, 2_000) },
            Kind::Pause => Fault::Pause { member, length: self.between(1_000, 5_000) },
            Kind::Refuse | Kind::Silence => {
                Fault::Block { member, silent: kind == Kind::Silence, length: self.between(1_000, 6_000) }
            }
            Kind::FillDisk | Kind::KillOnFullDisk => Fault::FillDisk {
                // The one that has a disk of its own.
                member: self.members - 1,
                kill: kind == Kind::KillOnFullDisk,
                length: self.between(1_000, 4_000),
            },
            Kind::RestartDatabase => Fault::RestartDatabase,
        }
    }

    fn between(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.random.random_range(least..=most))
    }
}

impl Fault {
    /// What it is called where faults are counted.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Kill { members, .. } if members.len() > 1 => "two members killed at once",
            Self::Kill { .. } => "member killed",
            Self::KillChain { .. } => "chain killed",
            Self::Pause { .. } => "member paused",
            Self::Block { silent: false, .. } => "exchange refused",
            Self::Block { silent: true, .. } => "exchange silent",
            Self::FillDisk { kill: false, .. } => "disk full",
            Self::FillDisk { kill: true, .. } => "disk full, and member killed",
            Self::RestartDatabase => "database restarted",
        }
    }

    /// The members that cannot answer meanwhile.
    pub(super) fn away(&self) -> Vec<usize> {
        match self {
            Self::Kill { members, .. } => members.clone(),
            Self::Pause { member, .. } | Self::FillDisk { member, kill: true, .. } => vec![*member],
            _ => Vec::new(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |length: &Duration| format!("{:.1} s", length.as_secs_f64());
        match self {
            Self::Kill { members, down } => write!(f, "members {members:?} are killed for {}", seconds(down)),
            Self::KillChain { down } => write!(f, "the chain is killed for {}", seconds(down)),
            Self::Pause { member, length } => write!(f, "member {member} is paused for {}", seconds(length)),
            Self::Block { member, silent, length } => {
                let how = if *silent { "is silent" } else { "refuses" };
                write!(f, "the exchange of member {member} {how} for {}", seconds(length))
            }
            Self::FillDisk { member, kill, length } => {
                let and = if *kill { ", and it is killed" } else { "" };
                write!(f, "the disk of member {member} is full for {}{and}", seconds(length))
            }
            Self::RestartDatabase => f.write_str("the database server is restarted"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dealt(seed: u64, count: usize) -> Vec<(Duration, Fault)> {
        let mut schedule = Schedule::new(seed, 3, [Kind::ALWAYS.as_slice(), &Kind::DISK].concat());
        (0..count).map(|_| schedule.next().unwrap()).collect()
    }

    #[test]
    fn a_seed_gives_one_schedule() {
        assert_eq!(dealt(7, 40), dealt(7, 40));
        assert_ne!(dealt(7, 40), dealt(8, 40));
    }

    #[test]
    fn a_deck_has_every_kind_and_two_members_are_two() {
        for seed in 0..50 {
            let mut names: Vec<_> = dealt(seed, 8).iter().map(|(_, fault)| fault.name()).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), 8, "{names:?}");
            for (_, fault) in dealt(seed, 8) {
                let mut away = fault.away();
                away.dedup();
                assert_eq!(away, fault.away());
                assert!(away.iter().all(|member| *member < 3));
            }
        }
    }

    #[test]
    fn nothing_to_deal_is_the_end() {
        assert!(Schedule::new(1, 3, Vec::new()).next().is_none());
    }
}
