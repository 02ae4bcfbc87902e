//! What it tells its client, and what it sends, one thing after the other.

use std::{collections::VecDeque, sync::Arc};

use axum::extract::ws;
use photinus_model::{Hash, Uuid};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    Process,
    wire::{Arriving, There},
};

/// Events on their way at once.
const WINDOW: usize = 100;

/// What its client is told.
#[derive(Default)]
pub(super) struct Events {
    queue: VecDeque<Value>,
    in_flight: Vec<Value>,
    /// The connection that gets them, and those behind it.
    connections: Vec<(u64, mpsc::UnboundedSender<Value>)>,
    next: u64,
}

/// What its client wants delivered.
pub(super) enum Outgoing {
    Message { message: String, sender: String, recipient: String, request: String },
    Blob { path: String, sender: String, recipient: String, request: String },
}

impl Process {
    /// One client. Only the first gets events; when it leaves, the next gets all that were not acknowledged.
    pub(super) async fn serve(self: Arc<Self>, mut socket: ws::WebSocket) {
        let (tell, mut events) = mpsc::unbounded_channel();
        let number = {
            let mut state = self.events.lock();
            state.next += 1;
            let number = state.next;
            state.connections.push((number, tell));
            if state.connections.len() == 1 {
                state.resend();
            }
            number
        };
        self.dispatch();
        loop {
            tokio::select! {
                Some(event) = events.recv() => {
                    if socket.send(ws::Message::Text(event.to_string().into())).await.is_err() {
                        break;
                    }
                }
                frame = socket.recv() => match frame {
                    Some(Ok(ws::Message::Text(text))) => self.acknowledge(&serde_json::from_str(&text).unwrap()),
                    Some(Ok(_)) => {}
                    _ => break,
                },
            }
        }
        let mut state = self.events.lock();
        let was_first = state.connections.first().is_some_and(|(first, _)| *first == number);
        state.connections.retain(|(other, _)| *other != number);
        if was_first {
            state.resend();
        }
    }

    fn acknowledge(&self, ack: &Value) {
        assert_eq!(ack["action"], "ack");
        let id = ack["id"].as_str().unwrap();
        self.acknowledged.lock().push((id.to_owned(), ack["manifest"].as_str().map(str::to_owned)));
        self.events.lock().in_flight.retain(|event| event["id"] != id);
        self.acks.notify_waiters();
        self.dispatch();
    }

    fn dispatch(&self) {
        let mut state = self.events.lock();
        while state.in_flight.len() < WINDOW && !state.connections.is_empty() {
            let Some(event) = state.queue.pop_front() else { return };
            state.in_flight.push(event.clone());
            let _ = state.connections[0].1.send(event);
        }
    }

    /// Says something to its client. Gives the event's id.
    pub fn tell(&self, mut event: Value) -> String {
        let id = Uuid::new_v4().to_string();
        event["id"] = json!(id);
        self.events.lock().queue.push_back(event);
        self.dispatch();
        id
    }

    /// Events that its client has not acknowledged.
    pub fn open(&self) -> usize {
        let state = self.events.lock();
        state.queue.len() + state.in_flight.len()
    }

    /// What its client said of an event, once it has.
    async fn said(&self, id: &str) -> Option<String> {
        loop {
            let notified = self.acks.notified();
            if let Some((_, manifest)) = self.acknowledged.lock().iter().find(|(known, _)| known == id) {
                return manifest.clone();
            }
            notified.await;
        }
    }

    /// Sends what waits, one after the other.
    pub(super) async fn send(self: Arc<Self>, mut work: mpsc::UnboundedReceiver<Outgoing>) {
        while let Some(outgoing) = work.recv().await {
            match outgoing {
                Outgoing::Message { message, sender, recipient, request } => {
                    let all =
                        json!({"message": message, "sender": sender, "recipient": recipient, "requestId": request});
                    self.sent.lock().push([sender.clone(), recipient.clone(), message.clone()]);
                    let there = self.pass(&sender, &recipient, Arriving::Message(message)).await;
                    self.report("message", all, there).await;
                }
                Outgoing::Blob { path, sender, recipient, request } => {
                    let all = json!({"path": path, "sender": sender, "recipient": recipient, "requestId": request});
                    let Some(content) = self.disk.blobs.lock().get(&path[1..]).cloned() else { continue };
                    let there = self.pass(&sender, &recipient, Arriving::Blob { path, content }).await;
                    self.report("blob", all, there).await;
                }
            }
        }
    }

    async fn report(self: &Arc<Self>, what: &str, mut event: Value, there: Result<There, String>) {
        let kind = |end: &str| json!(format!("{what}-{end}"));
        match there {
            Err(reason) => {
                event["type"] = kind("failed");
                event["error"] = json!(reason);
                self.tell(event);
            }
            Ok(there) => {
                event["type"] = kind("delivered");
                self.tell(event.clone());
                if self.manners.acknowledges
                    && let Some((other, id)) = there
                {
                    let said = other.said(&id).await;
                    let hash = self
                        .disk
                        .blobs
                        .lock()
                        .get(event["path"].as_str().unwrap_or_default().trim_start_matches('/'))
                        .map(|c| Hash::of(c).to_string());
                    event["type"] = kind("acknowledged");
                    event["manifest"] = json!(said);
                    event["hash"] = json!(hash);
                    self.tell(event);
                }
            }
        }
    }
}

impl Events {
    /// To the one who is first now.
    pub(super) fn resend(&self) {
        if let Some((_, first)) = self.connections.first() {
            for event in &self.in_flight {
                let _ = first.send(event.clone());
            }
        }
    }
}
