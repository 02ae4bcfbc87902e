//! From a request to the handler of its route, and from the handler's answer to the client.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, HttpBody},
    response::Response,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts};
use photinus_ports::clock::{Clock, System};
use photinus_query::{Query, rest};
use tokio_util::sync::CancellationToken;

use crate::{
    changes,
    cors::Rules,
    document,
    failure::Failure,
    gateway, metrics,
    options::Cors,
    reply::{self, Answer},
    request::{Request, media_type},
    route::{Route, Scope, Verb},
    routes,
    server::{Error, Shared},
    uri, ws,
};

/// Header that names a request in logs, taken from the client or made here.
pub(crate) const REQUEST_ID: &str = "x-firefly-request-id";
/// Header of answers that names the parameters of the query that had no effect.
pub(crate) const IGNORED: &str = "x-photinus-unknown-parameters";
/// Header by which a client says how long it waits.
const REQUEST_TIMEOUT: &str = "request-timeout";
/// Time for a handler to tell of its own time-out before it is cut off.
const GRACE: Duration = Duration::from_secs(2);
/// Longest id of a request that is taken over, in bytes.
const LONGEST_ID: usize = 128;

/// The rules for browsers of a configuration.
pub(crate) fn cors(cors: &Cors) -> Result<Rules, Error> {
    Rules::new(cors)
}

/// The API for applications.
pub(crate) fn api(shared: &Arc<Shared>, cors: Option<Rules>, stopping: &CancellationToken) -> Router {
    let owner = Arc::clone(shared);
    let cors = cors.map(Arc::new);
    ws::router(shared, stopping).fallback(move |request: axum::extract::Request| {
        let (shared, cors) = (Arc::clone(&owner), cors.clone());
        async move { serve(shared, cors.as_deref(), &routes::API, request).await }
    })
}

/// The administration interface for other machines.
pub(crate) fn spi(shared: &Arc<Shared>, stopping: &CancellationToken) -> Router {
    let owner = Arc::clone(shared);
    changes::router(shared, stopping).fallback(move |request: axum::extract::Request| {
        let shared = Arc::clone(&owner);
        async move { serve(shared, None, &routes::SPI, request).await }
    })
}

async fn serve(
    shared: Arc<Shared>,
    cors: Option<&Rules>,
    surface: &'static routes::Surface,
    request: axum::extract::Request,
) -> Response {
    let started = Instant::now();
    let (parts, body) = request.into_parts();
    if let Some(response) = cors.and_then(|rules| rules.preflight(&parts.method, &parts.headers)) {
        return response;
    }
    let id = request_id(&parts.headers);
    let origin = parts.headers.get(header::ORIGIN).cloned();
    let (method, path) = (parts.method.clone(), parts.uri.path().to_owned());
    let received = metrics::size(method.as_str(), &path, &parts.headers);
    let mut ignored = Vec::new();
    let (place, answer) = match shared.rooms.request(Verb::of(&parts.method), &shared.metrics) {
        Err(failure) => (String::new(), Err(failure)),
        Ok(room) => {
            let answered = route(&shared, surface, parts, body, &mut ignored).await;
            drop(room);
            answered
        }
    };
    let mut response = answer.unwrap_or_else(|failure| {
        if let Some(detail) = &failure.detail {
            tracing::error!(request = id, %method, path, detail, "request failed");
        }
        failure.into_response()
    });
    let status = response.status();
    tracing::debug!(request = id, %method, path, status = status.as_u16(), took = ?started.elapsed(), "request");
    let answered = metrics::Answered {
        route: &place,
        method: method.as_str(),
        code: status.as_u16(),
        took: started.elapsed(),
        received,
        sent: response.body().size_hint().exact().unwrap_or_default(),
    };
    (surface.counters)(&shared.metrics).answered(&answered);
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(HeaderName::from_static(REQUEST_ID), id);
    }
    if let Ok(ignored) = HeaderValue::from_str(&ignored.join(", "))
        && !ignored.is_empty()
    {
        headers.insert(HeaderName::from_static(IGNORED), ignored);
    }
    if let Some(rules) = cors {
        rules.mark(origin.as_ref(), headers);
    }
    response
}

