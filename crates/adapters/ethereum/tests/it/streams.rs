//! Catching up over many blocks, from every kind of start.

use photinus_ethereum::Options;
use photinus_ports::blockchain::FirstEvent;

use crate::{
    anvil::Anvil,
    engine::Engine,
    network::{number_of, options},
    rig::Rig,
};

/// A chain of some two thousand blocks with a pin every hundred.
async fn long_chain(anvil: &Anvil) -> Rig {
    let rig = Rig::new(options(&anvil.url(), Some(&anvil.ws_url()))).await;
    for number in 0..20 {
        let operations = rig.submit_all([number]).await;
        rig.engine.sink.all_succeed(&operations).await;
        anvil.mine(100).await;
    }
    rig
}

#[tokio::test]
async fn a_late_listener_catches_up_in_ranges() {
    let anvil = Anvil::start();
    let rig = long_chain(&anvil).await;
    let Rig { adapter, location, .. } = rig;
    adapter.stop().await;

    // A fresh node, which has never seen this chain.
    let narrow = Options { max_block_range: 37, ..options(&anvil.url(), Some(&anvil.ws_url())) };
    let rig = Rig::on(narrow, location, Engine::default()).await;
    let _stream = rig.listen(FirstEvent::Oldest, None).await;
    // New pins arrive while it catches up.
    rig.submit_all(20..30).await;
    rig.sees(0..30).await;
    let told: Vec<u64> = rig.engine.sink.pinned();
    assert_eq!(told[..20], (0..20).collect::<Vec<_>>());
    for log in &rig.engine.sink.seen.lock().logs {
        assert_eq!(log.output["timestamp"], (log.timestamp.as_unix_nanos() / 1_000_000_000).to_string());
    }
}

#[tokio::test]
async fn a_stream_starts_where_it_is_told() {
    let anvil = Anvil::start();
    let rig = long_chain(&anvil).await;
    let stream = rig.listen(FirstEvent::Oldest, None).await;
    rig.sees(0..20).await;
    stream.stop().await;
    let (blocks, cursor): (Vec<u64>, _) = {
        let seen = rig.engine.sink.seen.lock();
        (seen.logs.iter().map(|log| log.position.block).collect(), seen.cursor.clone())
    };
    let Rig { adapter, location, engine, options } = rig;
    adapter.stop().await;

    // From a block on.
    let some = Rig::on(options.clone(), location.clone(), Engine::default()).await;
    let stream = some.listen(FirstEvent::Block(blocks[12]), None).await;
    some.sees(12..20).await;
    stream.stop().await;

    // Only what is new, even if nothing happened before a restart.
    let new = Rig::on(options.clone(), location.clone(), Engine::default()).await;
    let stream = new.listen(FirstEvent::Newest, None).await;
    let start = new.engine.sink.seen.lock().cursor.clone();
    assert!(start.is_some(), "the start is told at once");
    stream.stop().await;
    some.submit_all([50]).await;
    let _stream = new.listen(FirstEvent::Newest, start).await;
    new.sees([50]).await;

    // From a cursor.
    let rest = Rig::on(options, location, engine).await;
    let _stream = rest.listen(FirstEvent::Oldest, cursor).await;
    rest.engine.sink.until("the rest", |seen| seen.logs.len() == 21).await;
    assert_eq!(number_of(&rest.engine.sink.seen.lock().logs[20].pin), 50);
}

#[tokio::test]
async fn several_streams_see_the_same() {
    let anvil = Anvil::start();
    let rig = Rig::new(options(&anvil.url(), Some(&anvil.ws_url()))).await;
    let other = Rig::on(rig.options.clone(), rig.location.clone(), Engine::default()).await;
    let _first = rig.listen(FirstEvent::Oldest, None).await;
    let _second = other.listen(FirstEvent::Oldest, None).await;
    rig.submit_all(0..40).await;
    rig.sees(0..40).await;
    other.sees(0..40).await;
    assert_eq!(rig.engine.sink.pinned(), other.engine.sink.pinned());
}

#[tokio::test]
async fn a_quiet_chain_moves_the_cursor_rarely() {
    let anvil = Anvil::start();
    let rig = Rig::new(options(&anvil.url(), Some(&anvil.ws_url()))).await;
    let _stream = rig.listen(FirstEvent::Oldest, None).await;
    anvil.mine(1_200).await;
    rig.engine
        .sink
        .until("the cursor moved", |seen| seen.cursor.as_ref().is_some_and(|cursor| cursor.block >= 1_000))
        .await;
    assert!(rig.engine.sink.seen.lock().deliveries < 10);
}
