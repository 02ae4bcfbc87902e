//! How little the common case costs: rows written, and questions asked of the table.

use photinus_sequencing::facts::Fact;
use photinus_sequencing::rows::Table;
use photinus_sequencing::{Rows, Rules, Step, step};

use crate::member::{Member, conforms};
use crate::network::{Network, key, org_did, stored};

/// One fact: the rows that it changed, and how often the step had to ask.
fn cost(table: &mut Table, rows: &mut Rows, fact: &Fact) -> (usize, usize, usize) {
    let mut rounds = 0;
    loop {
        match step(rows, &Rules::default(), fact).unwrap() {
            Step::Need(needs) => {
                rounds += 1;
                for need in needs {
                    table.answer(need, rows, &mut conforms).unwrap();
                }
            }
            Step::Done(outcome) => {
                let changes = rows.take_changes().unwrap();
                let written = changes.len();
                table.apply(changes);
                return (written, rounds, outcome.decisions.len());
            }
        }
    }
}

/// A batch of 500 messages on as many topics, whose content is known when its event comes: a row per message and a
/// few for the batch and the event, and a number of questions that does not depend on the number of messages.
#[test]
fn a_broadcast_writes_one_row() {
    let (mut net, mut member) = (Network::new(), Member::default());
    member.feed(&net.register("a", 1));
    let (mut table, mut rows) = (member.table, Rows::default());
    for topics in [1, 7, 500] {
        let messages = (0..500).map(|n| net.broadcast(&[&format!("t{}", n % topics)])).collect();
        let content = net.batch(&org_did("a"), &key("a"), messages);
        let event = Fact::Pinned(net.pin(&content, &key("a")));
        let (written, rounds, decisions) = cost(&mut table, &mut rows, &stored(&content));
        assert_eq!((written, decisions), (2, 0));
        assert!(rounds <= 2, "{rounds} rounds");
        let (written, rounds, decisions) = cost(&mut table, &mut rows, &event);
        assert_eq!((written, decisions), (502, 500));
        assert!(rounds <= 6, "{rounds} rounds");
    }
}

/// The same when the content comes after the event.
#[test]
fn a_late_batch_is_decided_in_few_rounds() {
    let (mut net, mut member) = (Network::new(), Member::default());
    member.feed(&net.register("a", 1));
    let messages = (0..500).map(|n| net.broadcast(&[&format!("t{}", n % 7)])).collect();
    let content = net.batch(&org_did("a"), &key("a"), messages);
    let event = Fact::Pinned(net.pin(&content, &key("a")));
    let mut table = member.table;
    cost(&mut table, &mut Rows::default(), &event);
    let (written, rounds, decisions) = cost(&mut table, &mut Rows::default(), &stored(&content));
    assert_eq!(decisions, 500);
    // The batch, its content, the note of missing content, and per message its row and the value that it closed.
    assert_eq!(written, 2 + 4 + 2 * 500);
    assert!(rounds < 100, "{rounds} rounds");
}
