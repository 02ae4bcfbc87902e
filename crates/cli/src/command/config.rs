//! `photinus config docs|check`

use std::fmt;

use photinus_node::config;
use serde::Serialize;

use crate::{args::Config, error::Error, output::Output};

pub(crate) fn run(command: Config, output: Output) -> Result<(), Error> {
    match command {
        Config::Docs => output.raw(config::reference().as_bytes()),
        Config::Check { file } => {
            let loaded = config::load(&file)?;
            output.data(&Checked {
                namespaces: loaded.config.namespaces.into_iter().map(|namespace| namespace.name).collect(),
                ignored: loaded.ignored.into_iter().map(|key| format!("{}: {}", key.place, key.path)).collect(),
                strangers: loaded.strangers.iter().map(ToString::to_string).collect(),
            });
        }
    }
    Ok(())
}

/// What a file that can be used says.
#[derive(Serialize)]
struct Checked {
    namespaces: Vec<String>,
    /// Settings without a meaning here.
    ignored: Vec<String>,
    /// Environment variables that name no setting.
    strangers: Vec<String>,
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "can be used; namespaces: {}", self.namespaces.join(", "))?;
        for (what, lines) in [("no meaning here", &self.ignored), ("no setting", &self.strangers)] {
            if !lines.is_empty() {
                writeln!(f, "{what}:")?;
            }
            for line in lines {
                writeln!(f, "  {line}")?;
            }
        }
        Ok(())
    }
}
