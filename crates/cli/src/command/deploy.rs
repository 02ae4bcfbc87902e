//! `photinus deploy`

use std::fmt;

use serde::Serialize;

use crate::{args, error::Error, network::chain, output::Output};

/// A contract that was deployed.
#[derive(Debug, Serialize)]
struct Deployed {
    address: String,
}

impl fmt::Display for Deployed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

pub(crate) async fn run(args: args::Deploy, output: Output) -> Result<(), Error> {
    let key = match &args.key_file {
        Some(path) => std::fs::read_to_string(path).map_err(Error::file("read", path))?,
        None => {
            let first = chain::development(0, 1)?.into_iter().next();
            first.and_then(|account| account.private_key).unwrap_or_default()
        }
    };
    let address = chain::deploy(&args.chain, key.trim()).await?;
    output.say("write it as namespaces.predefined[].multiparty.contract[].location.address of every member");
    output.data(&Deployed { address });
    Ok(())
}
