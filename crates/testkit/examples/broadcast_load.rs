//! Broadcasts of one member to another in one process, everything but the stores in memory: how many per second are
//! confirmed, and how long one takes. Arguments: requests in flight (default 100) and seconds (default 5).
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "it prints what it measured, and stops when that fails")]

use std::time::{Duration, Instant};

use photinus_model::message::Input;
use photinus_testkit::network::{DEADLINE, Network};

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>().unwrap());
    let (in_flight, seconds) = (arguments.next().unwrap_or(100), arguments.next().unwrap_or(5));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(load(in_flight, Duration::from_secs(seconds)));
}

async fn load(in_flight: u64, duration: Duration) {
    let network = Network::registered(2).await;
    let before = network.ledger.pins().len();
    let start = Instant::now();
    let senders = (0..in_flight).map(|sender| {
        let namespace = network.members[0].namespace().clone();
        tokio::spawn(async move {
            let body = format!(r#"{{"header":{{"topics":["load"]}},"data":[{{"value":"{:0>100}"}}]}}"#, sender);
            let mut times = Vec::new();
            while start.elapsed() < duration {
                let input: Input = serde_json::from_str(&body).unwrap();
                let sent = Instant::now();
                namespace.broadcast(input, Some(DEADLINE)).await.unwrap();
                times.push(sent.elapsed());
            }
            times
        })
    });
    let mut times: Vec<Duration> = Vec::new();
    for sender in futures::future::join_all(senders).await {
        times.extend(sender.unwrap());
    }
    let elapsed = start.elapsed();
    times.sort_unstable();
    let batches = network.ledger.pins().len() - before;
    let rate = times.len() as f64 / elapsed.as_secs_f64();
    println!("{} messages in {batches} batches, {rate:.0} per second", times.len());
    let flush = network.members[0].namespace().batching_status().processors[0].status.average_flush_time_ms;
    println!("{flush} ms from sealing to submission on average");
    println!("p50 {:?}, p99 {:?}", times[times.len() / 2], times[times.len() * 99 / 100]);
    network.stop().await;
}
