//! Clients that send more than they may.

use photinus_api::{
    Namespaces, Options, Server,
    options::{By, Listener, RateLimit},
};
use reqwest::{Client, RequestBuilder, Response, StatusCode};

/// A listener that takes two requests of a client at once, and then one in a hundred seconds.
async fn start(by: By, passwords: Option<std::path::PathBuf>) -> (photinus_api::Handle, String) {
    let rate_limit = Some(RateLimit { per_second: 0.01, burst: 2, by });
    let http = Listener { rate_limit, passwords, ..Listener::new("127.0.0.1", 0) };
    let options = Options { http, ..Options::default() };
    let server = Server::start(options, Namespaces::new("default")).await.unwrap();
    let url = format!("http://{}/api/v1/namespaces", server.addresses.http);
    (server, url)
}

async fn answer(request: RequestBuilder) -> Response {
    request.send().await.unwrap()
}

#[tokio::test]
async fn a_client_that_is_too_fast_is_told_when_to_come_back() {
    let (server, url) = start(By::Address, None).await;
    let client = Client::new();
    for _ in 0..2 {
        assert_eq!(answer(client.get(&url)).await.status(), StatusCode::OK);
    }
    let refused = answer(client.get(&url)).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=100).contains(&wait), "{wait}");
    assert!(refused.text().await.unwrap().contains("FF00166: more requests than this client may send"));
    server.stop().await;
}

#[tokio::test]
async fn users_are_counted_apart_once_they_are_known() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("passwords");
    let hash = bcrypt::hash("secret", 4).unwrap();
    std::fs::write(&file, format!("alice:{hash}\nbob:{hash}\n")).unwrap();
    let (server, url) = start(By::User, Some(file)).await;
    let client = Client::new();
    for _ in 0..3 {
        let stranger = answer(client.get(&url).basic_auth("alice", Some("wrong"))).await;
        assert_eq!(stranger.status(), StatusCode::FORBIDDEN, "a stranger takes nothing from a user");
    }
    let as_user = |name: &'static str| answer(client.get(&url).basic_auth(name, Some("secret")));
    for expected in [StatusCode::OK, StatusCode::OK, StatusCode::TOO_MANY_REQUESTS] {
        assert_eq!(as_user("alice").await.status(), expected);
    }
    assert_eq!(as_user("bob").await.status(), StatusCode::OK);
    server.stop().await;
}
