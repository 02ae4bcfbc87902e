//! Open events: which of their values belong to which message, and which message is at the head of its contexts.
//!
//! A value of an open event closes its context for everything above it, from the moment it is logged until the message
//! that owns it is decided, or until the content shows that no message owns it.

use photinus_model::Hash;

use crate::decision::{Decided, Decision, Pins};
use crate::facts::content::{Content, Message};
use crate::facts::definition::Definition;
use crate::facts::{BatchKey, Event, Place};
use crate::mutation::{self, Mutation};
use crate::reason::Reason;
use crate::rows::row::{MessageState, Pinned, Row, Stored};
use crate::rows::{Rows, Stop, key};
use crate::step::Machine;
use crate::verdict::{self, Judgement, Subject};
use crate::work::Item;
use crate::{release, waits};

/// Closes the contexts of an event whose content is not known.
pub(crate) fn close(machine: &mut Machine<'_>, event: &Event) {
    for (value, index) in event.values.iter().zip(0_u32..) {
        machine.rows.put(key::open(value, event.place(index)), Row::Mark);
    }
    machine.rows.put(key::unknown(event.pos), Row::Mark);
    machine.rows.put(key::history(event.signer.as_str(), event.place(0)), Row::Mark);
    machine.rows.put(key::naming(&event.batch, event.pos), Row::Mark);
}

/// Takes back what [`close`] noted besides the closed contexts, and wakes whoever waited for the content.
pub(crate) fn clear_unknown(machine: &mut Machine<'_>, event: &Event) -> Result<(), Stop> {
    machine.rows.remove(key::unknown(event.pos));
    machine.rows.remove(key::naming(&event.batch, event.pos));
    let lowest = machine.rows.first_pos(&key::unknowns())?.map(|pos| Place { pos, index: 0 });
    waits::wake(machine, key::unknown_list(), lowest)?;
    clear_history(machine, event, event.place(0))
}

/// Takes back one note in the history of the signer of an event, and wakes whoever may go on.
pub(crate) fn clear_history(machine: &mut Machine<'_>, event: &Event, place: Place) -> Result<(), Stop> {
    machine.rows.remove(key::history(event.signer.as_str(), place));
    release::count_again(machine)?;
    let lowest = machine.rows.first_place(&key::histories(event.signer.as_str()))?;
    waits::wake(machine, key::list(&Reason::SignerHistory(event.signer.clone())), lowest)
}

/// Finds the messages of the lowest event that named a batch before its content was known.
pub(crate) fn bind_next(machine: &mut Machine<'_>, batch: &BatchKey) -> Result<(), Stop> {
    let Some(pos) = machine.rows.first_pos(&key::namings(batch))? else { return Ok(()) };
    machine.rows.require([key::event(pos), key::content(batch)], [])?;
    let pinned = machine.rows.event(pos)?.ok_or_else(|| Stop::inconsistent("an event that names a batch"))?;
    let stored = machine.rows.content(batch)?.ok_or_else(|| Stop::inconsistent("content to bind"))?;
    // In this order, because a claim in the batch puts into the history what the missing content had there.
    clear_unknown(machine, &pinned.event)?;
    bind(machine, &pinned.event, &stored, false)?;
    machine.later(Place::default(), Item::Bind(*batch));
    Ok(())
}

/// Whether the values that a message owns in an event are those of its topics.
pub(crate) fn anchors(event: &Event, base: u32, message: &Message) -> bool {
    let values = slice(event, base, message.width());
    (!message.kind.is_private() || mutation::is(Mutation::PrivateInTheOpen))
        && !message.topics.is_empty()
        && values.len() == message.topics.len()
        && values
            .iter()
            .zip(&message.topics)
            .all(|(value, topic)| *value == Hash::of(topic.as_bytes()) || mutation::is(Mutation::BelievesAnyValue))
}

/// The values of an event from `base` on, as far as there are any.
pub(crate) fn slice(event: &Event, base: u32, width: u32) -> &[Hash] {
    let (base, width) = (base as usize, width as usize);
    event.values.get(base..base.saturating_add(width)).unwrap_or_default()
}

