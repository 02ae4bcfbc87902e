//! What a subscription says about its webhook, read from its flat options into types. Pure.

use std::{collections::BTreeMap, time::Duration};

use photinus_model::{JsonText, subscription::Options, transaction};
use photinus_ports::webhooks::{Profile, Webhooks};
use serde::Deserialize;

use crate::events::Error;

/// A webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Webhook {
    pub(super) url: String,
    pub(super) method: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) query: Vec<(String, String)>,
    /// Whether answers are read as JSON whatever they say they are.
    pub(super) json: bool,
    pub(super) with_data: bool,
    pub(super) batch: bool,
    /// Acknowledge first, call behind it.
    pub(super) fast_ack: bool,
    pub(super) reply: bool,
    pub(super) reply_tag: String,
    pub(super) reply_tx: transaction::Type,
    pub(super) input: Input,
    pub(super) profile: Profile,
    pub(super) retry: Option<Retry>,
    /// Ours: events are not skipped when the endpoint fails.
    pub(super) guarantee: Option<Guarantee>,
}

/// From which member of the first data value parts of the call are taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Input {
    pub(super) query: String,
    pub(super) headers: String,
    pub(super) body: String,
    pub(super) path: String,
    pub(super) replytx: String,
}

/// Repeated calls, as FireFly has them. What is `None` is as configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Retry {
    pub(super) count: Option<u32>,
    pub(super) initial: Option<Duration>,
    pub(super) maximum: Option<Duration>,
}

