//! An operation's transaction as applications see it when they ask for its status, in the form of FireFly's transaction manager.

use alloy::primitives::hex;
use serde_json::{Map, Value, json};

use super::{
    pool::{Phase, Tx},
    record::Mined,
    sign::Draft,
};
use crate::{
    fees::Price,
    keys,
    pin::{hex0x, map},
};

/// The record of a transaction. Members that are not known any more are left out.
pub(crate) fn of(tx: &Tx) -> Value {
    let (status, mined, error) = match &tx.phase {
        Phase::Waiting => ("Pending", None, tx.trouble.clone()),
        Phase::Mined(mined, _) if mined.success => ("Succeeded", Some(*mined), None),
        Phase::Mined(mined, _) => ("Pending", Some(*mined), None),
        Phase::Over(done) => match &done.error {
            None => ("Succeeded", done.mined, None),
            Some(error) => ("Failed", done.mined, Some(error.clone())),
        },
    };
    let draft = Draft::read(&tx.signed.raw);
    let from = keys::normal(&tx.signed.from);
    let to = draft.as_ref().and_then(|draft| draft.to).map(|to| keys::normal(&to));
    let nonce = tx.signed.nonce.to_string();
    let gas = draft.as_ref().map(|draft| draft.gas.to_string());
    let hash = mined.map_or_else(|| hex0x(tx.signed.hash), |mined| hex0x(mined.transaction));
    let created = tx.signed.created.to_string();
    let sent = tx.signed.sent.to_string();
    let headers = [("from", json!(from)), ("gas", json!(gas)), ("nonce", json!(nonce)), ("to", json!(to))];
    let members = [
        ("created", json!(created)),
        ("errorMessage", json!(error)),
        ("firstSubmit", json!(created)),
        ("from", json!(from)),
        ("gas", json!(gas)),
        ("gasPrice", draft.as_ref().map_or(Value::Null, |draft| price(draft.price))),
        ("id", tx.operation.to_string().into()),
        ("lastSubmit", json!(sent)),
        ("nonce", json!(nonce)),
        ("receipt", mined.map_or(Value::Null, |mined| receipt(&mined, &from, to.as_deref(), error.as_deref()))),
        ("status", status.into()),
        ("to", json!(to)),
        ("transactionData", json!(draft.map(|draft| format!("0x{}", hex::encode(&draft.input))))),
        ("transactionHash", json!(hash)),
        ("transactionHeaders", known(map(headers)).into()),
    ];
    known(map(members)).into()
}

fn known(mut members: Map<String, Value>) -> Map<String, Value> {
    members.retain(|_, value| !value.is_null());
    members
}

fn price(price: Price) -> Value {
    match price {
        Price::Legacy(price) => price.to_string().into(),
        Price::Dynamic { max, tip } => {
            map([("maxFeePerGas", max.to_string().into()), ("maxPriorityFeePerGas", tip.to_string().into())]).into()
        }
    }
}

fn receipt(mined: &Mined, from: &str, to: Option<&str>, error: Option<&str>) -> Value {
    let extra = [
        ("contractAddress", Value::Null),
        ("errorMessage", json!(error)),
        ("from", json!(from)),
        ("gasUsed", mined.gas_used.to_string().into()),
        ("status", if mined.success { "1" } else { "0" }.into()),
        ("to", json!(to)),
    ];
    map([
        ("blockHash", hex0x(mined.block_hash).into()),
        ("blockNumber", mined.block.to_string().into()),
        ("extraInfo", map(extra).into()),
        ("protocolId", mined.protocol_id().into()),
        ("success", mined.success.into()),
        ("transactionIndex", mined.index.to_string().into()),
    ])
    .into()
}
