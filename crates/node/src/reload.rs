//! Reading the configuration again: when it is asked for, or whenever its file changes.

use std::{path::Path, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{config, keeper::Keeper};

/// How often the file is looked at. Its content is compared, so that replaced links count as well.
const INTERVAL: Duration = Duration::from_secs(1);

/// Reads the file and makes the node what it says. The text says why it cannot be used; nothing changes then.
pub(crate) async fn now(keeper: &Keeper, file: &Path) -> Result<(), String> {
    let path = file.to_owned();
    let loaded = tokio::task::spawn_blocking(move || config::load(&path)).await.map_err(|error| error.to_string())?;
    let loaded = loaded.map_err(|error| error.to_string())?;
    let changes = keeper.change(loaded.config).await.map_err(|error| error.to_string())?;
    tracing::info!(started = ?changes.started, removed = ?changes.removed, "the configuration was read again");
    for section in changes.needs_restart {
        tracing::warn!(section, "what changed there counts from the next start of the process");
    }
    Ok(())
}

/// Follows the file until the node stops.
pub(crate) async fn follow(keeper: Arc<Keeper>, file: std::path::PathBuf, stop: CancellationToken) {
    let mut known = tokio::fs::read(&file).await.ok();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
        // A file that is away for a moment is being replaced.
        let Ok(text) = tokio::fs::read(&file).await else { continue };
        if known.as_ref() == Some(&text) {
            continue;
        }
        if let Err(error) = now(&keeper, &file).await {
            tracing::error!(error, "the configuration changed and cannot be used; the node goes on as it is");
        }
        known = Some(text);
    }
}
