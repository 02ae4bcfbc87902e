//! `/status` and `/namespaces`.

use http::StatusCode;
use photinus_engine::aggregation::release::Wanted;
use serde::Serialize;

use crate::{
    failure::Failure,
    namespaces::{ResetError, State},
    reply::{self, Answer, ok},
    request::Request,
    route::{Parameter, Route},
};

const INITIALIZING: &[Parameter] =
    &[Parameter { name: "includeinitializing", about: "Also list namespaces that do not run yet" }];

const LIMIT: &[Parameter] = &[Parameter { name: "limit", about: "Most topics, 1 to 100" }];
/// Most topics that are shown.
const MOST_TOPICS: usize = 100;

pub(super) static ROUTES: &[Route] = &[
    Route::get("namespaces", "getNamespaces", |r| Box::pin(namespaces(r)))
        .of_node()
        .with(INITIALIZING)
        .gives("NamespaceWithInitStatus[]"),
    Route::get("namespaces/{ns}", "getNamespace", |r| Box::pin(namespace(r))).of_node().gives("Namespace"),
    Route::get("status", "getStatus", |r| Box::pin(status(r))).gives("NamespaceStatus"),
    Route::get("status/multiparty", "getStatusMultiparty", |r| Box::pin(multiparty(r))).gives("MultipartyStatus"),
    Route::get("status/topics", "getStatusTopics", |r| Box::pin(topics(r))).with(LIMIT).gives("BlockedTopic[]"),
    Route::post("status/topics/release", "postStatusTopicsRelease", |r| Box::pin(release(r)))
        .status(202)
        .takes("TopicVote")
        .gives("TopicRelease"),
    Route::post("status/topics/abandon", "postStatusTopicsAbandon", |r| Box::pin(abandon(r)))
        .takes("TopicPosition")
        .gives("TopicRelease"),
    Route::get("status/batchmanager", "getStatusBatchManager", |r| Box::pin(batches(r))).gives("BatchManagerStatus"),
];

pub(super) static SPI: &[Route] = &[
    Route::get("namespaces", "spiGetNamespaces", |r| Box::pin(namespaces(r))).of_node().with(INITIALIZING),
    Route::get("namespaces/{ns}", "spiGetNamespace", |r| Box::pin(namespace(r))).of_node(),
    Route::post("reset", "spiPostReset", |r| Box::pin(reset(r))).of_node().status(204),
];

/// A namespace, and why it does not run if it does not.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    #[serde(flatten)]
    record: photinus_model::namespace::Namespace,
    #[serde(skip_serializing_if = "Option::is_none")]
    initializing: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    initialization_error: Option<String>,
}

async fn namespaces(request: Request) -> Answer {
    let all = request.flag("includeinitializing");
    let mut listed = Vec::new();
    for (_, state) in request.shared.namespaces.all() {
        match state {
            State::Running(namespace) => {
                let record = namespace.status().await?.namespace;
                listed.push(Listed { record, initializing: None, initialization_error: None });
            }
            State::Initializing { record, error } if all => {
                listed.push(Listed { record, initializing: Some(true), initialization_error: error });
            }
            State::Initializing { .. } => {}
        }
    }
    ok(&listed)
}

async fn namespace(request: Request) -> Answer {
    let wanted = request.variable("ns");
    let found = request.shared.namespaces.all().into_iter().find(|(name, _)| name == wanted);
    match found {
        Some((_, State::Running(namespace))) => ok(&namespace.status().await?.namespace),
        Some((_, State::Initializing { record, error })) => {
            ok(&Listed { record, initializing: Some(true), initialization_error: error })
        }
        None => Err(Failure::no_namespace(wanted)),
    }
}

/// Reads the configuration again. Answers when what changed is stopped; what is new shows in the list when it runs.
async fn reset(request: Request) -> Answer {
    let conflict = |why: &dyn std::fmt::Display| Failure::new(StatusCode::CONFLICT, "FF10438", why);
    let Some(reset) = request.shared.namespaces.reset() else {
        return Err(conflict(&"this node was not started from a configuration file: restart it"));
    };
    match reset().await {
        Ok(()) => reply::empty(),
        Err(error @ ResetError::Automatic) => Err(conflict(&error)),
        Err(error @ ResetError::Unusable(_)) => Err(Failure::bad("FF00101", error)),
    }
}

async fn status(request: Request) -> Answer {
    let namespace = request.namespace()?;
    match namespace.gateway_status() {
        Some(status) => ok(&status),
        None => ok(&namespace.status().await?),
    }
}

async fn multiparty(request: Request) -> Answer {
    let namespace = request.namespace()?;
    if !namespace.is_multiparty() {
        let nobody = serde_json::json!({ "status": "" });
        return ok(&serde_json::json!({ "enabled": false, "org": nobody, "node": nobody }));
    }
    ok(&namespace.multiparty_status().await?)
}

async fn topics(request: Request) -> Answer {
    let text = request.parameter("limit").unwrap_or_default();
    let limit = if text.is_empty() { Ok(MOST_TOPICS) } else { text.parse() };
    let limit = limit.ok().filter(|limit| (1..=MOST_TOPICS).contains(limit)).ok_or_else(|| {
        Failure::bad("FF00192", format_args!("parameter 'limit' must be a number from 1 to {MOST_TOPICS}"))
    })?;
    ok(&request.namespace()?.blocked_topics(limit).await?)
}

/// Votes on the ledger to give up a batch that does not come. It is given up when the votes are enough, on every member alike.
async fn release(mut request: Request) -> Answer {
    let wanted: Wanted = request.json().await?;
    reply::json(StatusCode::ACCEPTED, &request.namespace()?.release(&wanted).await?)
}

/// Gives up a batch that does not come, on this node alone.
async fn abandon(mut request: Request) -> Answer {
    let wanted: Wanted = request.json().await?;
    ok(&request.namespace()?.abandon(&wanted).await?)
}

async fn batches(request: Request) -> Answer {
    ok(&request.namespace()?.batching_status())
}
