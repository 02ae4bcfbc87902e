//! The REST interface over HTTP, in front of whole members on a ledger in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod clients;
mod doors;
mod fuzz;
mod identities;
mod operators;
mod rates;
mod refusals;
mod walk;

use std::net::SocketAddr;

use photinus_api::{Handle, Namespaces, Options, Server, State, options::Listener};
use photinus_testkit::network::{NAMESPACE, Network};
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::Value;

/// A member with its API, and a client of it.
struct Api {
    network: Network,
    namespaces: Namespaces,
    server: Handle,
    address: SocketAddr,
    client: Client,
}

impl Api {
    async fn start() -> Self {
        let network = Network::registered(1).await;
        let namespaces = Namespaces::new(NAMESPACE);
        namespaces.set(NAMESPACE, State::Running(network.members[0].namespace().clone()));
        let record = photinus_model::namespace::Namespace {
            name: "later".to_owned(),
            network_name: "later".to_owned(),
            description: String::new(),
            created: photinus_model::Time::ZERO,
        };
        namespaces.set("later", State::Initializing { record, error: None });
        let free = Listener::new("127.0.0.1", 0);
        let options = Options { http: free.clone(), spi: Some(free), ..Options::default() };
        let server = Server::start(options, namespaces.clone()).await.unwrap();
        let address = server.addresses.http;
        Self { network, namespaces, server, address, client: Client::new() }
    }

    async fn stop(self) {
        self.server.stop().await;
        self.network.stop().await;
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        read(self.client.get(self.url(&format!("/api/v1/{path}"))).send().await.unwrap()).await
    }

    async fn send(&self, method: Method, path: &str, media: &str, body: &str) -> (StatusCode, Value) {
        let mut request = self.client.request(method, self.url(&format!("/api/v1/{path}"))).body(body.to_owned());
        if !media.is_empty() {
            request = request.header("Content-Type", media);
        }
        read(request.send().await.unwrap()).await
    }

    async fn post(&self, path: &str, body: &str) -> (StatusCode, Value) {
        self.send(Method::POST, path, "application/json", body).await
    }
}

async fn read(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}
