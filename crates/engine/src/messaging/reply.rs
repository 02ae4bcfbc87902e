//! Requests that wait for their answer: a message, and the first confirmed message that names it in `cid`.

use std::time::Duration;

use photinus_model::message::{Input, Message, State, Type};

use super::{Error, broadcast, private};
use crate::{
    Namespace,
    confirm::{self, Subject, Verdict},
};

impl Namespace {
    /// Sends a message, private or to everybody, and waits for its answer. The request stays sent when no answer comes in time.
    ///
    /// # Errors
    /// When the request is wrong, when it is rejected, or when no answer is confirmed within `limit`.
    pub async fn request_reply(&self, input: Input, limit: Duration) -> Result<Message, crate::Error> {
        let core = self.core();
        check(&input)?;
        let open = input.header.kind == Some(Type::Broadcast);
        let until = tokio::time::Instant::now() + limit;
        let (id, own, reply) = if open {
            let sealed = broadcast::prepare(core, input).await?;
            let id = sealed.message.header.id;
            let (own, reply) = wait_for(core, id)?;
            super::accept_one(core, &sealed, true).await?;
            drop(sealed);
            (id, own, reply)
        } else {
            let ready = private::prepare(core, input).await?.seal(core)?;
            let id = ready.id();
            let (own, reply) = wait_for(core, id)?;
            ready.accept(core, true).await?;
            (id, own, reply)
        };
        let left = || until.saturating_duration_since(tokio::time::Instant::now());
        let mut reply = std::pin::pin!(reply.verdict(left()));
        let own = std::pin::pin!(own.verdict(left()));
        let verdict = tokio::select! {
            biased;
            verdict = &mut reply => verdict,
            verdict = own => match verdict {
                Ok(Verdict::Message(message)) if message.state == Some(State::Rejected) => {
                    return Err(confirm::Error::rejected(&message).into());
                }
                _ => reply.await,
            },
        };
        match verdict {
            Ok(Verdict::Message(message)) => Ok(Message::clone(&message)),
            Ok(Verdict::Identity | Verdict::Confirmed(..)) => Err(confirm::Error::Stopping.into()),
            Err(confirm::Error::TimedOut(_)) => Err(confirm::Error::NoReply { request: id, limit }.into()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Places to wait for the fate of a message and for its answer, taken before it is stored.
fn wait_for(
    core: &crate::core::Core,
    id: photinus_model::Uuid,
) -> Result<(confirm::Waiter, confirm::Waiter), confirm::Error> {
    Ok((core.confirmations.register(id)?, core.confirmations.register_for(Subject::ReplyTo(id))?))
}

/// What a request must say, and may not.
fn check(input: &Input) -> Result<(), Error> {
    if input.header.tag.is_empty() {
        return Err(Error::RequestTag);
    }
    if input.header.cid.is_some() {
        return Err(Error::RequestCid);
    }
    let group = input.header.group.is_some() || input.group.as_ref().is_some_and(|group| !group.members.is_empty());
    if !group && input.header.kind != Some(Type::Broadcast) {
        return Err(Error::RequestGroup);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_request_must_say() {
        let code = |text: &str| check(&serde_json::from_str(text).unwrap()).err().map(|error| error.code());
        let group = format!(r#""group":"{}""#, "0".repeat(64));
        assert_eq!(code("{}"), Some("FF10261"));
        assert_eq!(code(r#"{"header":{"tag":"t"}}"#), Some("FF10271"));
        assert_eq!(code(r#"{"header":{"tag":"t"},"group":{"members":[]}}"#), Some("FF10271"));
        assert_eq!(code(r#"{"header":{"tag":"t"},"group":{"members":[{"identity":"a"}]}}"#), None);
        assert_eq!(code(r#"{"header":{"tag":"t","type":"broadcast"}}"#), None);
        assert_eq!(code(&format!(r#"{{"header":{{"tag":"t",{group}}}}}"#)), None);
        let cid = r#""cid":"9dbaf94a-aa6b-40e3-bb65-c1eb39c1af4d""#;
        assert_eq!(code(&format!(r#"{{"header":{{"tag":"t",{group},{cid}}}}}"#)), Some("FF10262"));
    }
}