/// How long an event is tried before it is parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Guarantee {
    /// Most calls; `None` for no limit.
    pub(super) tries: Option<u32>,
    /// Longest time since the first call; `None` for no limit.
    pub(super) period: Option<Duration>,
    pub(super) initial: Duration,
    pub(super) maximum: Duration,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RetryInput {
    enabled: bool,
    count: u32,
    initial_delay: Option<String>,
    max_delay: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct GuaranteeInput {
    guaranteed: bool,
    tries: u32,
    period: Option<String>,
    initial_delay: Option<String>,
    max_delay: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct HttpInput {
    #[serde(rename = "proxyURL")]
    proxy_url: Option<String>,
    tls_handshake_timeout: Option<String>,
    request_timeout: Option<String>,
    max_idle_conns: Option<usize>,
    idle_timeout: Option<String>,
    connection_timeout: Option<String>,
    expect_continue_timeout: Option<String>,
}

impl Webhook {
    /// Reads the options of a subscription; core options are complete already.
    pub(crate) fn read(options: &Options) -> Result<Self, Error> {
        let fields = Fields(&options.transport);
        let url: String = fields.read("url")?;
        if url.is_empty() {
            return Err(Error::NoUrl);
        }
        let method: String = fields.read("method")?;
        let reply: bool = fields.read("reply")?;
        let reply_tx: String = fields.read("replytx")?;
        Ok(Self {
            url,
            method: if method.is_empty() { "POST".to_owned() } else { method },
            headers: fields.map("headers")?,
            query: fields.map("query")?,
            json: fields.read("json")?,
            with_data: options.with_data.unwrap_or(true),
            batch: options.batch == Some(true),
            fast_ack: fields.read::<bool>("fastack")? && !reply,
            reply,
            reply_tag: fields.read("replytag")?,
            reply_tx: reply_tx.to_ascii_lowercase().as_str().into(),
            input: fields.read("input")?,
            profile: profile(&fields)?,
            retry: retry(&fields)?,
            guarantee: guarantee(&fields)?,
        })
    }
}

impl Webhook {
    /// Tells early that it could never be called.
    pub(crate) fn check(&self, calls: &dyn Webhooks) -> Result<(), Error> {
        Ok(calls.check(&self.url, &self.profile)?)
    }
}

fn profile(fields: &Fields<'_>) -> Result<Profile, Error> {
    let tls: String = fields.read("tlsConfigName")?;
    let http: HttpInput = fields.read("httpOptions")?;
    // No time is no limit in the reference; here it is the configured one, so that no call lasts for ever.
    let duration = |field, text| Ok::<_, Error>(duration(field, text)?.filter(|time| !time.is_zero()));
    duration("httpOptions.expectContinueTimeout", http.expect_continue_timeout.as_ref())?;
    Ok(Profile {
        tls: Some(tls).filter(|name| !name.is_empty()),
        proxy: http.proxy_url,
        connection_timeout: duration("httpOptions.connectionTimeout", http.connection_timeout.as_ref())?,
        tls_timeout: duration("httpOptions.tlsHandshakeTimeout", http.tls_handshake_timeout.as_ref())?,
        request_timeout: duration("httpOptions.requestTimeout", http.request_timeout.as_ref())?,
        idle_timeout: duration("httpOptions.idleTimeout", http.idle_timeout.as_ref())?,
        idle_connections: http.max_idle_conns,
    })
}

fn retry(fields: &Fields<'_>) -> Result<Option<Retry>, Error> {
    let input: RetryInput = fields.read("retry")?;
    if !input.enabled {
        return Ok(None);
    }
    Ok(Some(Retry {
        count: Some(input.count).filter(|count| *count > 0),
        initial: duration("retry.initialDelay", input.initial_delay.as_ref())?,
        maximum: duration("retry.maxDelay", input.max_delay.as_ref())?,
    }))
}

fn guarantee(fields: &Fields<'_>) -> Result<Option<Guarantee>, Error> {
    let input: GuaranteeInput = fields.read("delivery")?;
    if !input.guaranteed {
        return Ok(None);
    }
    let least = Duration::from_millis(10);
    let initial = duration("delivery.initialDelay", input.initial_delay.as_ref())?;
    let maximum = duration("delivery.maxDelay", input.max_delay.as_ref())?;
    let period = duration("delivery.period", input.period.as_ref())?.unwrap_or(DEFAULT_PERIOD);
    Ok(Some(Guarantee {
        tries: Some(input.tries).filter(|tries| *tries > 0),
        period: Some(period).filter(|period| !period.is_zero()),
        initial: initial.unwrap_or(Duration::from_millis(250)).max(least),
        maximum: maximum.unwrap_or(Duration::from_secs(60)).max(least),
    }))
}

/// How long an event of a guaranteed subscription is tried when it does not say.
const DEFAULT_PERIOD: Duration = Duration::from_secs(24 * 60 * 60);

fn duration(field: &'static str, text: Option<&String>) -> Result<Option<Duration>, Error> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let read = text.parse::<photinus_model::Duration>();
    read.map(|duration| Some(duration.0)).map_err(|_| Error::Duration { field, text: text.clone() })
}

/// Options by their exact names, as applications of FireFly must write them.
struct Fields<'a>(&'a BTreeMap<String, JsonText>);

impl Fields<'_> {
    /// An option; nothing and `null` are the default.
    fn read<T: Default + for<'de> Deserialize<'de>>(&self, field: &'static str) -> Result<T, Error> {
        let Some(value) = self.0.get(field).filter(|value| !value.is_null()) else { return Ok(T::default()) };
        value.read().map_err(|error| Error::Option { field, reason: error.to_string() })
    }

    fn map(&self, field: &'static str) -> Result<Vec<(String, String)>, Error> {
        let Some(value) = self.0.get(field).filter(|value| !value.is_null()) else { return Ok(Vec::new()) };
        let map: BTreeMap<String, String> = value.read().map_err(|_| Error::NotTexts(field))?;
        Ok(map.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &str) -> Result<Webhook, Error> {
        Webhook::read(&serde_json::from_str(options).unwrap())
    }

    #[test]
    fn defaults_are_those_of_the_reference() {
        let hook = read(r#"{"url":"http://a"}"#).unwrap();
        assert_eq!((hook.method.as_str(), hook.with_data, hook.reply, hook.fast_ack), ("POST", true, false, false));
        assert_eq!((hook.retry, hook.guarantee), (None, None));
    }

    #[test]
    fn everything_is_read() {
        let hook = read(
            r#"{"url":"u","method":"GET","headers":{"a":"b"},"query":{"q":"1"},"json":true,"reply":true,"fastack":true,
                "replytag":"t","replytx":"Batch_Pin","input":{"path":"p","replytx":"r"},"tlsConfigName":"tls",
                "retry":{"enabled":true,"count":0,"initialDelay":"1s","maxDelay":"2000"},
                "httpOptions":{"proxyURL":"","requestTimeout":"5s","connectionTimeout":"0","maxIdleConns":3},
                "delivery":{"guaranteed":true,"tries":3,"period":"0"}}"#,
        )
        .unwrap();
        assert!(!hook.fast_ack, "an answer is waited for");
        assert_eq!((hook.input.path.as_str(), hook.reply_tx), ("p", transaction::Type::BatchPin));
        assert_eq!(hook.profile.tls.as_deref(), Some("tls"));
        assert_eq!((hook.profile.proxy.as_deref(), hook.profile.idle_connections), (Some(""), Some(3)));
        assert_eq!(
            (hook.profile.request_timeout, hook.profile.connection_timeout),
            (Some(Duration::from_secs(5)), None)
        );
        let retry = hook.retry.unwrap();
        assert_eq!(
            (retry.count, retry.initial, retry.maximum),
            (None, Some(Duration::from_secs(1)), Some(Duration::from_secs(2)))
        );
        let guarantee = hook.guarantee.unwrap();
        assert_eq!((guarantee.tries, guarantee.period), (Some(3), None));
    }

    #[test]
    fn mistakes_have_the_codes_that_clients_know() {
        for (options, code) in [
            ("{}", "FF10242"),
            (r#"{"url":"u","headers":{"a":1}}"#, "FF10243"),
            (r#"{"url":"u","query":["a"]}"#, "FF10243"),
            (r#"{"url":"u","retry":{"enabled":true,"initialDelay":"soon"}}"#, "FF00137"),
            (r#"{"url":"u","httpOptions":{"requestTimeout":"soon"}}"#, "FF00137"),
            (r#"{"url":"u","delivery":{"guaranteed":true,"period":"soon"}}"#, "FF00137"),
            (r#"{"url":"u","reply":"yes"}"#, "FF00161"),
        ] {
            assert_eq!(read(options).unwrap_err().code(), code, "{options}");
        }
        assert!(read(r#"{"url":"u","retry":{"enabled":false,"initialDelay":"soon"}}"#).is_ok(), "not looked at");
    }
}
