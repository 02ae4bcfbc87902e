//! A namespace that asks for a name and a password, on a socket for all namespaces.

use std::{collections::BTreeMap, sync::Arc};

use futures::{SinkExt, StreamExt};
use photinus_api::{Namespaces, Options, Passwords, Server, State};
use photinus_testkit::network::{NAMESPACE, Network};
use tokio::time::timeout;
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use crate::DEADLINE;

/// The first frame that a start is answered with, if there is one before a ping is.
async fn started(port: u16, authorization: Option<&str>) -> Option<String> {
    let mut request = format!("ws://127.0.0.1:{port}/ws").into_client_request().unwrap();
    if let Some(value) = authorization {
        request.headers_mut().insert("authorization", value.parse().unwrap());
    }
    let (mut socket, _) = connect_async(request).await.unwrap();
    let start = format!(r#"{{"type":"start","namespace":"{NAMESPACE}","ephemeral":true}}"#);
    socket.send(Message::Text(start.into())).await.unwrap();
    socket.send(Message::Ping("x".into())).await.unwrap();
    let answer = async {
        while let Some(Ok(message)) = socket.next().await {
            match message {
                Message::Text(text) => return Some(text.to_string()),
                Message::Pong(_) => return None,
                _ => {}
            }
        }
        None
    };
    timeout(DEADLINE, answer).await.expect("the server says something in time")
}

#[tokio::test]
async fn a_start_needs_the_password_of_its_namespace() {
    let network = Network::registered(1).await;
    let namespaces = Namespaces::new(NAMESPACE);
    namespaces.set(NAMESPACE, State::Running(network.members[0].namespace().clone()));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("passwords");
    std::fs::write(&file, format!("alice:{}\n", bcrypt::hash("secret", 4).unwrap())).unwrap();
    let passwords = Arc::new(Passwords::read(&file).await.unwrap());
    namespaces.guard(BTreeMap::from([(NAMESPACE.to_owned(), passwords)]));
    let mut options = Options::default();
    options.http.port = 0;
    let server = Server::start(options, namespaces).await.unwrap();
    let port = server.addresses.http.port();
    // "alice:wrong" and "alice:secret"
    for wrong in [None, Some("Basic YWxpY2U6d3Jvbmc=")] {
        let answer = started(port, wrong).await.expect("it is refused");
        assert!(answer.contains("protocol_error") && answer.contains("FF00169"), "{answer}");
    }
    assert_eq!(started(port, Some("Basic YWxpY2U6c2VjcmV0")).await, None);
    server.stop().await;
    network.stop().await;
}
