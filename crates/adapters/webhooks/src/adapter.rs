//! Calling.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use photinus_ports::webhooks::{Answer, Call, Error, Profile};
use quick_cache::sync::Cache;
use reqwest::Client;
use url::Url;

use crate::{
    connections::{chain, client, guarded, proxy},
    guard::Guarded,
    options::{Options, StartError},
    throttle::Throttle,
};

/// Ways of calling whose connections are kept.
const CLIENTS: usize = 64;

/// Calls applications. Clones share their connections.
#[derive(Clone)]
pub struct Webhooks {
    inner: Arc<Inner>,
}

struct Inner {
    options: Options,
    base: Option<Url>,
    headers: HeaderMap,
    clients: Cache<Profile, Client>,
    throttle: Option<Throttle>,
}

impl Webhooks {
    /// Gets ready to call. Nothing is connected before the first call.
    ///
    /// # Errors
    /// When a URL, a header or a certificate of the configuration cannot be used.
    pub fn new(options: Options) -> Result<Self, StartError> {
        let base = match &options.url {
            Some(url) => Some(absolute(url).map_err(StartError::Url)?),
            None => None,
        };
        let headers = headers(&options.headers).map_err(StartError::Header)?;
        let refused = |place: &str, reason| StartError::Client { place: place.to_owned(), reason };
        client(&options, &Profile::default()).map_err(|reason| refused("events.webhooks", reason))?;
        for name in options.tls_by_name.keys() {
            let profile = Profile { tls: Some(name.clone()), ..Profile::default() };
            client(&options, &profile).map_err(|reason| refused(&format!("tlsConfigs '{name}'"), reason))?;
        }
        let throttle = options.throttle.map(Throttle::new);
        Ok(Self { inner: Arc::new(Inner { options, base, headers, clients: Cache::new(CLIENTS), throttle }) })
    }
}

impl Inner {
    fn client(&self, profile: &Profile) -> Result<Client, Error> {
        if let Some(client) = self.clients.get(profile) {
            return Ok(client);
        }
        let made = client(&self.options, profile).map_err(Error::Invalid)?;
        self.clients.insert(profile.clone(), made.clone());
        Ok(made)
    }

    fn url(&self, url: &str) -> Result<Url, Error> {
        let url = match &self.base {
            // Beneath the base, as clients of FireFly's kind join them, and not in its place.
            Some(base) if !is_absolute(url) => {
                absolute(&format!("{}/{}", base.as_str().trim_end_matches('/'), url.trim_start_matches('/')))
            }
            _ => absolute(url),
        };
        url.map_err(Error::Invalid)
    }

    fn judge(&self, url: &Url, profile: &Profile) -> Result<(), Error> {
        let refused = |Guarded(host)| Error::Guarded(host);
        self.options.guard.check(url).map_err(refused)?;
        if let Some(proxy) = profile.proxy.as_deref().filter(|proxy| !proxy.is_empty()) {
            let proxy = Url::parse(proxy).map_err(|error| Error::Invalid(format!("the proxy's URL: {error}")))?;
            self.options.guard.check(&proxy).map_err(refused)?;
        }
        Ok(())
    }

    /// A proxy connects in our place, so the name is judged before it is asked to.
    async fn judge_behind_proxy(&self, url: &Url, profile: &Profile) -> Result<(), Error> {
        if proxy(&self.options, profile).is_none() {
            return Ok(());
        }
        let Some(url::Host::Domain(name)) = url.host() else { return Ok(()) };
        match self.options.guard.resolve(name).await {
            Ok(_) => Ok(()),
            // A name that only the proxy can resolve: the operator's proxy is trusted to know its networks.
            Err(error) if profile.proxy.is_none() && error.downcast_ref::<Guarded>().is_none() => Ok(()),
            Err(error) => Err(failure(&*error)),
        }
    }

    async fn read(&self, mut response: reqwest::Response) -> Result<Answer, Error> {
        let status = response.status();
        let text = |(name, value): (&HeaderName, &HeaderValue)| {
            Some((name.as_str().to_owned(), std::str::from_utf8(value.as_bytes()).ok()?.to_owned()))
        };
        let headers = response.headers().iter().filter_map(text).collect();
        let limit = self.options.answer_size;
        let mut body = BytesMut::new();
        while let Some(piece) = response.chunk().await.map_err(|error| fate(&error))? {
            if body.len() + piece.len() > limit {
                return Err(Error::TooLarge(limit));
            }
            body.extend_from_slice(&piece);
        }
        let reason = status.canonical_reason().unwrap_or_default().to_owned();
        Ok(Answer { status: status.as_u16(), reason, headers, body: body.freeze() })
    }
}

#[async_trait]
impl photinus_ports::webhooks::Webhooks for Webhooks {
    fn has_tls(&self, name: &str) -> bool {
        self.inner.options.tls_by_name.contains_key(name)
    }

