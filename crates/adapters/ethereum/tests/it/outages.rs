//! Chains that cannot be reached for a while, or come back as another.

use photinus_ethereum::{Ethereum, Options, deploy, options::Url};
use photinus_ports::{
    blockchain::{Blockchain, Error, FirstEvent},
    health::Health,
};

use crate::{
    anvil::Anvil,
    engine::{Engine, until},
    network::{DEPLOYER, KEY, NAMESPACE, number_of, operation, options, pin},
    proxy::Proxy,
    rig::{Rig, contract, place},
};

#[tokio::test]
async fn an_outage_delays_and_loses_nothing() {
    let anvil = Anvil::start();
    let proxy = Proxy::to(anvil.port).await;
    let rig = Rig::new(options(&proxy.url(), Some(&proxy.ws_url()))).await;
    let other = Rig::on(options(&anvil.url(), Some(&anvil.ws_url())), rig.location.clone(), Engine::default()).await;
    let _stream = rig.listen(FirstEvent::Oldest, None).await;
    let before = rig.submit_all(0..5).await;
    rig.engine.sink.all_succeed(&before).await;
    rig.sees(0..5).await;
    for round in 1..=3_u64 {
        proxy.cut();
        until("the outage shows", || async { matches!(rig.adapter.health(), Health::Down(_)) }).await;
        // Everybody else goes on.
        let theirs = other.submit_all(round * 100..round * 100 + 5).await;
        other.engine.sink.all_succeed(&theirs).await;
        // What was estimated before is accepted, and sent when the chain is back.
        proxy.mend().await;
        let ours = rig.submit_all(round * 100 + 50..round * 100 + 55).await;
        rig.engine.sink.all_succeed(&ours).await;
        let numbers = (0..5).chain((1..=round).flat_map(|round| {
            let start = round * 100;
            (start..start + 5).chain(start + 50..start + 55)
        }));
        rig.sees(numbers).await;
        until("blocks are pushed again", || async {
            rig.adapter.health() == Health::Up && rig.adapter.counters().pushed == 1
        })
        .await;
    }
    assert!(rig.adapter.counters().connections >= 4);
    assert!(rig.engine.sink.seen.lock().retractions.is_empty());
}

#[tokio::test]
async fn what_is_accepted_during_an_outage_is_sent_after_it() {
    let anvil = Anvil::start();
    let proxy = Proxy::to(anvil.port).await;
    let rig = Rig::new(options(&proxy.url(), Some(&proxy.ws_url()))).await;
    let first = rig.submit_all([0]).await;
    rig.engine.sink.all_succeed(&first).await;
    anvil.automine(false).await;
    let waiting = rig.submit_all(1..5).await;
    until("all wait to be mined", || async { anvil.nonce(KEY, true).await == 5 }).await;
    proxy.cut();
    // The chain mines some and loses the others while nobody looks.
    let lost = rig.adapter.operation_status(&waiting[3]).await.unwrap().unwrap()["transactionHash"].clone();
    anvil.call("anvil_dropTransaction", serde_json::json!([lost])).await;
    anvil.mine(1).await;
    anvil.automine(true).await;
    proxy.mend().await;
    rig.engine.sink.all_succeed(&waiting).await;
    assert_eq!(anvil.nonce(KEY, false).await, 5);
}

#[tokio::test]
async fn a_websocket_that_is_not_there_is_replaced_by_polling() {
    let anvil = Anvil::start();
    let proxy = Proxy::to(anvil.port).await;
    proxy.cut();
    let rig = Rig::new(options(&anvil.url(), Some(&proxy.ws_url()))).await;
    let _stream = rig.listen(FirstEvent::Oldest, None).await;
    let operations = rig.submit_all(0..5).await;
    rig.engine.sink.all_succeed(&operations).await;
    rig.sees(0..5).await;
    assert_eq!(rig.adapter.counters().pushed, 0);
    proxy.mend().await;
    until("blocks are pushed", || async { rig.adapter.counters().pushed == 1 }).await;
    rig.submit_all(5..8).await;
    rig.sees(0..8).await;
}

