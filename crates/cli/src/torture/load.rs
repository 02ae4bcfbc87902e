//! The senders: applications that send all kinds of messages through one member, and repeat what got no answer.

use std::{sync::Arc, time::Duration};

use rand::{Rng, SeedableRng, rngs::StdRng};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::book::{Accepted, Book};

/// How long a sender waits for an answer. A member that is paused answers late.
const PATIENCE: Duration = Duration::from_secs(20);
/// Pause before something is sent again.
const AGAIN: Duration = Duration::from_millis(50);
/// Largest file, in bytes.
const FILE: usize = 200_000;
/// Names of topics that the senders share.
const TOPICS: [&str; 4] = ["torture-a", "torture-b", "torture-c", "torture-d"];

/// What all senders of a run know.
pub(super) struct Shared {
    pub(super) http: reqwest::Client,
    pub(super) book: Book,
    /// API and organisation of each member.
    pub(super) members: Vec<(String, String)>,
    /// Accounts of the chain that no identity has claimed yet.
    pub(super) accounts: parking_lot::Mutex<Vec<String>>,
    /// Pause of a sender between two messages.
    pub(super) pace: Duration,
}

/// One sender.
pub(super) struct Sender {
    shared: Arc<Shared>,
    number: usize,
    /// The member that it uses.
    member: usize,
    random: StdRng,
    sent: usize,
}

/// What a member said.
enum Answer {
    /// It took the request.
    Accepted(Value),
    /// It said that this was sent before.
    Before,
    /// It cannot take it, ever; noted.
    Refused,
    /// The run ends.
    Stopped,
}

impl Sender {
    pub(super) fn new(shared: Arc<Shared>, number: usize, seed: u64) -> Self {
        let member = number % shared.members.len();
        Self { shared, number, member, random: StdRng::seed_from_u64(seed ^ (number as u64 + 1)), sent: 0 }
    }

    /// Sends until it is told to stop.
    pub(super) async fn run(mut self) {
        while !self.shared.book.stopped() {
            self.sent += 1;
            match self.random.random_range(0..100) {
                0..40 => self.message("broadcast", &[], false).await,
                40..50 => self.message("broadcast with file", &[], true).await,
                50..75 => self.private("private", false).await,
                75..83 => self.private("private with file", true).await,
                83..95 => self.private("private unpinned", false).await,
                95..98 => self.datatype().await,
                _ => self.identity().await,
            }
            let pace = self.shared.pace.mul_f64(self.random.random_range(0.5..1.5));
            tokio::time::sleep(pace).await;
        }
    }

    /// A message to one or two others.
    async fn private(&mut self, kind: &'static str, file: bool) {
        let count = self.shared.members.len();
        let first = (self.member + self.random.random_range(1..count)) % count;
        let mut others = vec![first];
        if self.random.random_bool(0.3) {
            others = (0..count).filter(|other| *other != self.member).collect();
        }
        self.message(kind, &others, file).await;
    }

    /// A message to some others, or to everybody.
    async fn message(&mut self, kind: &'static str, others: &[usize], with_file: bool) {
        let file = if with_file {
            let Some(file) = self.file().await else { return };
            Some(file)
        } else {
            None
        };
        let key = format!("torture-{}-{}", self.number, self.sent);
        let mut data = vec![json!({"value": {"sender": self.number, "number": self.sent}})];
        data.extend(file.iter().map(|(id, _)| json!({"id": id})));
        let topic = TOPICS[self.random.random_range(0..TOPICS.len())];
        let mut body = json!({"header": {"topics": [topic]}, "data": data, "idempotencyKey": key});
        if kind == "private unpinned" {
            body["header"]["txtype"] = json!("unpinned");
        }
        let mut path = "messages/broadcast";
        if !others.is_empty() {
            path = "messages/private";
            let identities = others.iter().map(|other| json!({"identity": self.shared.members[*other].1}));
            body["group"] = json!({"members": identities.collect::<Vec<_>>()});
        }
        let id = match self.post(path, &body).await {
            Answer::Accepted(message) => text(&message, "/header/id"),
            Answer::Before => self.sent_before(&key).await,
            Answer::Refused | Answer::Stopped => return,
        };
        let Some(id) = id else { return };
        let mut members = vec![self.member];
        if others.is_empty() {
            members.extend((0..self.shared.members.len()).filter(|other| *other != self.member));
        } else {
            members.extend(others);
        }
        self.shared.book.accept(Accepted { id, kind, members, file });
    }

