//! The API's description (OpenAPI 3), made of the same table of routes that requests are dispatched by, and a page to try it.

mod schema;

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};

use crate::{
    dispatch,
    failure::Failure,
    reply::{self, Answer},
    route::{Route, Scope},
    routes::{self, Surface},
    server::Shared,
};

const PAGE: &str = include_str!("page.html");

/// The description or the page, if the path asks for one.
pub(crate) fn serve(
    shared: &Arc<Shared>,
    surface: &Surface,
    segments: &[String],
    headers: &HeaderMap,
) -> Option<Answer> {
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (namespace, rest) = match (surface.base, parts.as_slice()) {
        (["api", ..], ["api", "v1", "namespaces", namespace, "api", rest @ ..]) => (Some(*namespace), rest),
        ([root, ..], [first, rest @ ..]) if first == root => (None, rest),
        _ => return None,
    };
    if rest.is_empty() {
        return (surface.base == routes::API.base)
            .then(|| Ok(reply::of(StatusCode::OK, "text/html; charset=utf-8", PAGE)));
    }
    let media = match rest {
        ["openapi.json" | "swagger.json"] => "application/json",
        // JSON is YAML too.
        ["openapi.yaml" | "swagger.yaml"] => "application/x-yaml",
        _ => return None,
    };
    let base = base(shared, surface, namespace, headers);
    let text = serde_json::to_string(&describe(surface, namespace.is_some(), &base)).map_err(Failure::internal);
    Some(text.map(|text| reply::of(StatusCode::OK, media, text + "\n")))
}

/// The URL that paths are relative to.
fn base(shared: &Shared, surface: &Surface, namespace: Option<&str>, headers: &HeaderMap) -> String {
    let dynamic = shared.options.dynamic_public_url_header.as_deref();
    if let Some(url) = dynamic.and_then(|name| headers.get(name)).and_then(|value| value.to_str().ok()) {
        return url.trim_end_matches('/').to_owned();
    }
    let root = format!("{}/{}", shared.base_url, surface.base.join("/"));
    namespace.map_or_else(|| root.clone(), |namespace| format!("{root}/namespaces/{namespace}"))
}

/// Describes a surface. Relative to a namespace, the routes of the node as a whole are left out.
pub(crate) fn describe(surface: &Surface, relative: bool, base: &str) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in surface.routes() {
        let path = format!("/{}", route.path.replace('*', ""));
        match (route.scope, relative) {
            (Scope::Node, true) => continue,
            (Scope::Node, false) | (Scope::Namespace, true) => add(&mut paths, path, route, false),
            (Scope::Namespace, false) => {
                add(&mut paths, path.clone(), route, false);
                add(&mut paths, format!("/namespaces/{{ns}}{path}"), route, true);
            }
        }
    }
    json!({
        "openapi": "3.0.2",
        "info": { "title": "Photinus", "version": "1.0" },
        "servers": [{ "url": base }],
        "paths": paths,
        "components": { "schemas": schema::all() },
    })
}

fn add(paths: &mut Map<String, Value>, path: String, route: &Route, namespaced: bool) {
    let operation = operation(&path, route, namespaced);
    let entry = paths.entry(path).or_insert_with(|| json!({}));
    if let Some(methods) = entry.as_object_mut() {
        methods.entry(route.method.name()).or_insert(operation);
    }
}

fn operation(path: &str, route: &Route, namespaced: bool) -> Value {
    let suffix = if namespaced { "Namespace" } else { "" };
    let mut operation = json!({
        "operationId": format!("{}{suffix}", route.operation),
        "parameters": parameters(path, route),
        "responses": responses(route),
    });
    if let Some(input) = route.takes {
        let mut content = json!({ "application/json": { "schema": schema::of(input) } });
        if route.operation == "postData" {
            content["multipart/form-data"] = json!({ "schema": { "type": "object", "properties": {
                "autometa": { "type": "string" },
                "metadata": { "type": "string" },
                "validator": { "type": "string" },
                "datatype.name": { "type": "string" },
                "datatype.version": { "type": "string" },
                "filename.ext": { "type": "string", "format": "binary" },
            }}});
        }
        operation["requestBody"] = json!({ "required": true, "content": content });
    }
    operation
}

fn parameters(path: &str, route: &Route) -> Vec<Value> {
    let text = |place: &str, name: &str, about: &str| json!({ "in": place, "name": name, "description": about, "required": place == "path", "schema": { "type": "string" } });
    let variables = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> = variables.map(|name| text("path", name, "")).collect();
    parameters.extend(route.parameters.iter().map(|parameter| text("query", parameter.name, parameter.about)));
    if let Some(collection) = route.lists {
        let about = "A filter: [modifiers][operator]value, such as >=1 or !^draft";
        parameters.extend(collection.fields.iter().map(|field| text("query", field.name, about)));
        for (name, about) in [
            ("sort", "Fields to sort by, separated by commas; - before one for descending"),
            ("ascending", "Sort every field ascending"),
            ("descending", "Sort every field descending"),
            ("skip", "Entries to leave out at the front"),
            ("limit", "Most entries"),
            ("count", "Answer an object with the number of all entries"),
        ] {
            parameters.push(text("query", name, about));
        }
    }
    parameters.push(text("header", "Request-Timeout", "How long to wait: seconds, or a duration such as 2m30s"));
    parameters.push(text("header", dispatch::REQUEST_ID, "A name for the request in the node's log"));
    parameters
}

fn responses(route: &Route) -> Value {
    let content = match route.gives {
        None => None,
        Some("Blob") => {
            Some(json!({ "application/octet-stream": { "schema": { "type": "string", "format": "binary" } } }))
        }
        Some(output) if route.lists.is_some() || route.takes == Some("Query") => {
            Some(json!({ "application/json": { "schema": schema::listing(output) } }))
        }
        Some(output) => Some(json!({ "application/json": { "schema": schema::of(output) } })),
    };
    let success = match content {
        Some(content) => json!({ "description": "Success", "content": content }),
        None => json!({ "description": "Success" }),
    };
    let mut responses = Map::new();
    if route.parameters.iter().any(|parameter| parameter.name == "confirm") {
        responses.insert("200".to_owned(), success.clone());
    }
    responses.insert(route.status.to_string(), success);
    let failure =
        json!({ "description": "Failure", "content": { "application/json": { "schema": schema::of("Error") } } });
    responses.insert("default".to_owned(), failure);
    Value::Object(responses)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The description as it is published with the source. `PHOTINUS_WRITE_OPENAPI=1` writes it anew.
    #[test]
    fn the_published_description_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        let described = describe(&routes::API, false, "http://127.0.0.1:5000/api/v1");
        let current = serde_json::to_string_pretty(&described).unwrap() + "\n";
        if std::env::var_os("PHOTINUS_WRITE_OPENAPI").is_some() {
            std::fs::write(path, &current).unwrap();
        }
        assert!(std::fs::read_to_string(path).unwrap() == current, "openapi.json is not current: write it anew");
    }

    #[test]
    fn names_of_operations_are_unique() {
        let mut names: Vec<&str> = routes::API.routes().map(|route| route.operation).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
