//! `photinus why`

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{args::Why, error::Error, network::client::Client, output::Output};

/// Asks a node why a message is where it is.
pub(crate) async fn run(args: Why, output: Output) -> Result<(), Error> {
    let client = Client::at(&args.url, &args.namespace);
    let answer = client.get(&format!("messages/{}/why", args.message)).await?;
    match serde_json::from_value(answer.clone()) {
        Ok(told) => output.data(&Told { answer, told }),
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
    told: Answer,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    id: String,
    #[serde(default)]
    state: String,
    author: String,
    topics: Vec<String>,
    summary: String,
    waits_for: Vec<Cause>,
    #[serde(default)]
    equivocations: Vec<Equivocation>,
}

#[derive(Deserialize)]
struct Equivocation {
    kind: String,
    one: Evidence,
    other: Evidence,
}

#[derive(Deserialize)]
struct Evidence {
    batch: String,
    digest: String,
}

#[derive(Deserialize)]
struct Cause {
    kind: String,
    reason: String,
    position: Option<String>,
    from: Option<String>,
    since: Option<String>,
    tried: Vec<Attempt>,
    queued: Option<u64>,
    next: String,
}

#[derive(Deserialize)]
struct Attempt {
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    operation: String,
    #[serde(default)]
    status: String,
    /// A node that was asked, in place of an operation.
    asked: Option<String>,
    #[serde(default)]
    error: String,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Answer { id, state, author, topics, summary, waits_for, equivocations } = &self.told;
        writeln!(f, "message {id} of {author} on {}", topics.join(", "))?;
        writeln!(f, "{state}: {summary}")?;
        for cause in waits_for {
            write!(f, "\n{}: {}", cause.kind, cause.reason)?;
            let facts = [("at", &cause.position), ("from", &cause.from), ("since", &cause.since)];
            for (name, fact) in facts.iter().filter_map(|(name, fact)| Some((name, fact.as_ref()?))) {
                write!(f, "\n  {name}: {fact}")?;
            }
            for Attempt { r#type, operation, status, asked, error } in &cause.tried {
                match asked {
                    Some(node) => write!(f, "\n  asked: {node}: {error}")?,
                    None => write!(f, "\n  tried: {type} {operation} {status} {error}")?,
                }
            }
            if let Some(queued) = cause.queued {
                write!(f, "\n  queued: {queued} contents wait to be fetched, this one among them")?;
            }
            writeln!(f, "\n  next: {}", cause.next)?;
        }
        for Equivocation { kind, one, other } in equivocations {
            let (first, second) = (format!("{} in batch {}", one.digest, one.batch), &other.digest);
            writeln!(f, "\nits author said two things ({kind}): {first}, {second} in batch {}", other.batch)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn people_read_the_chain_of_waits() {
        let answer = json!({
            "id": "1", "state": "pending", "author": "did:firefly:org/a", "topics": ["t"], "summary": "it waits",
            "waitsFor": [{
                "kind": "content", "reason": "the content", "position": "1/2/3", "from": "did:firefly:org/b",
                "tried": [
                    { "operation": "2", "type": "download", "status": "Pending", "error": "gone" },
                    { "asked": "did:firefly:node/c", "error": "away" },
                ],
                "queued": 7, "next": "ask",
            }],
            "equivocations": [{ "kind": "payload", "one": { "batch": "b", "digest": "1" },
                "other": { "batch": "b", "digest": "2" } }],
        });
        let told = serde_json::from_value(answer.clone()).unwrap();
        let expected = "message 1 of did:firefly:org/a on t\npending: it waits\n\ncontent: the content\n  at: 1/2/3\n  from: \
                        did:firefly:org/b\n  tried: download 2 Pending gone\n  asked: did:firefly:node/c: away\n  queued: 7 contents wait to be fetched, this one among them\n  next: ask\n\nits author said two things (payload): 1 in batch b, 2 in batch b\n";
        assert_eq!(Told { answer, told }.to_string(), expected);
    }
}
