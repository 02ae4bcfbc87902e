//! Services that lack methods, and limit what they answer.

use photinus_ports::blockchain::{Blockchain, FirstEvent};
use photinus_ports::health::Health;
use serde_json::Value;

use crate::{anvil::Anvil, engine::until, network::options, relay::Relay, rig::Rig};

#[tokio::test]
async fn a_service_without_receipts_of_blocks_and_tips() {
    let anvil = Anvil::start();
    let relay = Relay::to(anvil.url(), |method, _| {
        matches!(method, "eth_getBlockReceipts" | "eth_maxPriorityFeePerGas")
            .then(|| (-32601, "the method does not exist/is not available".to_owned()))
    })
    .await;
    let rig = Rig::new(options(&relay.url(), None)).await;
    let _stream = rig.listen(FirstEvent::Oldest, None).await;
    let asked = || relay.refused.lock().iter().filter(|method| *method == "eth_getBlockReceipts").count();
    let operations = rig.submit_all(0..20).await;
    rig.engine.sink.all_succeed(&operations).await;
    let at_first = asked();
    assert!(at_first > 0);
    for start in [20, 40] {
        let operations = rig.submit_all(start..start + 20).await;
        rig.engine.sink.all_succeed(&operations).await;
    }
    rig.sees(0..60).await;
    assert_eq!(asked(), at_first, "a method that is not there is not asked for again");
    assert!(relay.refused.lock().iter().any(|method| method == "eth_maxPriorityFeePerGas"));
}

/// How many blocks a filter covers.
fn width(params: &Value) -> u64 {
    let number = |name: &str| {
        let text = params[0][name].as_str()?;
        u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
    };
    number("toBlock").zip(number("fromBlock")).map_or(0, |(to, from)| to - from + 1)
}

#[tokio::test]
async fn a_service_that_limits_ranges() {
    let anvil = Anvil::start();
    let relay = Relay::to(anvil.url(), |method, params| {
        (method == "eth_getLogs" && width(params) > 60)
            .then(|| (-32005, "query returned more than 10000 results".to_owned()))
    })
    .await;
    let rig = Rig::new(options(&relay.url(), None)).await;
    for number in 0..6 {
        let operations = rig.submit_all([number]).await;
        rig.engine.sink.all_succeed(&operations).await;
        anvil.mine(200).await;
    }
    let fresh = Rig::on(options(&relay.url(), None), rig.location.clone(), crate::engine::Engine::default()).await;
    let _stream = fresh.listen(FirstEvent::Oldest, None).await;
    fresh.sees(0..6).await;
    assert!(!relay.refused.lock().is_empty());
}

#[tokio::test]
async fn a_service_that_refuses_everything_shows_in_the_health() {
    let anvil = Anvil::start();
    let rig = Rig::new(options(&anvil.url(), None)).await;
    let relay =
        Relay::to(anvil.url(), |method, _| (method == "eth_getLogs").then(|| (-32000, "not for you".to_owned()))).await;
    let refused = Rig::on(options(&relay.url(), None), rig.location.clone(), crate::engine::Engine::default()).await;
    let stream = refused.listen(FirstEvent::Oldest, None).await;
    until("it shows", || async {
        matches!(refused.adapter.health(), Health::Down(reason) if reason.contains("not for you"))
    })
    .await;
    stream.stop().await;
    until("a stream that ended is no trouble", || async { refused.adapter.health() == Health::Up }).await;
}
