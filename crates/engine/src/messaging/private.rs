//! Private messages: to the members of a group, and to nobody else.

use std::{sync::Arc, time::Duration};

use photinus_model::{
    data::{Data, Validator},
    group::Group,
    message::{Input, Message, TxType, Type},
    tag,
};
use photinus_store::Change;

use super::{Entry, Error, Outgoing, Sealed, broadcast};
use crate::{
    Namespace,
    core::Core,
    data,
    groups::{self, Recipients},
    identity::{Signer, signer},
};

impl Namespace {
    /// Sends a message to the members of a group. Returns once it is durable; with `wait`, once it is confirmed here.
    ///
    /// # Errors
    /// When the request is wrong, when its idempotency key was used before, or when it is rejected or not confirmed in time.
    pub async fn send_private(&self, input: Input, wait: Option<Duration>) -> Result<Message, crate::Error> {
        let core = self.core();
        let prepared = prepare(core, input).await?;
        let Ready { message, recipients, signer } = prepared.seal(core)?;
        let confirm = wait.is_some();
        super::send(core, message, wait, async |message| {
            Ready { message, recipients, signer }.accept(core, confirm).await
        })
        .await
    }
}

/// A private message whose author, recipients and data are known.
pub(super) struct Prepared {
    outgoing: Outgoing,
    recipients: Recipients,
}

/// Checks a request and finds out who speaks to whom.
pub(super) async fn prepare(core: &Core, input: Input) -> Result<Prepared, Error> {
    let tx_type = check(&input)?;
    let header = input.header;
    let signer = signer::resolve(core, &header.author, &header.key).await.map_err(Error::Author)?;
    let recipients = groups::resolve(core, header.group, input.group).await?;
    let group = recipients.group();
    if !group.members.iter().any(|member| member.identity == signer.author) {
        return Err(groups::Error::AuthorOutside(signer.author).into());
    }
    let outgoing = Outgoing {
        kind: Type::Private,
        group: group.hash,
        tx_type,
        cid: header.cid,
        topics: header.topics,
        tag: header.tag,
        signer,
        data: data::inline::resolve(core, input.data).await?,
        idempotency_key: input.idempotency_key.filter(|key| !key.is_empty()),
    };
    Ok(Prepared { outgoing, recipients })
}

impl Prepared {
    /// Gives the message its id, so that somebody can wait for it before it is stored.
    pub(super) fn seal(self, core: &Core) -> Result<Ready, Error> {
        let signer = self.outgoing.signer.clone();
        Ok(Ready { message: Arc::new(super::seal(core, self.outgoing)?), recipients: self.recipients, signer })
    }
}

/// A sealed private message that is not stored yet.
pub(super) struct Ready {
    message: Arc<Sealed>,
    recipients: Recipients,
    signer: Signer,
}

impl Ready {
    /// Id of the message.
    pub(super) fn id(&self) -> photinus_model::Uuid {
        self.message.message.header.id
    }

    /// Stores it and sends it on its way, behind the message that creates its group if that is new.
    pub(super) async fn accept(self, core: &Arc<Core>, confirm: bool) -> Result<(), Error> {
        let Self { message, recipients, signer } = self;
        match recipients {
            Recipients::Known(_) => super::accept_one(core, &message, confirm).await,
            Recipients::New(group) => create(core, group, signer, &message).await,
        }
    }
}

/// Creates a group with its first message, in one commit.
async fn create(core: &Arc<Core>, group: Group, signer: Signer, first: &Arc<Sealed>) -> Result<(), Error> {
    let alone = core.groups.creating.lock().await;
    let known = match group.hash {
        Some(hash) => core.groups.get(hash).await?,
        None => None,
    };
    if known.is_some() {
        // Somebody was quicker; others may be behind this one, as many as wanted to write to the new group at the same time.
        drop(alone);
        return super::accept(core, std::slice::from_ref(first)).await;
    }
    let init = Arc::new(super::seal(core, init(core, &group, signer)?)?);
    let group = Group { message: Some(init.message.header.id), ..group };
    super::accept_with(core, &[init, Arc::clone(first)], vec![Change::UpsertGroup(group)]).await
}

/// The message that tells the members of their group.
fn init(core: &Core, group: &Group, signer: Signer) -> Result<Outgoing, Error> {
    let mut data = Data {
        id: core.ports.ids.next(),
        validator: Validator::Definition,
        namespace: core.name().to_owned(),
        hash: None,
        created: Some(core.ports.clock.now()),
        datatype: None,
        value: Some(group.init_value()),
        public: String::new(),
        blob: None,
    };
    data.seal().map_err(data::Error::from)?;
    Ok(Outgoing {
        kind: Type::GroupInit,
        group: group.hash,
        tx_type: TxType::BatchPin,
        cid: None,
        topics: group.hash.iter().map(ToString::to_string).collect(),
        tag: tag::DEFINE_GROUP.to_owned(),
        signer,
        data: vec![Entry { data, stored: false }],
        idempotency_key: None,
    })
}

/// What a private message may not say. Answers how it is to be sent.
fn check(input: &Input) -> Result<TxType, Error> {
    if !matches!(input.header.kind, None | Some(Type::Private)) {
        return Err(Error::PrivateType);
    }
    let tx_type = match &input.header.tx_type {
        TxType::Unset | TxType::BatchPin => TxType::BatchPin,
        TxType::Unpinned | TxType::None => TxType::Unpinned,
        other => return Err(Error::PrivateTxType(other.as_str().to_owned())),
    };
    broadcast::check_common(input)?;
    Ok(tx_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn checked(input: &str) -> Result<TxType, &'static str> {
        let input: Input = serde_json::from_str(input).unwrap();
        check(&input).map_err(|error| error.code())
    }

    #[test]
    fn what_a_private_message_may_say() {
        assert_eq!(checked("{}"), Ok(TxType::BatchPin));
        assert_eq!(checked(r#"{"header":{"type":"private","txtype":"batch_pin"}}"#), Ok(TxType::BatchPin));
        assert_eq!(checked(r#"{"header":{"txtype":"unpinned"}}"#), Ok(TxType::Unpinned));
        assert_eq!(checked(r#"{"header":{"txtype":"none"}}"#), Ok(TxType::Unpinned));
        assert_eq!(checked(r#"{"header":{"txtype":"token_pool"}}"#), Err("FF00130"));
        assert_eq!(checked(r#"{"header":{"type":"broadcast"}}"#), Err("FF10287"));
        assert_eq!(checked(r#"{"header":{"tag":"ff_define_group"}}"#), Err("FF10206"));
        assert_eq!(checked(&format!(r#"{{"idempotencyKey":"{}"}}"#, "k".repeat(257))), Err("FF00135"));
    }
}
