//! The verdict on a message that stands at the head of its contexts. The first rule that applies decides.

use photinus_model::Uuid;

use crate::decision::{Code, Effect, Event, EventKind, Topic, Verdict};
use crate::facts::content::{Content, Kind, Message};
use crate::facts::{Place, TokenRecord};
use crate::keys::{self, Status};
use crate::mutation::{self, Mutation};
use crate::reason::Reason;
use crate::rows::{Stop, key};
use crate::step::Machine;
use crate::text::Signer;
use crate::{definitions, schema};

/// A message to judge.
pub(crate) struct Subject<'a> {
    pub(crate) content: &'a Content,
    pub(crate) message: &'a Message,
    /// Who pinned it.
    pub(crate) authority: &'a Signer,
    /// What is placed below counts.
    pub(crate) place: Place,
    /// What it was found to wait for before.
    pub(crate) waiting: Option<&'a Reason>,
}

/// What came of judging a message.
#[derive(Debug)]
pub(crate) enum Judgement {
    /// Something is missing.
    Wait(Reason),
    /// The verdict.
    Decide(Box<Ruling>),
}

/// A verdict and what follows from it.
#[derive(Debug)]
pub(crate) struct Ruling {
    pub(crate) verdict: Verdict,
    pub(crate) effects: Vec<Effect>,
    /// Events about the objects defined.
    pub(crate) objects: Vec<Event>,
    /// What the events about the message refer to, if not to the message that it answers.
    pub(crate) correlator: Option<Uuid>,
}

impl Judgement {
    pub(crate) fn confirm() -> Self {
        Self::confirm_with(Vec::new(), Vec::new())
    }

    pub(crate) fn confirm_with(effects: Vec<Effect>, objects: Vec<Event>) -> Self {
        let verdict = Verdict::Confirmed;
        Self::Decide(Box::new(Ruling { verdict, effects, objects, correlator: None }))
    }

    pub(crate) fn reject(code: Code) -> Self {
        let verdict = Verdict::Rejected(code);
        Self::Decide(Box::new(Ruling { verdict, effects: Vec::new(), objects: Vec::new(), correlator: None }))
    }
}

impl Ruling {
    /// The events to write: about objects first, then one per topic of the message.
    pub(crate) fn events(&mut self, content: &Content, message: &Message) -> Vec<Event> {
        let kind = match self.verdict {
            Verdict::Confirmed => EventKind::MessageConfirmed,
            Verdict::Rejected(_) => EventKind::MessageRejected,
        };
        let correlator = self.correlator.or(message.cid);
        let mut events = std::mem::take(&mut self.objects);
        events.extend(message.topics.iter().map(|topic| Event {
            kind,
            reference: message.key.id,
            tx: Some(content.tx),
            topic: Topic::Message(topic.clone()),
            correlator,
        }));
        events
    }
}

/// Judges a message.
pub(crate) fn judge(machine: &mut Machine<'_>, subject: &Subject<'_>) -> Result<Judgement, Stop> {
    let Subject { content, message, .. } = subject;
    let signed = content.key == *subject.authority || mutation::is(Mutation::IgnoresWhoSigned);
    if content.key.is_empty() || !signed {
        return Ok(Judgement::reject(Code::Signer));
    }
    if let Some(judgement) = judge_author(machine, subject)? {
        return Ok(judgement);
    }
    for blob in message.data.iter().filter_map(|data| data.blob) {
        if !machine.rows.has(&key::blob(&blob))? {
            return Ok(Judgement::Wait(Reason::Blob(blob)));
        }
    }
    if let Some(record) = message.token
        && !machine.rows.has(&key::token(record, &message.key))?
    {
        return Ok(Judgement::Wait(match record {
            TokenRecord::Transfer => Reason::Transfer(message.key),
            TokenRecord::Approval => Reason::Approval(message.key),
        }));
    }
    match message.kind {
        Kind::Definition => definitions::judge(machine, subject),
        Kind::GroupInit => Ok(Judgement::confirm()),
        _ => schema::judge(machine, subject),
    }
}

/// Whether the key may speak for the author. Nothing if it may.
fn judge_author(machine: &mut Machine<'_>, subject: &Subject<'_>) -> Result<Option<Judgement>, Stop> {
    let Subject { content, message, .. } = subject;
    if content.author.is_empty() {
        return Ok(Some(Judgement::reject(Code::Author)));
    }
    // These may come from a key that nobody has registered: the first to register it, the others on the word of the
    // peer that delivered them.
    let excused = message.introduces_key() || matches!(message.kind, Kind::Private | Kind::GroupInit);
    let owner = match keys::status(machine.rows, &content.key, subject.place)? {
        Status::Wait(reason) => return Ok(Some(Judgement::Wait(reason))),
        Status::Refused if !excused => return Ok(Some(Judgement::reject(Code::RefusedKey))),
        Status::Refused => return Ok(None),
        Status::Registered(owner) => owner,
        Status::Unregistered { .. } if excused => return Ok(None),
        Status::Unregistered { later: None } => {
            return Ok(Some(Judgement::Wait(Reason::Registration(content.key.clone()))));
        }
        Status::Unregistered { later: Some(owner) } => owner,
    };
    let speaks = owner == content.author || mutation::is(Mutation::IgnoresWhoseKey);
    Ok((!speaks).then(|| Judgement::reject(Code::Author)))
}
