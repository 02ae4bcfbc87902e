//! `photinus release`

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{args::Release, error::Error, network::client::Client, output::Output};

/// Has a node vote to give up a batch, or give it up alone.
pub(crate) async fn run(args: Release, output: Output) -> Result<(), Error> {
    let client = Client::at(&args.url, &args.namespace);
    let call = if args.alone { "status/topics/abandon" } else { "status/topics/release" };
    let mut body = json!({ "position": args.position });
    if args.for_others {
        body["forOthers"] = true.into();
    }
    let answer = client.post(call, &body).await?;
    match serde_json::from_value(answer.clone()) {
        Ok(votes) => output.data(&Told { answer, votes, alone: args.alone }),
        // A later node may tell it in another form; it is data all the same.
        Err(_) => output.line(&answer.to_string()),
    }
    Ok(())
}

/// The answer, whole and as far as it is shown to people.
#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    answer: Value,
    #[serde(skip)]
    votes: Votes,
    #[serde(skip)]
    alone: bool,
}

#[derive(Deserialize)]
struct Votes {
    position: String,
    batch: String,
    undecided: u64,
    votes: Vec<String>,
    owner: Option<String>,
    electorate: Option<u64>,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Votes { position, batch, undecided, votes, owner, electorate } = &self.votes;
        writeln!(f, "batch {batch} at {position}, {undecided} values undecided")?;
        if self.alone {
            return writeln!(f, "given up on this node");
        }
        writeln!(f, "the vote is on its way to the ledger")?;
        let before = if votes.is_empty() { "nobody".to_owned() } else { votes.join(", ") };
        writeln!(f, "voted before: {before}")?;
        let half = electorate.map(|all| format!("{} of {all} organisations", all / 2 + 1));
        let half =
            half.unwrap_or_else(|| "more than half of the organisations; batches below it are missing too".to_owned());
        match owner {
            Some(owner) => writeln!(f, "enough: {owner}, or {half}"),
            None => writeln!(f, "enough: {half}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_whose_votes_are_enough() {
        let mut answer = json!({
            "position": "1/2/3", "batch": "4", "undecided": 2, "votes": ["did:firefly:org/a"], "owner": "did:firefly:org/b",
            "electorate": 4,
        });
        let told = |answer: &Value, alone| {
            Told { answer: answer.clone(), votes: serde_json::from_value(answer.clone()).unwrap(), alone }.to_string()
        };
        let expected = "batch 4 at 1/2/3, 2 values undecided\nthe vote is on its way to the ledger\nvoted before: \
                        did:firefly:org/a\nenough: did:firefly:org/b, or 3 of 4 organisations\n";
        assert_eq!(told(&answer, false), expected);
        answer["owner"] = Value::Null;
        answer["electorate"] = Value::Null;
        assert!(told(&answer, false).contains("enough: more than half"));
        assert!(told(&answer, true).ends_with("given up on this node\n"));
    }
}