/// Finds the route of a request and runs its handler; gives the route's path with its variables too.
async fn route(
    shared: &Arc<Shared>,
    surface: &'static routes::Surface,
    parts: Parts,
    body: Body,
    ignored: &mut Vec<String>,
) -> (String, Answer) {
    let none = String::new;
    let Some(segments) = uri::segments(parts.uri.path()) else { return (none(), Err(Failure::not_found())) };
    if let Some(answer) = document::serve(shared, surface, &segments, &parts.headers) {
        return (format!("/{}", surface.base.first().unwrap_or(&"")), answer);
    }
    let (namespace, rest) = match locate(surface, &segments) {
        Some(found) => found,
        None => return (none(), Err(Failure::not_found())),
    };
    let verb = Verb::of(&parts.method);
    let mut other_method = false;
    for route in surface.routes() {
        let reachable = route.scope == Scope::Namespace || namespace.is_none();
        let Some(variables) = reachable.then(|| route.matches(rest)).flatten() else { continue };
        if Some(route.method) != verb {
            other_method = true;
            continue;
        }
        let place = surface.place(route, namespace.is_some());
        return (place, run(shared, route, namespace, variables, parts, body, ignored).await);
    }
    if other_method {
        (none(), Ok(reply::bare(StatusCode::METHOD_NOT_ALLOWED)))
    } else {
        (none(), Err(Failure::not_found()))
    }
}

/// The namespace that a path names, and what follows.
fn locate<'a>(surface: &routes::Surface, segments: &'a [String]) -> Option<(Option<&'a str>, &'a [String])> {
    let mut rest = segments;
    for part in surface.base {
        let (first, others) = rest.split_first()?;
        if first != part {
            return None;
        }
        rest = others;
    }
    match rest {
        [word, namespace, rest @ ..] if word == "namespaces" && !rest.is_empty() => Some((Some(namespace), rest)),
        _ => Some((None, rest)),
    }
}

async fn run(
    shared: &Arc<Shared>,
    route: &'static Route,
    namespace: Option<&str>,
    variables: Vec<(&'static str, String)>,
    parts: Parts,
    body: Body,
    ignored: &mut Vec<String>,
) -> Answer {
    let namespace = match route.scope {
        Scope::Node => None,
        Scope::Namespace => {
            let name = namespace.unwrap_or(shared.namespaces.default_name());
            shared.namespaces.admit(name, &parts.headers).await?;
            let found = shared.namespaces.running(name)?;
            gateway::check(&found, route, media_type(&parts.headers) == "multipart/form-data")?;
            Some(found)
        }
    };
    let pairs = uri::pairs(parts.uri.query().unwrap_or_default());
    let listing = listing(shared, route, &pairs, ignored)?;
    let timeout = timeout(&parts.headers, shared);
    let upload = media_type(&parts.headers) == "multipart/form-data";
    let (headers, body) = (parts.headers, parking_lot::Mutex::new(body));
    let shared = Arc::clone(shared);
    let request = Request { shared, namespace, variables, pairs, listing, headers, body, held: None, timeout };
    let answer = (route.handler)(request);
    if route.method == Verb::Get {
        return tokio::time::timeout(timeout + GRACE, answer).await.unwrap_or_else(|_| Err(Failure::timed_out()));
    }
    // A task of its own: what was begun is finished, also when the client goes away in the middle.
    let task = tokio::spawn(answer);
    let ended = if upload {
        // As long as its bytes keep coming; each wait for some is bounded where they are read.
        task.await
    } else {
        match tokio::time::timeout(timeout + GRACE, task).await {
            Ok(ended) => ended,
            Err(_) => return Err(Failure::timed_out()),
        }
    };
    ended.unwrap_or_else(|error| Err(Failure::internal(error)))
}

/// Reads the parameters of a listing, and notes those that neither it nor the route knows.
fn listing(
    shared: &Shared,
    route: &Route,
    pairs: &[(String, String)],
    ignored: &mut Vec<String>,
) -> Result<Option<Query>, Failure> {
    let own = |name: &str| route.parameters.iter().any(|parameter| parameter.name == name);
    let Some(collection) = route.lists else {
        ignored.extend(pairs.iter().map(|(name, _)| name.clone()).filter(|name| !own(name)));
        return Ok(None);
    };
    let parsed = rest::parse(collection, pairs, shared.options.limits.listing, System.now())?;
    ignored.extend(parsed.unknown.into_iter().filter(|name| !own(name)));
    Ok(Some(parsed.query))
}

/// How long a request may take: what it says, within bounds.
fn timeout(headers: &HeaderMap, shared: &Shared) -> Duration {
    let limits = &shared.options.limits;
    let text = headers.get(REQUEST_TIMEOUT).and_then(|value| value.to_str().ok()).unwrap_or_default().trim();
    let asked = match text.parse::<u64>() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => text.parse::<photinus_model::Duration>().ok().map(|duration| duration.0),
    };
    asked.unwrap_or(limits.request_timeout).min(limits.request_max_timeout)
}

/// What a client calls its request, or a name made for it.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    match given.filter(|id| !id.is_empty() && id.len() <= LONGEST_ID) {
        Some(id) => id.to_owned(),
        None => uuid::Uuid::new_v4().to_string(),
    }
}
