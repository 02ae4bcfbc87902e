//! How a process beside this node is reached.

use photinus_remote::options::{Options, Tls};

use super::webhooks::pems;
use crate::{Error, config::Remote};

/// The settings, with the files that they name.
pub(super) async fn options(remote: &Remote) -> Result<Options, Error> {
    let mut options = remote.options.clone();
    if let Some(tls) = &remote.tls {
        let (authorities, identity) = pems(tls).await?;
        options.tls = Some(Tls { authorities, identity, insecure: tls.insecure });
    }
    Ok(options)
}
