//! The one place that prints: data to standard output, talk to standard error.

use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
};

use serde::Serialize;

use crate::error::Error;

/// How data is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Text for people.
    #[default]
    Text,
    /// JSON for programs.
    Json,
}

/// Prints in the chosen format.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    format: Format,
}

impl Output {
    /// Prints in this format.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self { format }
    }

    /// Whether programs read the data.
    #[must_use]
    pub fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// Data: its JSON, or its text.
    pub fn data(self, value: &(impl Serialize + Display)) {
        let text = if self.is_json() {
            serde_json::to_string_pretty(value).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"))
        } else {
            value.to_string()
        };
        self.line(&text);
    }

    /// A line of data that has one form only.
    pub fn line(self, text: &str) {
        // A reader that went away, as `head` does, is no reason to fail.
        let _ = writeln!(io::stdout().lock(), "{}", text.trim_end_matches('\n'));
    }

    /// Raw data, such as a script.
    pub fn raw(self, bytes: &[u8]) {
        let _ = io::stdout().lock().write_all(bytes);
    }

    /// Talk.
    pub fn say(self, text: impl Display) {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// What went wrong, and the next step.
    pub fn error(self, error: &Error) {
        if self.is_json() {
            let told =
                serde_json::json!({"error": error.to_string(), "next": error.next(), "exitCode": error.exit_code()});
            self.say(told);
        } else {
            self.say(format_args!("error: {error}"));
            if let Some(next) = error.next() {
                self.say(format_args!("  next: {next}"));
            }
        }
    }

    /// Asks for a yes. Without a terminal the answer is no.
    pub fn confirm(self, question: &str) -> bool {
        if !io::stdin().is_terminal() {
            return false;
        }
        let _ = write!(io::stderr().lock(), "{question} [y/N] ");
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
    }
}
