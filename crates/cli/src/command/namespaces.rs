//! `photinus namespaces list|reload`

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{args::Namespaces, error::Error, network::client::Client, output::Output};

pub(crate) async fn run(command: Namespaces, output: Output) -> Result<(), Error> {
    let client = match &command {
        Namespaces::List(spi) | Namespaces::Reload(spi) => Client::spi(&spi.url),
    };
    if let Namespaces::Reload(_) = command {
        client.request("reset").await?;
    }
    let listed = client.get("namespaces?includeinitializing").await?;
    match serde_json::from_value(listed.clone()) {
        Ok(namespaces) => output.data(&Listed(namespaces)),
        // A later node may tell it in another form; it is data all the same.
        Err(_) => output.line(&listed.to_string()),
    }
    Ok(())
}

/// The namespaces of a node.
#[derive(Serialize)]
struct Listed(Vec<Namespace>);

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Namespace {
    name: String,
    network_name: String,
    #[serde(default)]
    initializing: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    initialization_error: Option<String>,
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.0.iter().map(|namespace| namespace.name.chars().count()).max().unwrap_or_default();
        for Namespace { name, network_name, initializing, initialization_error } in &self.0 {
            let state = if *initializing { "starting" } else { "running" };
            write!(f, "{name:width$}  {state}")?;
            if network_name != name {
                write!(f, "  in the network {network_name}")?;
            }
            match initialization_error {
                Some(error) => writeln!(f, "  {error}")?,
                None => writeln!(f)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn people_read_a_line_for_each() {
        let listed = json!([
            {"name": "default", "networkName": "default", "description": "", "created": "2026-01-01T00:00:00Z"},
            {"name": "b", "networkName": "shared", "initializing": true, "initializationError": "no database"},
        ]);
        let listed = Listed(serde_json::from_value(listed).unwrap());
        assert_eq!(listed.to_string(), "default  running\nb        starting  in the network shared  no database\n");
    }
}
