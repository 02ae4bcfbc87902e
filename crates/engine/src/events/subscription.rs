//! What a subscription may say, and what it has when it does not say it. Pure.

use photinus_model::{
    Duration, Time, Uuid, name,
    subscription::{Filter, Options, Subscription},
};
use photinus_ports::webhooks::Webhooks;
use serde::Deserialize;

use super::{balance, filter, webhooks::Webhook};
use crate::{error::Kind, options};

/// Events sent ahead of acknowledgements at most.
const MAX_READ_AHEAD: u64 = 65_535;
/// Transport over sockets that applications open.
pub(super) const WEBSOCKETS: &str = "websockets";
/// Transport by calls to applications.
pub(super) const WEBHOOKS: &str = "webhooks";

/// A subscription as a client asks for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Input {
    /// Its name, unique in the namespace.
    #[serde(default)]
    pub name: String,
    /// How events are delivered; `websockets` when left out.
    #[serde(default)]
    pub transport: String,
    /// Which events.
    #[serde(default)]
    pub filter: Filter,
    /// How they are delivered.
    #[serde(default)]
    pub options: Options,
}

/// Why a subscription was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `FF00140`, `FF00141`: its name.
    #[error(transparent)]
    Name(#[from] name::Error),
    /// `FF10172`, `FF10266`: a transport that is not to be had.
    #[error("transport '{0}' is not available: use websockets or webhooks, as event.transports.enabled has them")]
    Transport(String),
    /// `FF10244`: data with events over WebSockets.
    #[error("events over websockets cannot carry data: leave 'options.withData' out, and read the data by its id")]
    WithData,
    /// `FF00137`: a duration that is none.
    #[error("option 'batchTimeout': '{0}' is not a duration such as 250ms")]
    BatchTimeout(String),
    /// `FF10242`: a webhook without a URL.
    #[error("option 'url' is empty: say which URL the webhook calls")]
    NoUrl,
    /// `FF10242`: a URL that is not called, or another option that makes every call fail.
    #[error("the webhook cannot be called: {0}")]
    Call(#[from] photinus_ports::webhooks::Error),
    /// `FF10243`: headers or query parameters that are no texts.
    #[error("option '{0}' is an object whose values are texts")]
    NotTexts(&'static str),
    /// `FF00161`: an option of the wrong shape.
    #[error("option '{field}': {reason}")]
    Option {
        /// Which option.
        field: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// `FF00137`: a duration of a webhook that is none.
    #[error("option '{field}': '{text}' is not a duration such as 250ms")]
    Duration {
        /// Which option.
        field: &'static str,
        /// What it says.
        text: String,
    },
    /// `FF10455`: a TLS setting that is not configured.
    #[error("option 'tlsConfigName': the namespace has no TLS setting '{0}' in namespaces.predefined[].tlsConfigs")]
    Tls(String),
    /// `FF10109`: a request about webhooks for another subscription.
    #[error("subscription '{0}' is not a webhook")]
    NoWebhook(Uuid),
    /// `FF10109`: an event that is not parked.
    #[error("event '{0}' is not parked")]
    NotParked(Uuid),
    /// `FF10460`: data with batches.
    #[error("batches cannot carry data: leave 'options.withData' out")]
    BatchWithData,
    /// `FF00137`: more events ahead than are kept.
    #[error("option 'readAhead' is at most {MAX_READ_AHEAD}")]
    ReadAhead,
    /// `FF10171`: a pattern of the filter.
    #[error(transparent)]
    Filter(#[from] filter::Error),
    /// `FF10191`: a first event that is neither a word nor a number.
    #[error(
        "option 'firstEvent': '{0}' is neither oldest nor newest nor the sequence of an event nor a time such as 2026-01-31T12:00:00Z"
    )]
    FirstEvent(String),
    /// `FF10192`: a number below -1.
    #[error("option 'firstEvent' is at least -1")]
    FirstEventTooLow,
    /// `FF10193`: the name is taken.
    #[error("subscription '{0}' exists: use PUT to change it")]
    Exists(String),
    /// `FF00192`: too many.
    #[error("the namespace has {0} subscriptions already, which is the most it may have")]
    TooMany(usize),
    /// `FF10109`: no such subscription.
    #[error("subscription '{0}' not found")]
    NotFound(Uuid),
    /// `FF10463`: a scan over too many events.
    #[error("at most {0} events may lie between 'startsequence' and 'endsequence'")]
    Scan(u64),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] photinus_store::Error),
}

impl Error {
    /// The FireFly code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Name(error) => error.code(),
            Self::Transport(transport) if transport == "system" => "FF10266",
            Self::Transport(_) => "FF10172",
            Self::WithData => "FF10244",
            Self::BatchTimeout(_) | Self::ReadAhead | Self::Duration { .. } => "FF00137",
            Self::NoUrl | Self::Call(_) => "FF10242",
            Self::NotTexts(_) => "FF10243",
            Self::Option { .. } => "FF00161",
            Self::Tls(_) => "FF10455",
            Self::NoWebhook(_) | Self::NotParked(_) => "FF10109",
            Self::BatchWithData => "FF10460",
            Self::Filter(_) => "FF10171",
            Self::FirstEvent(_) => "FF10191",
            Self::FirstEventTooLow => "FF10192",
            Self::Exists(_) => "FF10193",
            Self::TooMany(_) => "FF00192",
            Self::NotFound(_) => "FF10109",
            Self::Scan(_) => "FF10463",
            Self::Store(_) => crate::error::STORE_CODE,
        }
    }

    /// What a caller can do about it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Exists(_) | Self::TooMany(_) => Kind::Conflict,
            Self::NotFound(_) | Self::NoWebhook(_) | Self::NotParked(_) => Kind::NotFound,
            Self::Store(error) => crate::error::store_kind(error),
            _ => Kind::BadInput,
        }
    }
}

