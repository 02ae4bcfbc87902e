//! What must hold at the end, over what the members say. Pure.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{book::Accepted, view::View};

/// Problems of one kind that are told one by one.
const TOLD: usize = 5;

/// What was compared, and what is wrong.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Accepted messages that were confirmed everywhere.
    pub(super) confirmed: usize,
    /// Accepted messages that were rejected everywhere, with a reason.
    pub(super) rejected: usize,
    /// Messages that are in somebody's order though nobody heard that they were accepted.
    pub(super) unheard: usize,
    /// Sequences that were compared: topics, and topics of authors in groups.
    pub(super) sequences: usize,
    /// What is wrong.
    pub(super) problems: Vec<String>,
}

impl Verdict {
    fn problems(&mut self, what: &str, found: Vec<String>) {
        let more = found.len().saturating_sub(TOLD);
        self.problems.extend(found.into_iter().take(TOLD).map(|one| format!("{what}: {one}")));
        if more > 0 {
            self.problems.push(format!("{what}: {more} more"));
        }
    }
}

/// Compares what the members say with what they have accepted, and with each other.
pub(super) fn verify(views: &[View], accepted: &[Accepted]) -> Verdict {
    let mut verdict = Verdict::default();
    fates(views, accepted, &mut verdict);
    let twice: Vec<String> = views.iter().enumerate().flat_map(|(member, view)| repeated(member, view)).collect();
    verdict.problems("decided twice", twice);
    orders(views, &mut verdict);
    let known: HashSet<&str> = accepted.iter().map(|accepted| accepted.id.as_str()).collect();
    let decided = views.iter().flat_map(|view| &view.decided).map(|decided| decided.message.as_str());
    verdict.unheard = decided.filter(|message| !known.contains(message)).collect::<HashSet<_>>().len();
    verdict
}

/// Every accepted message has one fate, at its sender and at everybody whom it is for, with one event for each topic; nobody
/// else has a private one.
fn fates(views: &[View], accepted: &[Accepted], verdict: &mut Verdict) {
    let (mut lost, mut differ, mut leaked, mut silent) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let events: Vec<HashMap<&str, Vec<&str>>> = views.iter().map(events_by_message).collect();
    for Accepted { id, kind, members, .. } in accepted {
        let Some(own) = views[members[0]].messages.get(id) else {
            lost.push(format!("{kind} {id} is not at member {}, which accepted it", members[0]));
            continue;
        };
        let mut whole = true;
        for member in members {
            let Some(found) = views[*member].messages.get(id) else {
                lost.push(format!("{kind} {id} of member {} is not at member {member}", members[0]));
                whole = false;
                continue;
            };
            if (&found.hash, &found.state) != (&own.hash, &own.state) {
                differ.push(format!("{kind} {id}: member {} says {own:?}, member {member} {found:?}", members[0]));
                whole = false;
            }
            let mut told = events[*member].get(id.as_str()).cloned().unwrap_or_default();
            let mut topics: Vec<&str> = own.topics.iter().map(String::as_str).collect();
            told.sort_unstable();
            topics.sort_unstable();
            if told != topics {
                silent.push(format!("{kind} {id} on {topics:?}: member {member} has events on {told:?}"));
                whole = false;
            }
        }
        for (member, view) in views.iter().enumerate() {
            if !members.contains(&member) && view.messages.contains_key(id) {
                leaked.push(format!("{kind} {id} is for {members:?}, and member {member} has it"));
            }
        }
        match own.state.as_str() {
            "confirmed" if whole => verdict.confirmed += 1,
            "rejected" if whole && !own.reason.is_empty() => verdict.rejected += 1,
            "confirmed" | "rejected" if !whole => {}
            state => differ.push(format!("{kind} {id} is {state} at member {}: {:?}", members[0], own.reason)),
        }
    }
    verdict.problems("lost", lost);
    verdict.problems("different fates", differ);
    verdict.problems("events missing or too many", silent);
    verdict.problems("not private", leaked);
}

/// Topics on which a message was decided, by message.
fn events_by_message(view: &View) -> HashMap<&str, Vec<&str>> {
    let mut events: HashMap<&str, Vec<&str>> = HashMap::new();
    for decided in &view.decided {
        events.entry(&decided.message).or_default().push(&decided.topic);
    }
    events
}

/// What a member has decided more than once on the same topic.
fn repeated(member: usize, view: &View) -> Vec<String> {
    let mut seen = HashSet::new();
    let again = view.decided.iter().filter(|decided| !seen.insert((&decided.message, &decided.topic)));
    again.map(|decided| format!("{} on {} at member {member}", decided.message, decided.topic)).collect()
}

/// Messages of one member, and whether they were confirmed, in order.
type Sequence<'a> = Vec<(&'a str, bool)>;

