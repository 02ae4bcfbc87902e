//! Where the server is, and how connections to it are encrypted.
//!
//! The words are libpq's: `sslmode` (disable, allow, prefer, require, verify-ca, verify-full), `sslrootcert`, `sslcert` and
//! `sslkey` in the query of the URL. The driver knows some of them; all are taken out of the URL and read here.

use std::{path::PathBuf, time::Duration};

use percent_encoding::percent_decode_str;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config, config::SslMode};

use super::{describe, tls::Tls};
use crate::options::Error;

/// A server, and how connections to it are made.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) config: Config,
    pub(super) tls: Tls,
}

/// What the URL says of encryption.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) mode: Mode,
    /// Authorities; `None` for those of the system.
    pub(super) authorities: Option<PathBuf>,
    /// A certificate to show, and its key.
    pub(super) identity: Option<(PathBuf, PathBuf)>,
}

/// How much is asked of the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mode {
    /// No encryption.
    Disable,
    /// Encryption if the server offers it, whoever it is. What holds where nothing is said.
    #[default]
    Prefer,
    /// Encryption, whoever the server is.
    Require,
    /// Encryption, and a certificate of a known authority.
    VerifyCa,
    /// Encryption, and a certificate of a known authority for the name of the server.
    VerifyFull,
}

impl Target {
    /// Reads a URL and the files that it names.
    pub(super) async fn read(url: &str, reconnect: Duration) -> Result<Self, Error> {
        let (url, wish) = split(url)?;
        let mut config: Config =
            url.parse().map_err(|error: tokio_postgres::Error| Error::Unsuitable(describe(&error)))?;
        config.ssl_mode(match wish.mode {
            Mode::Disable => SslMode::Disable,
            Mode::Prefer => SslMode::Prefer,
            Mode::Require | Mode::VerifyCa | Mode::VerifyFull => SslMode::Require,
        });
        if config.get_application_name().is_none() {
            config.application_name("photinus");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(reconnect);
        }
        config.tcp_user_timeout(reconnect);
        Ok(Self { config, tls: Tls::read(&wish).await? })
    }

    /// Connects. The task ends with its client.
    pub(super) async fn connect(&self) -> Result<(Client, JoinHandle<()>), tokio_postgres::Error> {
        let (client, connection) = self.config.connect(self.tls.clone()).await?;
        let running = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(error = describe(&error), "the connection that writes is broken");
            }
        });
        Ok((client, running))
    }
}

/// Takes what is said of encryption out of a URL. A list of `key=value` pairs is left as it is, for the driver to read.
fn split(url: &str) -> Result<(String, Wish), Error> {
    let Some((start, query)) = url.split_once('?').filter(|_| url.contains("://")) else {
        return Ok((url.to_owned(), Wish::default()));
    };
    let (mut rest, mut mode, mut authorities, mut certificate, mut key) = (Vec::new(), None, None, None, None);
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = percent_decode_str(value).decode_utf8_lossy().into_owned();
        let file = Some(value.clone()).filter(|value| !value.is_empty()).map(PathBuf::from);
        match name {
            "sslmode" => mode = Some(read_mode(&value)?),
            "sslrootcert" => authorities = file.filter(|_| value != "system"),
            "sslcert" => certificate = file,
            "sslkey" => key = file,
            _ => rest.push(pair),
        }
    }
    let mode = match mode.unwrap_or_default() {
        // As libpq has it: whoever names authorities wants them to be asked.
        Mode::Require if authorities.is_some() => Mode::VerifyCa,
        mode => mode,
    };
    let identity = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => return Err(Error::Unsuitable("sslcert and sslkey go together in the URL of the database".to_owned())),
    };
    let url = if rest.is_empty() { start.to_owned() } else { format!("{start}?{}", rest.join("&")) };
    Ok((url, Wish { mode, authorities, identity }))
}

fn read_mode(text: &str) -> Result<Mode, Error> {
    Ok(match text {
        "disable" => Mode::Disable,
        "allow" | "prefer" => Mode::Prefer,
        "require" => Mode::Require,
        "verify-ca" => Mode::VerifyCa,
        "verify-full" => Mode::VerifyFull,
        other => {
            return Err(Error::Unsuitable(format!(
                "sslmode cannot be '{other}': write disable, prefer, require, verify-ca or verify-full"
            )));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_encryption_is_taken_out_of_the_url() {
        let (url, wish) = split(
            "postgres://u:p@h/db?sslmode=verify-full&application_name=x&sslrootcert=%2Fa%20b%2Fca.pem&sslcert=c&sslkey=k",
        )
        .unwrap();
        assert_eq!(url, "postgres://u:p@h/db?application_name=x");
        let identity = Some(("c".into(), "k".into()));
        assert_eq!(wish, Wish { mode: Mode::VerifyFull, authorities: Some("/a b/ca.pem".into()), identity });
        for (query, mode) in [
            ("", Mode::Prefer),
            ("sslmode=disable", Mode::Disable),
            ("sslmode=allow", Mode::Prefer),
            ("sslmode=require", Mode::Require),
            ("sslmode=require&sslrootcert=ca", Mode::VerifyCa),
            ("sslmode=verify-full&sslrootcert=system", Mode::VerifyFull),
        ] {
            let (url, wish) = split(&format!("postgres://h/db?{query}")).unwrap();
            assert_eq!((url.trim_end_matches('?'), wish.mode), ("postgres://h/db", mode), "{query}");
        }
        assert_eq!(split("host=h dbname=d").unwrap().0, "host=h dbname=d");
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_next_step() {
        for (query, says) in [("sslmode=strict", "verify-full"), ("sslcert=c", "go together"), ("sslkey=c", "together")]
        {
            let error = split(&format!("postgres://h/db?{query}")).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
