//! A member loses everything but its configuration, its files and what it has in a backup of payloads, and reads the ledger from
//! its first block: it must come to what it showed before.

use std::collections::BTreeSet;

use photinus_model::wire;

use crate::{
    check::{self, View, shared::difference},
    facts::Facts,
    run::Run,
    world::exchange::{Delivered, peer},
};

impl Run {
    /// Takes the database from one member, and compares what it shows before and afterwards.
    pub(crate) async fn rebuild(&mut self) {
        let member = self.random.below(self.members.len());
        let Some(before) = self.view(member).await else { return };
        if before.held.is_some() {
            return;
        }
        let backup = self.backup(member);
        self.crashes += 1;
        self.members[member].lose().await;
        self.members[member].start().await;
        self.rest().await;
        for Delivered { from, payload, .. } in backup {
            // Whether it is refused now, as it may have been before, is the member's business.
            let _answer = self.shared.wires.inject(&from, &peer(member), payload).await;
        }
        self.rest().await;
        let Some(after) = self.view(member).await else {
            self.violations.push(format!("member {member} did not come up without its database"));
            return;
        };
        let (was, is) = (before.contexts(), after.contexts());
        for context in was.keys().chain(is.keys()).collect::<BTreeSet<_>>() {
            let list = |all: &std::collections::BTreeMap<_, Vec<_>>| all.get(context).cloned().unwrap_or_default();
            if let Some(difference) = difference(&list(&was), &list(&is)) {
                self.violations
                    .push(format!("member {member}, rebuilt, differs from before in {context:?}: {difference}"));
            }
        }
        let facts = Facts::gather(&self.shared);
        self.violations.extend(check::models::check(&[after], &facts, self.scenario.across));
    }

    async fn view(&self, member: usize) -> Option<View> {
        let (namespace, _) = self.members[member].namespace()?;
        View::of(member, &namespace).await.ok()
    }

    /// The pinned payloads that were given to a member without being asked for, and those that it gave to others.
    fn backup(&self, member: usize) -> Vec<Delivered> {
        let is_batch = |delivered: &Delivered| {
            let text = std::str::from_utf8(&delivered.payload).ok();
            text.and_then(|text| wire::parse_wrapper(text, wire::MAX_TEXT).ok()).flatten().is_some()
        };
        let own = peer(member);
        let mut backup = self.shared.wires.delivered();
        backup.retain(|one| !one.asked && (one.to == member || one.from == own) && is_batch(one));
        backup
    }
}
