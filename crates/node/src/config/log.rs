//! `log.*`

use std::path::PathBuf;

use super::section::Section;

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// From which level on. Default info.
    pub level: tracing::Level,
    /// One JSON object per line instead of text. Default off.
    pub json: bool,
    /// A file to append to, instead of standard error.
    pub file: Option<PathBuf>,
    /// Colours also where standard error is no terminal. Default off.
    pub force_color: bool,
    /// No colours, whatever else is said. Default off.
    pub no_color: bool,
    /// Whether each line names the place in the program. Default off.
    pub code: bool,
}

impl Default for Log {
    /// Text at info, on standard error.
    fn default() -> Self {
        Self { level: tracing::Level::INFO, json: false, file: None, force_color: false, no_color: false, code: false }
    }
}

pub(super) fn read(log: &Section<'_>) -> Log {
    let level = match log.text("level").as_deref().map(str::to_ascii_lowercase).as_deref() {
        None | Some("info") => tracing::Level::INFO,
        Some("error" | "fatal" | "panic") => tracing::Level::ERROR,
        Some("warn" | "warning") => tracing::Level::WARN,
        Some("debug") => tracing::Level::DEBUG,
        Some("trace") => tracing::Level::TRACE,
        Some(other) => {
            log.problem("level", format!("cannot be '{other}': it must be error, warn, info, debug or trace"));
            tracing::Level::INFO
        }
    };
    Log {
        level,
        json: log.section("json").flag("enabled", false),
        file: log.text("filename").map(PathBuf::from),
        force_color: log.flag("forceColor", false),
        no_color: log.flag("noColor", false),
        code: log.flag("includeCodeInfo", false),
    }
}