#[tokio::test]
async fn a_chain_that_is_not_there_yet_is_waited_for() {
    let reserved = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = reserved.local_addr().unwrap().port();
    drop(reserved);
    let url = format!("http://127.0.0.1:{port}");
    let adapter = Ethereum::start(options(&url, None)).await.unwrap();
    let engine = Engine::default();
    adapter.attach(NAMESPACE, engine.journal.clone(), engine.sink.clone()).await.unwrap();
    assert!(matches!(adapter.health(), Health::Down(_)));
    let somewhere = place("0x5fbdb2315678afecb367f032d93f642f64180aa3");
    let answer = adapter.submit_batch_pin(&operation(1), KEY, &pin(1), &somewhere).await;
    assert!(matches!(answer, Err(Error::Unavailable(_))), "{answer:?}");
    let _anvil = Anvil::at(port, &[]);
    let deployed = deploy(&options(&url, None), DEPLOYER).await.unwrap();
    assert_eq!(place(&deployed.address), somewhere);
    until("the chain is reached", || async { adapter.health() == Health::Up }).await;
    adapter.submit_batch_pin(&operation(1), KEY, &pin(1), &somewhere).await.unwrap();
    engine.sink.all_succeed(&[operation(1)]).await;
    adapter.stop().await;
}

#[tokio::test]
async fn another_chain_at_the_same_place_takes_everything_back() {
    let anvil = Anvil::start();
    let port = anvil.port;
    let rig = Rig::new(options(&anvil.url(), Some(&anvil.ws_url()))).await;
    let _stream = rig.listen(FirstEvent::Oldest, None).await;
    let operations = rig.submit_all(0..3).await;
    rig.engine.sink.all_succeed(&operations).await;
    rig.sees(0..3).await;
    drop(anvil);
    let anvil = Anvil::at(port, &["--timestamp", "1"]);
    // The same deployer makes the contract at the same place.
    let again = contract(&rig.options).await;
    assert_eq!(again, rig.location);
    rig.engine.sink.until("all is taken back", |seen| !seen.retractions.is_empty()).await;
    // The transactions of the old chain are sent to the new one, perhaps before the contract is there; new ones find it.
    until("the old transactions are sent", || async { anvil.nonce(KEY, false).await == 3 }).await;
    let operations = rig.submit_all(10..13).await;
    rig.engine.sink.all_succeed(&operations).await;
    rig.engine
        .sink
        .until("the new pins", |seen| (10..13).all(|number| seen.logs.iter().any(|log| number_of(&log.pin) == number)))
        .await;
    assert_eq!(anvil.nonce(KEY, false).await, 6);
}

#[tokio::test]
async fn the_wrong_chain_is_not_used() {
    let anvil = Anvil::start();
    let location = contract(&options(&anvil.url(), None)).await;
    let wrong = Options { chain_id: Some(1), ..options(&anvil.url(), Some(&anvil.ws_url())) };
    assert!(deploy(&wrong, DEPLOYER).await.is_err());
    let adapter = Ethereum::start(wrong).await.unwrap();
    let engine = Engine::default();
    adapter.attach(NAMESPACE, engine.journal.clone(), engine.sink.clone()).await.unwrap();
    until("it is noticed", || async {
        matches!(adapter.health(), Health::Down(reason) if reason.contains("chain's id is 31337, expected was 1"))
    })
    .await;
    let answer = adapter.submit_batch_pin(&operation(1), KEY, &pin(1), &location).await;
    assert!(matches!(answer, Err(Error::Unavailable(_))), "{answer:?}");
    assert_eq!(anvil.nonce(KEY, true).await, 0);
    adapter.stop().await;
}

#[tokio::test]
async fn unusable_options_are_refused_at_the_start() {
    for (url, ws_url) in
        [("nonsense", None), ("ws://127.0.0.1:1", None), ("http://127.0.0.1:1", Some("http://127.0.0.1:1"))]
    {
        let unusable = Options { url: Url::new(url), ws_url: ws_url.map(Url::new), ..Options::default() };
        assert!(Ethereum::start(unusable).await.is_err(), "{url} {ws_url:?}");
    }
}
