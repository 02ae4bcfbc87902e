//! Looks at the members while they suffer: whether they answer, what they say of who is behind, and their memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use serde_json::Value;

use super::{view::Reader, world::World};
use crate::{bench, network};

/// Pause between two looks.
const PACE: Duration = Duration::from_millis(250);

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Answers to `GET /status` by members that could answer.
    pub(super) answers: u64,
    /// Those that were something else than the status.
    pub(super) failures: u64,
    /// The slowest, in milliseconds.
    pub(super) slowest_ms: f64,
    /// The most memory of a member, in MiB.
    pub(super) memory_mib: f64,
    /// The most that members said another was behind, by its name.
    pub(super) behind: BTreeMap<String, u64>,
    /// What members said was wrong with them.
    pub(super) problems: BTreeSet<String>,
}

/// Who looks.
#[derive(Clone, Default)]
pub(super) struct Watch {
    seen: Arc<Mutex<Seen>>,
    /// Members that cannot answer now, and how often that has changed.
    away: Arc<Mutex<(Vec<usize>, u64)>>,
}

impl Watch {
    /// Says which members cannot answer from now on.
    pub(super) fn away(&self, members: Vec<usize>) {
        let mut away = self.away.lock();
        *away = (members, away.1 + 1);
    }

    /// Looks until it is dropped.
    pub(super) async fn run(&self, world: &World, readers: &[Reader]) {
        let looks = readers.iter().enumerate().map(|(member, reader)| self.follow(world, member, reader));
        futures::future::join_all(looks).await;
    }

    async fn follow(&self, world: &World, member: usize, reader: &Reader) {
        loop {
            tokio::time::sleep(PACE).await;
            let (away, before) = self.away.lock().clone();
            if away.contains(&member) {
                continue;
            }
            let began = Instant::now();
            let status = reader.get("status").await;
            let took = began.elapsed().as_secs_f64() * 1_000.0;
            if self.away.lock().1 != before {
                // Something was broken or mended meanwhile.
                continue;
            }
            let memory = network::pid_of(&world.layout, &world.stack.members[member]).and_then(bench::usage::memory);
            let mut seen = self.seen.lock();
            seen.answers += 1;
            seen.slowest_ms = seen.slowest_ms.max(took);
            seen.memory_mib = seen.memory_mib.max(memory.unwrap_or_default());
            match status {
                Ok(status) => seen.note(&status),
                Err(error) => {
                    seen.failures += 1;
                    seen.problems.insert(error.to_string());
                }
            }
        }
    }

    /// What was seen so far.
    pub(super) fn take(&self) -> Seen {
        std::mem::take(&mut self.seen.lock())
    }
}

impl Seen {
    fn note(&mut self, status: &Value) {
        for peer in status["exchange"]["peers"].as_array().into_iter().flatten() {
            let behind = peer["behind"].as_u64().unwrap_or_default();
            if behind > 0 {
                let most = self.behind.entry(peer["name"].as_str().unwrap_or_default().to_owned()).or_default();
                *most = behind.max(*most);
            }
        }
        for part in ["database", "multiparty"] {
            if let Some(problem) = status[part]["problem"].as_str() {
                self.problems.insert(format!("{part}: {problem}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_most_is_kept() {
        let mut seen = Seen::default();
        for behind in [0, 7, 3] {
            seen.note(&json!({"exchange": {"peers": [{"name": "node_1", "behind": behind}]}}));
        }
        seen.note(&json!({"database": {"problem": "its disk is full"}}));
        assert_eq!(seen.behind, BTreeMap::from([("node_1".to_owned(), 7)]));
        assert_eq!(seen.problems.into_iter().collect::<Vec<_>>(), ["database: its disk is full"]);
    }
}
