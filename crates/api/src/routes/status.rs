//! `/status` and `/namespaces`.

use serde::Serialize;

use crate::{
    failure::Failure,
    namespaces::State,
    reply::{Answer, ok},
    request::Request,
    route::{Parameter, Route},
};

const INITIALIZING: &[Parameter] =
    &[Parameter { name: "includeinitializing", about: "Also list namespaces that do not run yet" }];

pub(super) static ROUTES: &[Route] = &[
    Route::get("namespaces", "getNamespaces", |r| Box::pin(namespaces(r)))
        .of_node()
        .with(INITIALIZING)
        .gives("NamespaceWithInitStatus[]"),
    Route::get("namespaces/{ns}", "getNamespace", |r| Box::pin(namespace(r))).of_node().gives("Namespace"),
    Route::get("status", "getStatus", |r| Box::pin(status(r))).gives("NamespaceStatus"),
    Route::get("status/multiparty", "getStatusMultiparty", |r| Box::pin(multiparty(r))).gives("MultipartyStatus"),
    Route::get("status/batchmanager", "getStatusBatchManager", |r| Box::pin(batches(r))).gives("BatchManagerStatus"),
];

pub(super) static SPI: &[Route] = &[
    Route::get("namespaces", "spiGetNamespaces", |r| Box::pin(namespaces(r))).of_node().with(INITIALIZING),
    Route::get("namespaces/{ns}", "spiGetNamespace", |r| Box::pin(namespace(r))).of_node(),
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
        Some((_, State::Initializing { record, .. })) => ok(&record),
        None => Err(Failure::no_namespace(wanted)),
    }
}

async fn status(request: Request) -> Answer {
    ok(&request.namespace()?.status().await?)
}

async fn multiparty(request: Request) -> Answer {
    ok(&request.namespace()?.multiparty_status().await?)
}

async fn batches(request: Request) -> Answer {
    ok(&request.namespace()?.batching_status())
}
