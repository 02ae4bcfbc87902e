//! Routes: what the node answers to, and what is told of each in the API's description.

use futures::future::BoxFuture;
use http::Method;
use photinus_query::Collection;

use crate::{reply::Answer, request::Request};

/// What answers a request.
pub(crate) type Handler = fn(Request) -> BoxFuture<'static, Answer>;

/// Where a route is to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Under `/api/v1/` for the default namespace, and under `/api/v1/namespaces/{ns}/`.
    Namespace,
    /// Under `/api/v1/` alone.
    Node,
}

/// A route. Its text form is `a/{variable}/b`; a last `{variable*}` takes all that is left.
#[derive(Clone, Copy)]
pub(crate) struct Route {
    pub(crate) method: Verb,
    pub(crate) path: &'static str,
    pub(crate) scope: Scope,
    /// Name of the operation in the API's description.
    pub(crate) operation: &'static str,
    /// What it lists, if it lists.
    pub(crate) lists: Option<&'static Collection>,
    /// Parameters of its own beside those of listings.
    pub(crate) parameters: &'static [Parameter],
    /// Name of the schema of its input.
    pub(crate) takes: Option<&'static str>,
    /// Name of the schema of its output; `[]` behind it for an array.
    pub(crate) gives: Option<&'static str>,
    /// Status when it succeeds, and with `confirm` too if it differs.
    pub(crate) status: u16,
    pub(crate) handler: Handler,
}

/// The methods that routes have. A type of its own because `http::Method` cannot stand in a constant table and be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Verb {
    pub(crate) fn of(method: &Method) -> Option<Self> {
        Some(match method.as_str() {
            "GET" => Self::Get,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            _ => return None,
        })
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
            Self::Put => "put",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}

/// A parameter of a route.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
}

/// `confirm`.
pub(crate) const CONFIRM: &[Parameter] =
    &[Parameter { name: "confirm", about: "Wait until it is confirmed, and answer what became of it" }];

impl Route {
    const fn new(method: Verb, path: &'static str, operation: &'static str, status: u16, handler: Handler) -> Self {
        Self {
            method,
            path,
            scope: Scope::Namespace,
            operation,
            lists: None,
            parameters: &[],
            takes: None,
            gives: None,
            status,
            handler,
        }
    }

    pub(crate) const fn get(path: &'static str, operation: &'static str, handler: Handler) -> Self {
        Self::new(Verb::Get, path, operation, 200, handler)
    }

    pub(crate) const fn post(path: &'static str, operation: &'static str, handler: Handler) -> Self {
        Self::new(Verb::Post, path, operation, 200, handler)
    }

    pub(crate) const fn put(path: &'static str, operation: &'static str, handler: Handler) -> Self {
        Self::new(Verb::Put, path, operation, 200, handler)
    }

    pub(crate) const fn patch(path: &'static str, operation: &'static str, handler: Handler) -> Self {
        Self::new(Verb::Patch, path, operation, 200, handler)
    }

    pub(crate) const fn delete(path: &'static str, operation: &'static str, handler: Handler) -> Self {
        Self::new(Verb::Delete, path, operation, 204, handler)
    }

    pub(crate) const fn of_node(mut self) -> Self {
        self.scope = Scope::Node;
        self
    }

    pub(crate) const fn lists(mut self, collection: &'static Collection) -> Self {
        self.lists = Some(collection);
        self
    }

    pub(crate) const fn with(mut self, parameters: &'static [Parameter]) -> Self {
        self.parameters = parameters;
        self
    }

    /// It submits: 202, or 200 with `confirm`.
    pub(crate) const fn submits(mut self) -> Self {
        self.parameters = CONFIRM;
        self.status = 202;
        self
    }

    pub(crate) const fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub(crate) const fn takes(mut self, schema: &'static str) -> Self {
        self.takes = Some(schema);
        self
    }

    pub(crate) const fn gives(mut self, schema: &'static str) -> Self {
        self.gives = Some(schema);
        self
    }

    /// The values of the path's variables, if the route's path is this one.
    pub(crate) fn matches(&self, segments: &[String]) -> Option<Vec<(&'static str, String)>> {
        let mut variables = Vec::new();
        let mut rest = segments;
        for part in self.path.split('/') {
            let Some(variable) = part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) else {
                let (first, others) = rest.split_first()?;
                if first != part {
                    return None;
                }
                rest = others;
                continue;
            };
            if let Some(variable) = variable.strip_suffix('*') {
                if variable == "did" && !rest.first()?.starts_with("did:") {
                    return None;
                }
                if rest.is_empty() {
                    return None;
                }
                variables.push((variable, rest.join("/")));
                return Some(variables);
            }
            let (first, others) = rest.split_first().filter(|(first, _)| !first.is_empty())?;
            variables.push((variable, first.clone()));
            rest = others;
        }
        rest.is_empty().then_some(variables)
    }
}
