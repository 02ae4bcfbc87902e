//! What must hold between members: one order, one verdict, and nothing lost.

use std::collections::{BTreeMap, BTreeSet};

use photinus_model::{
    Hash, Uuid,
    message::{Message, State},
};

use super::view::{Context, Shown, View, all_contexts, is_final, is_private};
use crate::{deeds::Accepted, facts::Facts, member::did};

/// Who is in which group, by what any member knows of it.
pub(crate) type Groups = BTreeMap<Hash, BTreeSet<String>>;

/// Members agree in every context that both see.
pub(crate) fn agreement(views: &[View], groups: &Groups) -> Vec<String> {
    let shown: Vec<BTreeMap<Context, Vec<Shown>>> = views.iter().map(View::contexts).collect();
    let mut wrong = Vec::new();
    for context in all_contexts(&shown) {
        let sees = |view: &View| match &context {
            Context::Open(_) => true,
            Context::Lane { group, .. } => groups.get(group).is_some_and(|members| members.contains(&did(view.member))),
        };
        let lists = views.iter().zip(&shown).filter(|(view, _)| sees(view));
        let mut lists = lists.map(|(view, shown)| (view.member, shown.get(&context).map_or(&[][..], Vec::as_slice)));
        let Some((first, expected)) = lists.next() else { continue };
        for (member, list) in lists {
            if let Some(difference) = difference(expected, list) {
                wrong.push(format!("members {first} and {member} differ in {context:?}: {difference}"));
            }
        }
    }
    wrong
}

/// Where two lists part.
pub(crate) fn difference(one: &[Shown], other: &[Shown]) -> Option<String> {
    let at = (0..one.len().max(other.len())).find(|at| one.get(*at) != other.get(*at))?;
    Some(format!(
        "{} against {} decisions, at {at}: {:?} against {:?}",
        one.len(),
        other.len(),
        one.get(at),
        other.get(at)
    ))
}

/// Nobody has a private message of a member that is not for them. What liars tell somebody is their own affair. So is what the
/// author's own node gives away in a liar's hands: a receiver that was never told of the group cannot know that it is not in
/// it, since the group's hash does not say who is; one that knows the group refuses.
pub(crate) fn privacy(views: &[View], accepted: &[Accepted], facts: &Facts) -> Vec<String> {
    let ours: BTreeSet<Uuid> = accepted.iter().map(|accepted| accepted.id).collect();
    let mut wrong = Vec::new();
    for view in views {
        let private = |message: &&Message| is_private(&message.header.kind) && ours.contains(&message.header.id);
        for message in view.messages.iter().filter(private) {
            let Some(group) = message.header.group else { continue };
            let outside = facts.groups.get(&group).is_some_and(|members| !members.contains(&did(view.member)));
            if outside && !facts.was_planted(view.member, message.header.id) {
                wrong.push(format!("member {} has message {} of others", view.member, message.header.id));
            }
        }
    }
    wrong
}

/// Every message that was accepted is decided, and if nobody lies, decided everywhere.
pub(crate) fn accounted(views: &[View], accepted: &[Accepted], hostile: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    for accepted in accepted {
        let id = accepted.id;
        let Some(view) = views.iter().find(|view| view.member == accepted.member) else { continue };
        let Some(message) = view.message(id) else {
            wrong.push(format!("member {} accepted message {id} and lost it", accepted.member));
            continue;
        };
        if hostile {
            continue;
        }
        if !is_final(message) {
            wrong.push(format!(
                "message {id} of member {} is {:?} for ever: {:?}",
                accepted.member,
                message.state,
                view.waits.get(&id)
            ));
        }
        let others = views.iter().filter(|view| accepted.group.as_ref().is_none_or(|to| to.contains(&view.member)));
        for other in others {
            let there = other.message(id);
            if there.map(|there| there.state) != Some(message.state) {
                let state = there.map(|there| there.state);
                wrong.push(format!(
                    "message {id} is {:?} at its sender {}, {state:?} at member {}",
                    message.state, accepted.member, other.member
                ));
            }
        }
        let plain = message.state == Some(State::Confirmed) || message.reject_reason.contains("datatype");
        if !plain && is_final(message) {
            wrong.push(format!("message {id} was rejected though nobody lies: {}", message.reject_reason));
        }
    }
    wrong
}

/// Messages of one sender to one context are confirmed in the order in which it accepted them, but for those that it was asked for at
/// the same time. What a stranger's copy of a pin got rejected stands where the copy does. Where the contract ended, what was
/// pinned too late for it is pinned again, behind what waited to be pinned: then only lanes keep the order.
pub(crate) fn sender_order(views: &[View], accepted: &[Accepted], ended: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    for view in views {
        let contexts = view.contexts().into_iter();
        for (context, list) in contexts.filter(|(context, _)| !ended || matches!(context, Context::Lane { .. })) {
            for member in views.iter().map(|view| view.member) {
                let place =
                    |id: Uuid| accepted.iter().position(|one| one.id == id && one.member == member && one.pinned);
                let known = list.iter().filter(|shown| shown.confirmed && !view.is_ambiguous(shown.message));
                let places: Vec<_> = known.filter_map(|shown| place(shown.message)).collect();
                let mut behind = 0;
                let overtaken = places.iter().any(|place| {
                    let overtaken = *place < behind;
                    behind = behind.max(accepted[*place].behind);
                    overtaken
                });
                if overtaken {
                    wrong.push(format!(
                        "member {} shows {context:?} of member {member} in the order {places:?}",
                        view.member
                    ));
                }
            }
        }
    }
    wrong
}
