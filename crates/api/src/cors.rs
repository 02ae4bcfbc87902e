//! What browsers may do from other origins.

use std::fmt::Write as _;

use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::{options::Cors, reply, server::Error};

/// The rules, ready to be written into answers.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    origins: Vec<String>,
    methods: Vec<String>,
    headers: Vec<String>,
    credentials: bool,
    max_age: HeaderValue,
}

fn any(list: &[String]) -> bool {
    list.iter().any(|entry| entry == "*")
}

impl Rules {
    /// Rules of a configuration.
    ///
    /// # Errors
    /// When a setting cannot stand in a header.
    pub(crate) fn new(cors: &Cors) -> Result<Self, Error> {
        for entry in cors.origins.iter().chain(&cors.methods).chain(&cors.headers) {
            if HeaderValue::from_str(entry).is_err() {
                return Err(Error::Cors(entry.clone()));
            }
        }
        Ok(Self {
            origins: cors.origins.clone(),
            methods: cors.methods.clone(),
            headers: cors.headers.clone(),
            credentials: cors.credentials,
            max_age: cors.max_age.as_secs().into(),
        })
    }

    /// The answer to a browser that asks before it sends, if the request is such a question.
    pub(crate) fn preflight(&self, method: &Method, asked: &HeaderMap) -> Option<Response> {
        let wanted = asked.get(header::ACCESS_CONTROL_REQUEST_METHOD)?.to_str().ok()?;
        if *method != Method::OPTIONS || !asked.contains_key(header::ORIGIN) {
            return None;
        }
        let mut response = reply::bare(StatusCode::NO_CONTENT);
        let answer = response.headers_mut();
        vary(answer, "Origin, Access-Control-Request-Method, Access-Control-Request-Headers");
        let Some(origin) = self.origin(asked) else { return Some(response) };
        if !any(&self.methods) && !self.methods.iter().any(|method| method == wanted) {
            return Some(response);
        }
        let headers = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS).and_then(|value| value.to_str().ok());
        let refused = headers.into_iter().flat_map(|list| list.split(',')).any(|name| {
            !any(&self.headers) && !self.headers.iter().any(|known| known.eq_ignore_ascii_case(name.trim()))
        });
        if refused {
            return Some(response);
        }
        set(answer, header::ACCESS_CONTROL_ALLOW_METHODS, wanted);
        if let Some(headers) = headers {
            set(answer, header::ACCESS_CONTROL_ALLOW_HEADERS, headers);
        }
        answer.insert(header::ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        self.allow(answer, &origin);
        Some(response)
    }

    /// Marks an answer as readable by the origin that asked, if it may read it.
    pub(crate) fn mark(&self, asked: Option<&HeaderValue>, answer: &mut HeaderMap) {
        vary(answer, "Origin");
        let mut headers = HeaderMap::new();
        if let Some(origin) = asked {
            headers.insert(header::ORIGIN, origin.clone());
        }
        if let Some(origin) = self.origin(&headers) {
            self.allow(answer, &origin);
            let mut exposed = String::new();
            // Writing to a string cannot fail.
            let _written = write!(exposed, "{}, {}", super::dispatch::REQUEST_ID, super::dispatch::IGNORED);
            set(answer, header::ACCESS_CONTROL_EXPOSE_HEADERS, &exposed);
        }
    }

    fn origin(&self, asked: &HeaderMap) -> Option<String> {
        let origin = asked.get(header::ORIGIN)?.to_str().ok()?;
        if any(&self.origins) {
            return Some("*".to_owned());
        }
        self.origins.iter().find(|known| known.eq_ignore_ascii_case(origin)).map(|_| origin.to_owned())
    }

    fn allow(&self, answer: &mut HeaderMap, origin: &str) {
        set(answer, header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if self.credentials {
            set(answer, header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
        }
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn vary(headers: &mut HeaderMap, names: &'static str) {
    headers.insert(header::VARY, HeaderValue::from_static(names));
}