    fn check(&self, url: &str, profile: &Profile) -> Result<(), Error> {
        self.inner.judge(&self.inner.url(url)?, profile)?;
        self.inner.client(profile).map(|_| ())
    }

    async fn call(&self, call: Call, profile: &Profile) -> Result<Answer, Error> {
        let inner = &self.inner;
        let mut url = inner.url(&call.url)?;
        inner.judge(&url, profile)?;
        inner.judge_behind_proxy(&url, profile).await?;
        extend(&mut url, &call);
        let method = Method::from_bytes(call.method.as_bytes());
        let method = method.map_err(|_| Error::Invalid(format!("'{}' is not a method", call.method)))?;
        let mut all = inner.headers.clone();
        let own =
            headers(&call.headers).map_err(|name| Error::Invalid(format!("'{name}' cannot be sent as a header")))?;
        all.extend(own);
        let mut request = inner.client(profile)?.request(method, url);
        if let Some((user, password)) = &inner.options.auth {
            request = request.basic_auth(user, Some(password));
        }
        request = request.headers(all);
        if let Some(body) = call.body {
            request = request.body(body);
        }
        if let Some(throttle) = &inner.throttle {
            throttle.pass().await;
        }
        inner.read(request.send().await.map_err(|error| fate(&error))?).await
    }
}

/// Appends path and parameters of a call.
fn extend(url: &mut Url, call: &Call) {
    if !call.path.is_empty()
        && let Ok(mut path) = url.path_segments_mut()
    {
        path.pop_if_empty().extend(&call.path);
    }
    if call.query.is_empty() {
        return;
    }
    let replaced = |name: &str| call.query.iter().any(|(other, _)| other == name);
    let kept: Vec<(String, String)> = url.query_pairs().into_owned().filter(|(name, _)| !replaced(name)).collect();
    url.query_pairs_mut().clear().extend_pairs(kept).extend_pairs(&call.query);
}

fn is_absolute(url: &str) -> bool {
    ["http://", "https://"]
        .iter()
        .any(|scheme| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
}

fn absolute(text: &str) -> Result<Url, String> {
    if !is_absolute(text) {
        return Err(format!("'{text}' does not start with http:// or https://"));
    }
    Url::parse(text).map_err(|error| format!("'{text}': {error}"))
}

/// Headers, or the name of one that cannot be sent. Of several of one name the last counts.
fn headers(pairs: &[(String, String)]) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::with_capacity(pairs.len());
    for (name, value) in pairs {
        let (Ok(key), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value.as_bytes()))
        else {
            return Err(name.clone());
        };
        headers.insert(key, value);
    }
    Ok(headers)
}

fn fate(error: &reqwest::Error) -> Error {
    if let Some(host) = guarded(error) {
        return Error::Guarded(host);
    }
    if error.is_builder() {
        return Error::Invalid(chain(error));
    }
    if error.is_timeout() {
        return Error::TimedOut;
    }
    Error::Unreachable(chain(error))
}

fn failure(error: &(dyn std::error::Error + 'static)) -> Error {
    guarded(error).map_or_else(|| Error::Unreachable(chain(error)), Error::Guarded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extended(url: &str, path: &[&str], query: &[(&str, &str)]) -> String {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let call = Call {
            method: "GET".into(),
            url: url.into(),
            path: path.iter().map(|segment| (*segment).to_owned()).collect(),
            query: query.iter().map(pair).collect(),
            headers: Vec::new(),
            body: None,
        };
        let mut url = Url::parse(url).unwrap();
        extend(&mut url, &call);
        url.to_string()
    }

    #[test]
    fn paths_are_appended_and_parameters_replaced() {
        assert_eq!(extended("http://h/a/", &["b c", "d/e"], &[]), "http://h/a/b%20c/d%2Fe");
        assert_eq!(extended("http://h/a?x=1&y=2", &["b"], &[("x", "3 4")]), "http://h/a/b?y=2&x=3+4");
        assert_eq!(extended("http://h/a", &["..", "b"], &[]), "http://h/a/b", "nothing climbs out of the path");
        assert_eq!(extended("http://h", &[], &[]), "http://h/");
    }

    #[test]
    fn urls_are_relative_to_the_configured_one() {
        let hooks = Webhooks::new(Options { url: Some("http://h:1/base/".into()), ..Options::default() }).unwrap();
        assert_eq!(hooks.inner.url("/a").unwrap().as_str(), "http://h:1/base/a");
        assert_eq!(hooks.inner.url("HTTPS://other/a").unwrap().as_str(), "https://other/a");
        let bare = Webhooks::new(Options::default()).unwrap();
        assert!(matches!(bare.inner.url("/a"), Err(Error::Invalid(_))));
        assert!(matches!(bare.inner.url("ftp://h/a"), Err(Error::Invalid(_))));
    }
}
