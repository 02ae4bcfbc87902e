//! Members against the slow model of the rules.

use std::collections::BTreeMap;

use photinus_model::Uuid;

use super::view::{Context, Shown, View};
use crate::{
    facts::Facts,
    member::did,
    reference::Aggregator,
    rules::{Verdict, open::Open, private::Private},
};

/// Everything in which a member differs from what the rules say.
pub(crate) fn check(views: &[View], facts: &Facts, across: bool) -> Vec<String> {
    let open = Open::decide(facts);
    let topics = open.topics();

    let mut wrong = Vec::new();
    for view in views {
        let shown = view.contexts();
        let opened = shown.iter().filter_map(|(context, list)| match context {
            Context::Open(topic) => Some((topic.clone(), list.as_slice())),
            Context::Lane { .. } => None,
        });
        compare(view.member, "topic", &topics, &opened.collect(), &mut wrong);
        let private = Private::decide(facts, &open, view.member, across);
        let lanes = shown.iter().filter_map(|(context, list)| match context {
            Context::Lane { group, topic, author } => Some(((*group, topic.clone(), author.clone()), list.as_slice())),
            Context::Open(_) => None,
        });
        let own = did(view.member);
        let mut expected = private.lanes;
        expected.retain(|(group, ..), _| facts.groups.get(group).is_some_and(|members| members.contains(&own)));
        compare(view.member, "lane", &expected, &lanes.collect(), &mut wrong);
        if across {
            let ordered = view.ordered();
            let mut expected = private.topics;
            expected.retain(|(group, _), _| facts.groups.get(group).is_some_and(|members| members.contains(&own)));
            let shown = ordered.iter().map(|(topic, list)| (topic.clone(), list.as_slice())).collect();
            compare(view.member, "the private topic", &expected, &shown, &mut wrong);
        }
    }
    wrong
}

/// Everything in which a member differs from what a FireFly member would do with the same honest traffic.
pub(crate) fn reference(views: &[View], facts: &Facts) -> Vec<String> {
    let mut wrong = Vec::new();
    for view in views {
        let aggregator = Aggregator::run(facts, view.member);
        let mut shown = view.contexts();
        // What cannot conform stalls a FireFly member, and is rejected here.
        shown.values_mut().for_each(|list| list.retain(|shown| shown.confirmed));
        for (context, expected) in &aggregator.confirmed {
            let shown: Vec<Uuid> = shown.get(context).into_iter().flatten().map(|shown| shown.message).collect();
            if shown != *expected {
                let member = view.member;
                wrong.push(format!("member {member} shows {shown:?} in {context:?}, a FireFly member {expected:?}"));
            }
        }
        let missing =
            shown.iter().filter(|(context, list)| !list.is_empty() && !aggregator.confirmed.contains_key(context));
        for (context, _) in missing {
            wrong.push(format!("member {} shows messages in {context:?}, a FireFly member none", view.member));
        }
    }
    wrong
}

fn compare<K: Ord + Clone + std::fmt::Debug>(
    member: usize,
    what: &str,
    expected: &BTreeMap<K, Vec<(Uuid, Verdict)>>,
    shown: &BTreeMap<K, &[Shown]>,
    wrong: &mut Vec<String>,
) {
    let mut keys: Vec<&K> = expected.keys().chain(shown.keys()).collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        let expected = expected.get(key).map_or(&[][..], Vec::as_slice);
        let shown = shown.get(key).copied().unwrap_or_default();
        let at = (0..expected.len().max(shown.len())).find(|at| match (expected.get(*at), shown.get(*at)) {
            (Some((id, verdict)), Some(shown)) => *id != shown.message || !verdict.is(shown),
            _ => true,
        });
        if let Some(at) = at {
            wrong.push(format!(
                "member {member} differs from the rules in {what} {key:?}, at {at}: {:?} where the rules say {:?}",
                shown.get(at),
                expected.get(at)
            ));
        }
    }
}
