//! What is sent, what is read, and what is not called.

use std::{net::SocketAddr, time::Duration};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Redirect},
    routing::any,
};
use photinus_ports::webhooks::{Call, Error, Profile, Webhooks as _};
use photinus_webhooks::{Options, Webhooks};

use crate::{call, get, here, soon};

/// A server that tells what it was sent, and has doors to elsewhere.
async fn server() -> SocketAddr {
    let echo = |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| async move {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("-").to_owned();
        let told =
            format!("{method} {uri} {} {} {}", text("x-own"), text("authorization"), String::from_utf8_lossy(&body));
        (StatusCode::IM_A_TEAPOT, [(header::SERVER, "echo")], told)
    };
    let router = Router::new()
        .route("/metadata", any(|| async { Redirect::temporary("http://169.254.169.254/latest") }))
        .route("/beside", any(|| async { Redirect::temporary("http://[::1]:1/") }))
        .route("/home", any(|| async { Redirect::temporary("/a") }))
        .route("/silent", any(|| async { tokio::time::sleep(Duration::from_secs(3600)).await }))
        .route("/large", any(|| async { vec![b'x'; 2000].into_response() }))
        .fallback(echo);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

#[tokio::test]
async fn a_call_says_all_of_it_and_every_status_is_an_answer() {
    let address = server().await;
    let options = Options {
        url: Some(format!("http://{address}/base")),
        headers: vec![("X-Own".into(), "configured".into())],
        auth: Some(("user".into(), "word".into())),
        ..here()
    };
    let request = Call {
        method: "POST".into(),
        path: vec!["c d".into()],
        query: vec![("q".into(), "1&2".into())],
        headers: vec![("x-own".into(), "mine".into())],
        body: Some("{}".into()),
        ..get("/a?q=0&r=1".into())
    };
    let answer = call(options, request).await.unwrap();
    assert_eq!(answer.status, 418);
    assert!(answer.headers.contains(&("server".into(), "echo".into())));
    assert_eq!(answer.body, "POST /base/a/c%20d?r=1&q=1%262 mine Basic dXNlcjp3b3Jk {}");
}

#[tokio::test]
async fn redirects_are_followed_but_not_into_private_networks() {
    let address = server().await;
    assert_eq!(call(here(), get(format!("http://{address}/home"))).await.unwrap().body, "GET /a - - ");
    for door in ["metadata", "beside"] {
        let refused = call(here(), get(format!("http://{address}/{door}"))).await;
        assert!(matches!(refused, Err(Error::Guarded(_))), "{door}: {refused:?}");
    }
}

#[tokio::test]
async fn private_networks_are_not_called_unless_configured() {
    let port = server().await.port();
    for host in ["127.0.0.1", "localhost", "[::1]", "10.0.0.1"] {
        let refused = call(Options::default(), get(format!("http://{host}:{port}/"))).await;
        assert!(matches!(refused, Err(Error::Guarded(_))), "{host}: {refused:?}");
        let hooks = Webhooks::new(Options::default()).unwrap();
        assert!(hooks.check(&format!("http://{host}:{port}/"), &Profile::default()).is_err());
    }
    // A proxy that a subscription chooses is judged too.
    let hooks = Webhooks::new(Options::default()).unwrap();
    let profile = Profile { proxy: Some(format!("http://127.0.0.1:{port}")), ..Profile::default() };
    let refused = soon(hooks.call(get("http://1.1.1.1/".into()), &profile)).await;
    assert!(matches!(refused, Err(Error::Guarded(_))), "{refused:?}");
}

#[tokio::test]
async fn the_operators_proxy_may_be_anywhere_but_what_is_behind_it_may_not() {
    let port = server().await.port();
    let proxied = Options { proxy: Some(format!("http://localhost:{port}")), ..Options::default() };
    let answer = call(proxied.clone(), get("http://1.1.1.1/a".into())).await.unwrap();
    assert_eq!(answer.body, "GET http://1.1.1.1/a - - ");
    let refused = call(proxied, get("http://localhost/a".into())).await;
    assert!(matches!(refused, Err(Error::Guarded(_))), "{refused:?}");
}

#[tokio::test]
async fn waits_and_answers_are_bounded() {
    let address = server().await;
    let hooks = Webhooks::new(Options { answer_size: 1000, ..here() }).unwrap();
    let large = soon(hooks.call(get(format!("http://{address}/large")), &Profile::default())).await;
    assert_eq!(large, Err(Error::TooLarge(1000)));
    let hasty = Profile { request_timeout: Some(Duration::from_millis(50)), ..Profile::default() };
    assert_eq!(soon(hooks.call(get(format!("http://{address}/silent")), &hasty)).await, Err(Error::TimedOut));
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let nobody = call(here(), get(format!("http://{free}/"))).await;
    assert!(matches!(&nobody, Err(error @ Error::Unreachable(_)) if error.is_retryable()), "{nobody:?}");
}
