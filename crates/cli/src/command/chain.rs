//! `photinus chain`

use std::fmt;

use photinus_devchain::{Chain, Mining, Options};
use photinus_node::signal::Stop;
use serde::Serialize;

use crate::{args, error::Error, output::Output};

/// A running chain.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Running {
    url: String,
    ws_url: String,
    chain_id: u64,
    accounts: Vec<String>,
}

impl fmt::Display for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "JSON-RPC   {}", self.url)?;
        writeln!(f, "WebSocket  {}", self.ws_url)?;
        writeln!(f, "chain id   {}", self.chain_id)?;
        for address in &self.accounts {
            writeln!(f, "account    {address}")?;
        }
        Ok(())
    }
}

pub(crate) async fn run(args: args::Chain, output: Output) -> Result<(), Error> {
    super::log_to_stderr()?;
    let mut stop = Stop::listen()?;
    let options = Options {
        chain_id: args.chain_id,
        host: args.host,
        port: args.port,
        data_dir: args.data_dir,
        mining: args.block_time.map_or(Mining::OnDemand, |millis| Mining::Interval { millis }),
        accounts: args.accounts,
        ..Options::default()
    };
    let chain = Chain::start(options).await?;
    output.data(&Running {
        url: chain.url(),
        ws_url: chain.ws_url(),
        chain_id: args.chain_id,
        accounts: chain.accounts().iter().map(|account| format!("{:#x}", account.address)).collect(),
    });
    output.say("Ctrl-C stops the chain");
    stop.requested().await;
    if stop.or_forced(chain.stop()).await { Ok(()) } else { Err(Error::Forced) }
}
