//! Definitions that this member publishes. Each is a message of its own kind that every member applies in the ledger's order.
//!
//! What a received definition makes of the records is decided with the order of messages, not here.

mod datatype;
mod error;

pub use datatype::Input as DatatypeInput;
pub use error::Error;
use photinus_model::{
    JsonText,
    data::{Data, Validator},
    message::{TxType, Type},
};

use crate::{
    core::Core,
    identity::Signer,
    messaging::{self, Entry, Outgoing},
};

/// A definition on its way: a message with exactly one value.
///
/// Members check it as plain JSON; the validator named `definition` belongs to the first message of groups alone.
pub(crate) fn outgoing(
    core: &Core,
    payload: JsonText,
    tag: &str,
    topic: String,
    signer: Signer,
) -> Result<Outgoing, messaging::Error> {
    let mut data = Data {
        id: core.ports.ids.next(),
        validator: Validator::Json,
        namespace: core.name().to_owned(),
        hash: None,
        created: Some(core.ports.clock.now()),
        datatype: None,
        value: Some(payload),
        public: String::new(),
        blob: None,
    };
    data.seal().map_err(crate::data::Error::from)?;
    Ok(Outgoing {
        kind: Type::Definition,
        group: None,
        tx_type: TxType::BatchPin,
        cid: None,
        topics: vec![topic],
        tag: tag.to_owned(),
        signer,
        data: vec![Entry { data, stored: false }],
        idempotency_key: None,
    })
}
