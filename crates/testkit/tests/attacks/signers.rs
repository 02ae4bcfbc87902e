//! Messages in somebody else's name.

use photinus_model::{definition::identity_topic, tag};
use photinus_testkit::network::{Network, key, spare_key};
use serde_json::{Value, json};

use crate::{
    aftermath::{confirmed, held_up, honest, rejected, survived, waits},
    forge::{STRANGER, Speaker, broadcast, definition, ghost, org, publish, send},
};

/// The claim of a root organisation.
fn claim(name: &str) -> Value {
    json!({ "identity": {
        "id": uuid::Uuid::new_v4(), "did": format!("did:firefly:org/{name}"), "type": "org", "namespace": "", "name": name,
    } })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_cannot_speak_as_another() {
    let mut network = Network::registered(3).await;
    let forged = Speaker { author: org(0).author, key: key(1) };
    let letter = broadcast(&forged, &["bills", "other"], "pay me");
    send(&network, &forged, &[&letter]);
    let behind = honest(&network, 0, "bills").await;
    survived(&mut network, &[rejected(&letter, "FF10453"), behind]).await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_must_be_the_one_that_pinned() {
    let mut network = Network::registered(3).await;
    let letters = [key(1), spare_key(0), STRANGER.to_owned()].map(|signer| {
        let letter = broadcast(&org(0), &["bills"], signer.clone());
        let pin = publish(&network, &org(0), &[&letter]);
        network.ledger.inject(photinus_ports::blockchain::PinEvent { signer, ..pin });
        letter
    });
    let keyless = Speaker { author: org(0).author, key: String::new() };
    let unsigned = broadcast(&keyless, &["bills"], "no key");
    let pin = publish(&network, &keyless, &[&unsigned]);
    network.ledger.inject(photinus_ports::blockchain::PinEvent { signer: key(0), ..pin });
    let mut fates: Vec<_> = letters.iter().map(|letter| rejected(letter, "FF10452")).collect();
    fates.push(rejected(&unsigned, "FF10452"));
    fates.push(honest(&network, 0, "bills").await);
    survived(&mut network, &fates).await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unregistered_key_holds_up_its_topic_until_it_is_registered() {
    let mut network = Network::registered(3).await;
    let early = broadcast(&ghost(), &["bills"], "too early");
    send(&network, &ghost(), &[&early]);
    let behind = honest(&network, 1, "bills").await;
    let wait = held_up(&network, "bills", "registration").await;
    assert!(wait.reason.contains(STRANGER), "{wait:?}");
    waits(&network, &behind, "earlier").await;
    let flows = honest(&network, 1, "free").await;
    survived(&mut network, &[flows]).await;
    held_up(&network, "bills", "registration").await;
    let claim = definition(&ghost(), tag::IDENTITY_CLAIM, &identity_topic(&ghost().author), &claim("ghost"));
    send(&network, &ghost(), &[&claim]);
    survived(&mut network, &[confirmed(&claim), confirmed(&early), behind]).await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_registered_late_does_not_speak_for_others() {
    let mut network = Network::registered(3).await;
    let forged = Speaker { author: org(0).author, ..ghost() };
    let nobody = Speaker { author: String::new(), ..ghost() };
    let (letter, anonymous) = (broadcast(&forged, &["bills"], "pay me"), broadcast(&nobody, &["bills"], "who"));
    send(&network, &forged, &[&letter]);
    send(&network, &nobody, &[&anonymous]);
    held_up(&network, "bills", "registration").await;
    let claim = definition(&ghost(), tag::IDENTITY_CLAIM, &identity_topic(&ghost().author), &claim("ghost"));
    send(&network, &ghost(), &[&claim]);
    let fates = [confirmed(&claim), rejected(&letter, "FF10453"), rejected(&anonymous, "FF10453")];
    survived(&mut network, &fates).await;
    network.stop().await;
}
