//! Broadcasts: messages to every member of the network.

use std::{sync::Arc, time::Duration};

use photinus_model::{
    message::{Input, Message, TxType, Type},
    tag,
};

use super::{Error, MAX_IDEMPOTENCY_KEY, Outgoing, Sealed};
use crate::{Namespace, core::Core, data, identity::signer};

impl Namespace {
    /// Sends a message to every member. Returns once it is durable; with `wait`, once it is confirmed here.
    ///
    /// # Errors
    /// When the request is wrong, when its idempotency key was used before, or when it is rejected or not confirmed in time.
    pub async fn broadcast(&self, input: Input, wait: Option<Duration>) -> Result<Message, crate::Error> {
        let outgoing = outgoing(self.core(), input).await?;
        self.send_one(outgoing, wait).await
    }

    /// Sends one message and, if asked, waits for its confirmation.
    pub(crate) async fn send_one(&self, outgoing: Outgoing, wait: Option<Duration>) -> Result<Message, crate::Error> {
        let core = self.core();
        let sealed = Arc::new(super::seal(core, outgoing)?);
        let confirm = wait.is_some();
        super::send(core, sealed, wait, async |sealed| super::accept_one(core, &sealed, confirm).await).await
    }
}

async fn outgoing(core: &Core, input: Input) -> Result<Outgoing, Error> {
    check(&input)?;
    let header = input.header;
    let signer = signer::resolve(core, &header.author, &header.key).await.map_err(Error::Author)?;
    let data = data::inline::resolve(core, input.data).await.map_err(Error::Data)?;
    Ok(Outgoing {
        kind: Type::Broadcast,
        group: None,
        tx_type: TxType::BatchPin,
        cid: header.cid,
        topics: header.topics,
        tag: header.tag,
        signer,
        data,
        idempotency_key: input.idempotency_key.filter(|key| !key.is_empty()),
    })
}

/// A broadcast that is sealed and not stored, so that somebody can wait for it before it is.
pub(super) async fn prepare(core: &Core, input: Input) -> Result<Arc<Sealed>, Error> {
    let outgoing = outgoing(core, input).await?;
    Ok(Arc::new(super::seal(core, outgoing)?))
}

/// Tags that belong to definitions and to the protocol's own messages.
const RESERVED: [&str; 11] = [
    tag::DEFINE_DATATYPE,
    tag::DEFINE_GROUP,
    tag::DEFINE_POOL,
    tag::DEFINE_FFI,
    tag::DEFINE_CONTRACT_API,
    tag::IDENTITY_CLAIM,
    tag::IDENTITY_VERIFICATION,
    tag::IDENTITY_UPDATE,
    tag::GAP_FILL,
    tag::DEPRECATED_DEFINE_ORGANIZATION,
    tag::DEPRECATED_DEFINE_NODE,
];

/// What a broadcast may not say.
fn check(input: &Input) -> Result<(), Error> {
    let header = &input.header;
    if !matches!(header.kind, None | Some(Type::Broadcast)) {
        return Err(Error::Contradiction { field: "header.type", hint: ": leave it out" });
    }
    if header.group.is_some() || input.group.is_some() {
        return Err(Error::Contradiction { field: "group", hint: ": POST messages/private instead" });
    }
    if !matches!(header.tx_type, TxType::Unset | TxType::BatchPin) {
        return Err(Error::TxType(header.tx_type.as_str().to_owned()));
    }
    check_common(input)
}

/// What no message of an application may say.
pub(super) fn check_common(input: &Input) -> Result<(), Error> {
    let header = &input.header;
    if RESERVED.contains(&header.tag.as_str()) {
        return Err(Error::ReservedTag(header.tag.clone()));
    }
    if input.idempotency_key.as_ref().is_some_and(|key| key.len() > MAX_IDEMPOTENCY_KEY) {
        return Err(Error::TooLong { field: "idempotencyKey", limit: MAX_IDEMPOTENCY_KEY });
    }
    for (field, text) in [("header.author", &header.author), ("header.key", &header.key)] {
        if text.len() > MAX_SIGNER {
            return Err(Error::TooLong { field, limit: MAX_SIGNER });
        }
    }
    Ok(())
}

/// Longest author or key, in bytes.
const MAX_SIGNER: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(input: &str, code: &str) {
        let input: Input = serde_json::from_str(input).unwrap();
        assert_eq!(check(&input).unwrap_err().code(), code);
    }

    #[test]
    fn what_a_broadcast_may_not_say() {
        refused(r#"{"header":{"type":"private"}}"#, "FF10287");
        refused(&format!(r#"{{"header":{{"group":"{}"}}}}"#, "0".repeat(64)), "FF10287");
        refused(r#"{"group":{"members":[]}}"#, "FF10287");
        refused(r#"{"header":{"txtype":"unpinned"}}"#, "FF00130");
        refused(r#"{"header":{"txtype":"nonsense"}}"#, "FF00130");
        refused(r#"{"header":{"tag":"ff_define_datatype"}}"#, "FF10206");
        refused(&format!(r#"{{"idempotencyKey":"{}"}}"#, "k".repeat(257)), "FF00135");
        refused(&format!(r#"{{"header":{{"author":"{}"}}}}"#, "a".repeat(1025)), "FF00135");
    }

    #[test]
    fn what_it_may_say() {
        for input in ["{}", r#"{"header":{"type":"broadcast","txtype":"batch_pin","tag":"bill"},"idempotencyKey":""}"#]
        {
            check(&serde_json::from_str(input).unwrap()).unwrap();
        }
    }
}
