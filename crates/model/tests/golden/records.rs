//! Records as a member shows them: read, and written again to the same text.

use photinus_model::{
    JsonText, batch, blockchain_event::BlockchainEvent, data::Data, datatype::Datatype, event::Event, group::Group,
    identity::Identity, json, message::Message, namespace::Namespace, nextpin::NextPin, operation::Operation, pin::Pin,
    subscription::Subscription, transaction::Transaction, verifier::Verifier,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{file, text};

fn again<T: Serialize + DeserializeOwned>(record: &JsonText) -> String {
    json::to_text(&record.read::<T>().unwrap_or_else(|error| panic!("{error}: {record}"))).unwrap()
}

#[test]
fn records_are_written_as_they_were_read() {
    for case in file("records.json")["cases"].as_array().unwrap() {
        let record: JsonText = case["record"].to_string().parse().unwrap();
        let written = match text(case, "kind") {
            "batch" => again::<batch::Record>(&record),
            "blockchain_event" => again::<BlockchainEvent>(&record),
            "data" => again::<Data>(&record),
            "datatype" => again::<Datatype>(&record),
            "event" => again::<Event>(&record),
            "group" => again::<Group>(&record),
            "identity" => again::<Identity>(&record),
            "message" => again::<Message>(&record),
            "namespace" => again::<Namespace>(&record),
            "nextpin" => again::<NextPin>(&record),
            "operation" => again::<Operation>(&record),
            "pin" => again::<Pin>(&record),
            "subscription" => again::<Subscription>(&record),
            "transaction" => again::<Transaction>(&record),
            "verifier" => again::<Verifier>(&record),
            other => panic!("{other}"),
        };
        assert_eq!(written, record.as_str());
    }
}
