//! What the node logs, and where to: standard error or a file, text or JSON.
//!
//! Deliberately absent: rotation (the operating system's tools do it) and anything secret: types that hold secrets hide them.

use std::{
    fs::OpenOptions,
    io::{self, IsTerminal},
    sync::Mutex,
};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    filter::Targets,
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::{Error, config::Log};

/// Our own modules at the configured level; libraries only warn, until everything is wanted.
fn filter(log: &Log) -> Targets {
    let libraries = if log.level == tracing::Level::TRACE { LevelFilter::DEBUG } else { LevelFilter::WARN };
    Targets::new().with_default(libraries).with_target("photinus", log.level)
}

/// Starts logging for this process. A second call changes nothing.
///
/// # Errors
/// When the file of the log cannot be opened.
pub fn init(log: &Log) -> Result<(), Error> {
    match &log.file {
        Some(path) => {
            let file = OpenOptions::new().create(true).append(true).open(path);
            let file = file.map_err(|source| Error::Log { path: path.clone(), source })?;
            install(log, Mutex::new(file), log.force_color);
        }
        None => install(log, io::stderr, log.force_color || io::stderr().is_terminal()),
    }
    Ok(())
}

fn install<W>(log: &Log, writer: W, color: bool)
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let layer = fmt::layer().with_writer(writer).with_file(log.code).with_line_number(log.code);
    let base = tracing_subscriber::registry().with(filter(log));
    let done = if log.json {
        base.with(layer.json().flatten_event(true)).try_init()
    } else {
        base.with(layer.with_ansi(color && !log.no_color)).try_init()
    };
    if let Err(error) = done {
        tracing::debug!(%error, "logging is on already");
    }
}