    /// The message that an earlier attempt has left. It was accepted, whether somebody heard so or not.
    async fn sent_before(&self, key: &str) -> Option<String> {
        let url = format!("{}/messages?idempotencykey={key}", self.shared.members[self.member].0);
        loop {
            let found = async { self.shared.http.get(&url).timeout(PATIENCE).send().await?.json::<Value>().await };
            if let Ok(found) = found.await
                && let Some(id) = text(&found, "/0/header/id")
            {
                return Some(id);
            }
            if self.shared.book.stopped() {
                // It is compared with the other members like everything else.
                return None;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Uploads a file; the id of its data, and its hash.
    async fn file(&mut self) -> Option<(String, String)> {
        let mut content = vec![0; self.random.random_range(1..FILE)];
        self.random.fill(&mut content[..]);
        let hash = hex::encode(Sha256::digest(&content));
        let url = format!("{}/data", self.shared.members[self.member].0);
        loop {
            let part = reqwest::multipart::Part::bytes(content.clone()).file_name("file.bin");
            let form = reqwest::multipart::Form::new().part("file", part);
            let sent = self.shared.http.post(&url).timeout(PATIENCE).multipart(form).send().await;
            match self.judge("data", sent).await {
                Some(Answer::Accepted(data)) => {
                    if text(&data, "/blob/hash").as_deref() != Some(&hash) {
                        self.shared.book.unexpected(format!("a file of hash {hash} became {data}"));
                        return None;
                    }
                    return Some((text(&data, "/id")?, hash));
                }
                Some(_) => return None,
                None if self.shared.book.stopped() => return None,
                None => tokio::time::sleep(AGAIN).await,
            }
        }
    }

    /// A definition that all members learn. Its name is used once: when no answer came, nobody asks again.
    async fn datatype(&mut self) {
        let name = format!("torture-{}-{}", self.number, self.sent);
        let body = json!({"name": name, "version": "1", "value": {"type": "object"}});
        if let Answer::Accepted(datatype) = self.post("datatypes", &body).await {
            self.definition("datatype", text(&datatype, "/message"));
        }
    }

    /// An identity of the member's organisation, as long as there are accounts; a datatype else.
    async fn identity(&mut self) {
        let account = self.shared.accounts.lock().pop();
        let Some(key) = account else { return self.datatype().await };
        let org = &self.shared.members[self.member].1;
        let name = format!("torture-{}-{}", self.number, self.sent);
        let body = json!({"name": name, "parent": format!("did:firefly:org/{org}"), "key": key});
        if let Answer::Accepted(identity) = self.post("identities", &body).await {
            self.definition("identity", text(&identity, "/messages/claim"));
            self.definition("identity", text(&identity, "/messages/verification"));
        }
    }

    fn definition(&self, kind: &'static str, id: Option<String>) {
        let Some(id) = id else { return };
        let others = (0..self.shared.members.len()).filter(|other| *other != self.member);
        let members = [self.member].into_iter().chain(others).collect();
        self.shared.book.accept(Accepted { id, kind, members, file: None });
    }

    /// Sends JSON until there is an answer.
    async fn post(&self, path: &str, body: &Value) -> Answer {
        let url = format!("{}/{path}", self.shared.members[self.member].0);
        loop {
            let sent = self.shared.http.post(&url).timeout(PATIENCE).json(body).send().await;
            if let Some(answer) = self.judge(path, sent).await {
                return answer;
            }
            if self.shared.book.stopped() {
                return Answer::Stopped;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// What an answer comes to; `None` when the request is to be sent again.
    async fn judge(&self, path: &str, sent: reqwest::Result<reqwest::Response>) -> Option<Answer> {
        let book = &self.shared.book;
        let Ok(response) = sent else {
            book.answered("no answer");
            return None;
        };
        let status = response.status();
        let Ok(body) = response.text().await else {
            book.answered("half an answer");
            return None;
        };
        book.answered(status.as_str());
        match status {
            StatusCode::OK | StatusCode::CREATED | StatusCode::ACCEPTED => match serde_json::from_str(&body) {
                Ok(body) => Some(Answer::Accepted(body)),
                Err(_) => None,
            },
            StatusCode::CONFLICT => Some(Answer::Before),
            // Starting, overloaded, out of time, or without its database: what a client is told to repeat.
            StatusCode::PRECONDITION_FAILED
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::REQUEST_TIMEOUT
            | StatusCode::SERVICE_UNAVAILABLE => None,
            _ => {
                let from = self.member;
                book.unexpected(format!("member {from} answered {status} to POST {path}: {}", body.trim()));
                Some(Answer::Refused)
            }
        }
    }
}

fn text(value: &Value, at: &str) -> Option<String> {
    value.pointer(at)?.as_str().map(str::to_owned)
}
