//! A JSON-RPC service that passes calls on to a chain, and refuses some.

use std::{net::SocketAddr, sync::Arc};

use axum::{Json, Router, extract::State, routing::post};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// Decides about a call: `Some` is the error that it gets, code and message.
type Rule = dyn Fn(&str, &Value) -> Option<(i64, String)> + Send + Sync;

/// The service; it ends with its value.
pub(crate) struct Relay {
    address: SocketAddr,
    task: JoinHandle<()>,
    pub(crate) refused: Arc<Mutex<Vec<String>>>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Service {
    target: String,
    http: reqwest::Client,
    rule: Box<Rule>,
    refused: Arc<Mutex<Vec<String>>>,
}

impl Relay {
    pub(crate) async fn to(
        target: String,
        rule: impl Fn(&str, &Value) -> Option<(i64, String)> + Send + Sync + 'static,
    ) -> Self {
        let refused = Arc::<Mutex<Vec<String>>>::default();
        let service =
            Arc::new(Service { target, http: reqwest::Client::new(), rule: Box::new(rule), refused: refused.clone() });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", post(answer)).with_state(service);
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, task, refused }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn answer(State(service): State<Arc<Service>>, Json(body): Json<Value>) -> Json<Value> {
    let Value::Array(calls) = body else { return Json(one(&service, body).await) };
    let mut answers = Vec::new();
    for call in calls {
        answers.push(one(&service, call).await);
    }
    Json(answers.into())
}

async fn one(service: &Service, call: Value) -> Value {
    let method = call["method"].as_str().unwrap();
    if let Some((code, message)) = (service.rule)(method, &call["params"]) {
        service.refused.lock().push(method.to_owned());
        return json!({"jsonrpc": "2.0", "id": call["id"], "error": {"code": code, "message": message}});
    }
    service.http.post(&service.target).json(&call).send().await.unwrap().json().await.unwrap()
}