/// The order of what was pinned is the same wherever it is known: for each topic, and for each topic and author of a group, which is
/// what groups promise.
fn orders(views: &[View], verdict: &mut Verdict) {
    let mut sequences: BTreeMap<[&str; 3], Vec<(usize, Sequence<'_>)>> = BTreeMap::new();
    for (member, view) in views.iter().enumerate() {
        for decided in &view.decided {
            let Some(message) = view.messages.get(&decided.message).filter(|message| message.pinned) else { continue };
            let author = if message.group.is_empty() { "" } else { &message.author };
            let of_topic = sequences.entry([&message.group, author, &decided.topic]).or_default();
            if of_topic.last().is_none_or(|(last, _)| *last != member) {
                of_topic.push((member, Vec::new()));
            }
            if let Some((_, sequence)) = of_topic.last_mut() {
                sequence.push((&decided.message, decided.confirmed));
            }
        }
    }
    let mut differ = Vec::new();
    for ([group, author, topic], members) in &sequences {
        let [(first, expected), others @ ..] = members.as_slice() else { continue };
        if group.is_empty() && members.len() < views.len() {
            differ.push(format!("topic {topic} is known to {} of {} members", members.len(), views.len()));
        }
        for (other, sequence) in others {
            if sequence != expected {
                let at = sequence.iter().zip(expected).take_while(|(one, other)| one == other).count();
                differ.push(format!(
                    "topic {topic} {author} {group}: members {first} and {other} have {} and {} messages, the same up to {at}",
                    expected.len(),
                    sequence.len()
                ));
            }
        }
    }
    verdict.sequences = sequences.len();
    verdict.problems("different orders", differ);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torture::view::{Decided, Message};

    fn decided(topic: &str, message: &str) -> Decided {
        Decided { topic: topic.into(), message: message.into(), confirmed: true }
    }

    fn message(topic: &str, group: &str) -> Message {
        Message {
            hash: "h".into(),
            state: "confirmed".into(),
            topics: vec![topic.into()],
            group: group.into(),
            author: "a".into(),
            pinned: true,
            reason: String::new(),
        }
    }

    /// Three members that agree on two broadcasts; the first two have a private message besides.
    fn agreeing() -> (Vec<View>, Vec<Accepted>) {
        let view = |private: bool| {
            let mut view = View::default();
            for (id, group) in [("1", ""), ("2", ""), ("p", "g")].into_iter().filter(|(id, _)| private || *id != "p") {
                view.decided.push(decided("t", id));
                view.messages.insert(id.into(), message("t", group));
            }
            view
        };
        let accepted = |id: &str, members: &[usize]| Accepted {
            id: id.into(),
            kind: "message",
            members: members.to_vec(),
            file: None,
        };
        let all = vec![accepted("1", &[0, 1, 2]), accepted("2", &[1, 0, 2]), accepted("p", &[1, 0])];
        (vec![view(true), view(true), view(false)], all)
    }

    /// The kinds of problems after something was changed.
    #[track_caller]
    fn problem(change: impl FnOnce(&mut Vec<View>)) -> String {
        let (mut views, accepted) = agreeing();
        change(&mut views);
        let verdict = verify(&views, &accepted);
        let mut kinds: Vec<_> =
            verdict.problems.iter().filter_map(|problem| Some(problem.split_once(':')?.0)).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds.join(", ")
    }

    #[test]
    fn agreement_is_counted() {
        let (views, accepted) = agreeing();
        let expected = Verdict { confirmed: 3, rejected: 0, unheard: 0, sequences: 2, problems: Vec::new() };
        assert_eq!(verify(&views, &accepted), expected);
        let expected = Verdict { confirmed: 2, unheard: 1, ..expected };
        assert_eq!(verify(&views, &accepted[1..]), expected);
    }

    #[test]
    fn every_disagreement_is_seen() {
        assert_eq!(problem(|views| views[2].decided.swap(0, 1)), "different orders");
        assert_eq!(problem(|views| views[0].decided.swap(0, 1)), "different orders");
        assert_eq!(
            problem(|views| views[1].decided.push(decided("u", "1"))),
            "different orders, events missing or too many"
        );
        assert_eq!(problem(|views| views[1].messages.get_mut("2").unwrap().hash = "x".into()), "different fates");
        assert_eq!(problem(|views| drop(views[2].messages.insert("p".into(), message("t", "g")))), "not private");
        assert_eq!(
            problem(|views| views
                .iter_mut()
                .for_each(|view| view.messages.get_mut("1").unwrap().state = "sent".into())),
            "different fates"
        );
        let rejected_without_a_reason = |view: &mut View| view.messages.get_mut("1").unwrap().state = "rejected".into();
        assert_eq!(problem(|views| views.iter_mut().for_each(rejected_without_a_reason)), "different fates");
    }

    #[test]
    fn what_is_lost_or_doubled_is_seen() {
        let (mut views, accepted) = agreeing();
        views[0].messages.remove("p");
        assert!(verify(&views, &accepted).problems.iter().any(|problem| problem.starts_with("lost")));
        let (mut views, accepted) = agreeing();
        views[0].decided.push(decided("t", "2"));
        let problems = verify(&views, &accepted).problems;
        assert!(problems.iter().any(|problem| problem.starts_with("decided twice")), "{problems:?}");
        let (mut views, accepted) = agreeing();
        views[2].decided.clear();
        views[2].messages.clear();
        let problems = verify(&views, &accepted).problems;
        assert!(problems.iter().any(|problem| problem.contains("known to 2 of 3")), "{problems:?}");
    }
}
