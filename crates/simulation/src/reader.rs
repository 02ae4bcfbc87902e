//! An application that follows a member's events with a durable subscription. It has a memory of its own, which no crash of the
//! member takes from it.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use photinus_engine::{Namespace, events};
use serde_json::json;
use tokio::sync::mpsc;

use crate::world::{Life, World};

/// Name of its subscription.
const NAME: &str = "reader";

/// The sequences of the events that it was given, in the order in which they came, with those that came again.
pub(crate) type Given = Arc<Mutex<Vec<i64>>>;

/// Follows a member for one of its lives. Of what it is given it acknowledges some at once and some later.
pub(crate) async fn follow(namespace: Namespace, world: Arc<World>, life: Arc<Life>, given: Given) {
    let ahead = world.draw(|random| random.below(4));
    let following = async {
        // Applications come when a member is up, not in the same moment.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let input = json!({ "name": NAME, "options": { "firstEvent": "oldest", "readAhead": ahead } });
        let input: events::Input = serde_json::from_value(input).expect("it is a subscription");
        while let Err(error) = namespace.upsert_subscription(input.clone()).await {
            world.note(&life, format_args!("does not take a subscription: {}", error.code()));
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let (sender, mut receiver) = mpsc::channel(8);
        namespace.attach(NAME, sender, life.over.child_token());
        while let Some(delivery) = receiver.recv().await {
            for event in &delivery.events {
                let sequence = event.event.event.sequence;
                given.lock().push(sequence);
                if world.draw(|random| random.chance(100)) {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                delivery.acknowledge(sequence);
            }
        }
    };
    life.until(following).await;
}

/// What is wrong with what it was given of these events.
pub(crate) fn check(given: &[i64], events: &[i64]) -> Option<String> {
    // Whatever comes again was given before; what is new comes in its order, and nothing is left out.
    let mut highest = -1;
    let mut first = Vec::new();
    for sequence in given {
        if *sequence > highest {
            highest = *sequence;
            first.push(*sequence);
        }
    }
    let at = (0..first.len().max(events.len())).find(|at| first.get(*at) != events.get(*at))?;
    Some(format!("the reader was given {:?} where event {:?} follows, at {at}", first.get(at), events.get(at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_seen_and_a_repetition_is_none() {
        assert_eq!(check(&[0, 1, 0, 1, 3], &[0, 1, 3]), None);
        assert!(check(&[0, 3, 1], &[0, 1, 3]).is_some());
        assert!(check(&[0, 1], &[0, 1, 3]).is_some());
        assert!(check(&[0, 1, 3], &[0, 1]).is_some());
    }
}