/// Where a subscription begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// Behind the newest event.
    Newest,
    /// Behind this sequence.
    Behind(i64),
    /// With the first event of this time or after it.
    At(Time),
}

/// Reads `firstEvent`.
pub(super) fn start(first_event: Option<&str>) -> Result<Start, Error> {
    match first_event.unwrap_or_default() {
        "" | "newest" => Ok(Start::Newest),
        "oldest" => Ok(Start::Behind(-1)),
        number => match number.parse::<i64>() {
            Ok(number) if number >= -1 => Ok(Start::Behind(number)),
            Ok(_) => Err(Error::FirstEventTooLow),
            // A time is told from a number by what stands between its digits.
            Err(_) => number.parse().map(Start::At).map_err(|_| Error::FirstEvent(number.to_owned())),
        },
    }
}

/// Checks options and fills in what they leave out.
pub(super) fn complete(options: &mut Options, transport: &str, defaults: &options::Subscriptions) -> Result<(), Error> {
    if let Some(timeout) = &options.batch_timeout {
        timeout.parse::<Duration>().map_err(|_| Error::BatchTimeout(timeout.clone()))?;
    }
    if options.read_ahead.is_some_and(|ahead| ahead > MAX_READ_AHEAD) {
        return Err(Error::ReadAhead);
    }
    if options.batch == Some(true) {
        if options.with_data == Some(true) {
            return Err(Error::BatchWithData);
        }
        if options.read_ahead.unwrap_or(0) == 0 {
            options.read_ahead = Some(u64::from(defaults.batch_size));
        }
        if options.batch_timeout.is_none() {
            options.batch_timeout = Some(Duration(defaults.batch_timeout).to_string());
        }
    }
    if transport == WEBHOOKS {
        // Data takes the place of events, which in batches nobody could tell apart.
        options.with_data = Some(options.with_data.unwrap_or(options.batch != Some(true)));
        return Ok(());
    }
    if options.with_data == Some(true) {
        return Err(Error::WithData);
    }
    options.with_data = Some(false);
    balance::is_balanced(options).map(|_| ())
}

/// Checks a durable subscription whole, in the order in which clients know the errors. The position is not resolved.
pub(super) fn check(
    input: Input,
    id: Uuid,
    namespace: &str,
    now: Time,
    defaults: &options::Subscriptions,
    calls: Option<&dyn Webhooks>,
) -> Result<Subscription, Error> {
    let Input { name, mut transport, filter, mut options } = input;
    name::check_no_uuid(&name, "name")?;
    if transport.is_empty() {
        defaults.transport.clone_into(&mut transport);
    }
    let calls = calls.filter(|_| transport == WEBHOOKS);
    if transport != WEBSOCKETS && calls.is_none() {
        return Err(Error::Transport(transport));
    }
    if let Some(calls) = calls {
        check_tls(&options, calls)?;
    }
    complete(&mut options, &transport, defaults)?;
    if let Some(calls) = calls {
        Webhook::read(&options)?.check(calls)?;
    }
    filter::Compiled::new(&filter)?;
    let namespace = namespace.to_owned();
    Ok(Subscription { id, namespace, name, transport, filter, options, ephemeral: false, created: now, updated: None })
}

fn check_tls(options: &Options, calls: &dyn Webhooks) -> Result<(), Error> {
    let named = options.transport.get("tlsConfigName").and_then(|value| value.read::<Option<String>>().ok()?);
    match named.filter(|name| !name.is_empty() && !calls.has_tls(name)) {
        Some(name) => Err(Error::Tls(name)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn code(input: &str) -> Result<Options, &'static str> {
        let input: Input = serde_json::from_str(input).unwrap();
        let first = input.options.first_event.clone();
        check(input, Uuid::nil(), "ns", Time::from_unix_nanos(1), &options::Subscriptions::default(), None)
            .and_then(|subscription| start(first.as_deref()).map(|_| subscription.options))
            .map_err(|error| error.code())
    }

    #[test]
    fn defaults_are_written_in() {
        assert_eq!(code(r#"{"name":"a"}"#).unwrap().with_data, Some(false));
        let batch = code(r#"{"name":"a","options":{"batch":true}}"#).unwrap();
        assert_eq!((batch.read_ahead, batch.batch_timeout.as_deref()), (Some(50), Some("50ms")));
    }

    #[test]
    fn errors_have_the_codes_that_clients_know() {
        for (input, expected) in [
            (r#"{}"#, "FF00140"),
            (r#"{"name":"!"}"#, "FF00140"),
            (r#"{"name":"11111111-1111-4111-8111-111111111111"}"#, "FF00141"),
            (r#"{"name":"a","transport":"pigeon"}"#, "FF10172"),
            (r#"{"name":"a","transport":"system"}"#, "FF10266"),
            (r#"{"name":"a","options":{"batchTimeout":"soon"}}"#, "FF00137"),
            (r#"{"name":"a","options":{"batch":true,"withData":true}}"#, "FF10460"),
            (r#"{"name":"a","options":{"withData":true}}"#, "FF10244"),
            (r#"{"name":"a","options":{"distribution":"random"}}"#, "FF00161"),
            (r#"{"name":"a","options":{"distribution":"balanced","batch":true}}"#, "FF00161"),
            (r#"{"name":"a","filter":{"message":{"tag":"["}}}"#, "FF10171"),
            (r#"{"name":"a","options":{"firstEvent":"lobster"}}"#, "FF10191"),
            (r#"{"name":"a","options":{"firstEvent":"-2"}}"#, "FF10192"),
        ] {
            assert_eq!(code(input), Err(expected), "{input}");
        }
    }
}