/// Finds the messages of an event whose content is known.
///
/// `fresh` says that the contexts of the event are not closed yet.
pub(crate) fn bind(machine: &mut Machine<'_>, event: &Event, stored: &Stored, fresh: bool) -> Result<(), Stop> {
    let owners: Vec<_> = stored.content.owners().filter(|(base, message)| anchors(event, *base, message)).collect();
    machine.rows.require(owners.iter().map(|(_, message)| key::message(&message.key)), [])?;
    prepare(machine.rows, &event.values)?;
    let mut void = vec![true; event.values.len()];
    for (base, message) in owners {
        if !anchor(machine, event, base, message)? {
            continue;
        }
        for index in base..base.saturating_add(message.width()) {
            if let Some(void) = void.get_mut(index as usize) {
                *void = false;
            }
        }
        if fresh {
            for (value, index) in slice(event, base, message.width()).iter().zip(base..) {
                machine.rows.put(key::open(value, event.place(index)), Row::Mark);
            }
        }
        machine.look(event.place(base));
    }
    release_void(machine, event, &void, fresh)
}

/// Notes that an event anchors a message. False if the message needs no anchor any more.
fn anchor(machine: &mut Machine<'_>, event: &Event, base: u32, message: &Message) -> Result<bool, Stop> {
    let place = event.place(base);
    let state = match machine.rows.message(&message.key)? {
        Some(MessageState::Decided { .. }) if !mutation::is(Mutation::DecidesAgain) => return Ok(false),
        None | Some(MessageState::Decided { .. }) => {
            MessageState::Pending { anchor: place, copies: false, waiting: None }
        }
        Some(MessageState::Pending { anchor, waiting, .. })
            if place < anchor && !mutation::is(Mutation::FirstMetCounts) =>
        {
            machine.rows.put(key::copy(&message.key, anchor), Row::Mark);
            waits::change(machine, anchor, waiting.as_ref(), None);
            MessageState::Pending { anchor: place, copies: true, waiting: None }
        }
        Some(MessageState::Pending { anchor, waiting, .. }) => {
            machine.rows.put(key::copy(&message.key, place), Row::Mark);
            MessageState::Pending { anchor, copies: true, waiting }
        }
    };
    machine.rows.put(key::message(&message.key), Row::Message(state));
    if message.introduces_key() {
        machine.rows.put(key::history(event.signer.as_str(), place), Row::Mark);
    }
    if let Some(Definition::Interface { id, .. }) = &message.definition {
        machine.rows.put(key::interface_open(id, place), Row::Mark);
    }
    Ok(true)
}

/// Releases the values of an event that order nothing.
fn release_void(machine: &mut Machine<'_>, event: &Event, void: &[bool], fresh: bool) -> Result<(), Stop> {
    let indexes: Vec<u32> = void.iter().zip(0_u32..).filter(|(void, _)| **void).map(|(_, index)| index).collect();
    if indexes.is_empty() || mutation::is(Mutation::KeepsVoidValues) {
        return Ok(());
    }
    if !fresh {
        let mut contexts = Vec::with_capacity(indexes.len());
        for index in &indexes {
            if let Some(value) = event.values.get(*index as usize) {
                machine.rows.remove(key::open(value, event.place(*index)));
                contexts.push(*value);
            }
        }
        contexts.sort_unstable();
        contexts.dedup();
        for context in &contexts {
            release(machine, context)?;
        }
    }
    machine.say(Decision::Void { pos: event.pos, batch: event.batch, indexes });
    Ok(())
}

/// Loads at once what looking at many contexts needs.
pub(crate) fn prepare(rows: &mut Rows, contexts: &[Hash]) -> Result<(), Stop> {
    let mut contexts = contexts.to_vec();
    contexts.sort_unstable();
    contexts.dedup();
    rows.require([], contexts.iter().map(key::opens))?;
    // Of an empty context everything is known now; of the others, not yet who waits for them.
    let mut closed = Vec::new();
    for context in &contexts {
        if head(rows, context)?.is_some() {
            closed.push(key::of_list(&key::list(&Reason::Below(*context, Place::default()))));
        }
    }
    rows.require([], closed)
}

/// The lowest open value of a context.
pub(crate) fn head(rows: &mut Rows, context: &Hash) -> Result<Option<Place>, Stop> {
    let (from, to) = key::opens(context);
    let first = rows.first(&from, &to)?;
    Ok(first.filter(|key| key::is_open_value(key)).as_deref().and_then(key::trailing_place))
}

