//! The listener for operators: metrics, and whether the process lives.

use std::sync::Arc;

use axum::{Router, routing::any};
use http::StatusCode;

use crate::{failure::Failure, reply, server::Shared};

pub(crate) fn router(shared: &Arc<Shared>) -> Router {
    let path = shared.options.monitoring.as_ref().map_or("/metrics", |monitoring| &monitoring.metrics_path);
    let wanted = path.to_owned();
    let owner = Arc::clone(shared);
    // Not a route of its own: the configured path is free text, which a router would read as a pattern.
    Router::new().route("/livez", any(|| async { StatusCode::OK })).fallback(move |uri: http::Uri| {
        let (shared, found) = (Arc::clone(&owner), uri.path() == wanted);
        async move {
            if !found {
                return Failure::not_found().into_response();
            }
            match shared.metrics.text(&shared.namespaces) {
                Ok(text) => reply::of(StatusCode::OK, "text/plain; version=0.0.4", text),
                Err(error) => {
                    tracing::error!(%error, "metrics cannot be written");
                    Failure::internal(error).into_response()
                }
            }
        }
    })
}