/// Looks at a context from which values were removed: at its new head, and at whoever waits for values below it.
pub(crate) fn release(machine: &mut Machine<'_>, context: &Hash) -> Result<(), Stop> {
    let head = head(machine.rows, context)?;
    if let Some(head) = head
        && !mutation::is(Mutation::ForgetsTheNext)
    {
        machine.look(head);
    }
    waits::wake(machine, key::list(&Reason::Below(*context, Place::default())), head)
}

/// Decides the message that owns the value at this place, if it is at the head of all its contexts and nothing else
/// is missing.
pub(crate) fn look(machine: &mut Machine<'_>, pinned: &Pinned, at: Place) -> Result<(), Stop> {
    let event = &pinned.event;
    if pinned.void {
        return Ok(());
    }
    let Some(stored) = machine.rows.content(&event.batch)? else { return Ok(()) };
    let Some((base, message)) = stored.owner(at.index) else { return Ok(()) };
    let Some(MessageState::Pending { anchor, copies, waiting }) = machine.rows.message(&message.key)? else {
        return Ok(());
    };
    if anchor != event.place(base) {
        return Ok(());
    }
    let contexts = if mutation::is(Mutation::OvertakesOnOtherTopics) { 1 } else { message.width() };
    for value in slice(event, base, contexts) {
        match head(machine.rows, value)? {
            Some(head) if head.pos == at.pos && (base..base.saturating_add(message.width())).contains(&head.index) => {}
            _ => return Ok(()),
        }
    }
    let subject = Subject {
        content: &stored.content,
        message,
        authority: &event.signer,
        place: anchor,
        waiting: waiting.as_ref(),
    };
    match verdict::judge(machine, &subject)? {
        Judgement::Wait(reason) => {
            if waiting.as_ref() != Some(&reason) {
                waits::change(machine, anchor, waiting.as_ref(), Some(&reason));
                let (batch, group) = (event.batch, message.group);
                machine.say(Decision::Waiting { message: message.key, batch, group, reason: reason.clone() });
                let state = MessageState::Pending { anchor, copies, waiting: Some(reason) };
                machine.rows.put(key::message(&message.key), Row::Message(state));
            }
            Ok(())
        }
        Judgement::Decide(ruling) => {
            waits::change(machine, anchor, waiting.as_ref(), None);
            decide(machine, &stored.content, event, message, anchor, copies, *ruling)
        }
    }
}

/// Writes a verdict down and releases what the message held.
fn decide(
    machine: &mut Machine<'_>,
    content: &Content,
    event: &Event,
    message: &Message,
    anchor: Place,
    copies: bool,
    mut ruling: verdict::Ruling,
) -> Result<(), Stop> {
    let state = MessageState::Decided { verdict: ruling.verdict, place: anchor };
    machine.rows.put(key::message(&message.key), Row::Message(state));
    let mut pins = vec![release_anchor(machine, message, anchor)?];
    if copies {
        let (from, to) = key::copies(&message.key);
        while let Some(key) = machine.rows.first(&from, &to)? {
            let Some(place) = key::trailing_place(&key) else { break };
            machine.rows.remove(key);
            pins.push(release_anchor(machine, message, place)?);
        }
    }
    machine.count_decision(anchor.pos);
    machine.say(Decision::Decided(Box::new(Decided {
        message: message.key,
        batch: content.batch,
        place: anchor,
        verdict: ruling.verdict,
        events: ruling.events(content, message),
        effects: ruling.effects,
        pins,
    })));
    for context in slice(event, anchor.index, message.width()) {
        release(machine, context)?;
    }
    Ok(())
}

/// Takes back all that an anchor of a message noted; its contexts are still to be released.
pub(crate) fn release_anchor(machine: &mut Machine<'_>, message: &Message, place: Place) -> Result<Pins, Stop> {
    let event = machine.rows.event(place.pos)?.ok_or_else(|| Stop::inconsistent("an anchor"))?.event;
    for (value, index) in slice(&event, place.index, message.width()).iter().zip(place.index..) {
        machine.rows.remove(key::open(value, event.place(index)));
    }
    if message.introduces_key() {
        clear_history(machine, &event, place)?;
    }
    if let Some(Definition::Interface { id, .. }) = &message.definition {
        machine.rows.remove(key::interface_open(id, place));
        machine.wake(&Reason::Interface(*id, Place::default()))?;
    }
    Ok(Pins { pos: place.pos, batch: event.batch, first: place.index, count: message.width() })
}
