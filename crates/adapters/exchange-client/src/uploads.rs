//! Blobs that lie with the data exchange for a transfer. It reads one where it was uploaded, and an upload is written in place,
//! so one that is under way is shared by all its recipients, and removed behind the last.

use std::{collections::HashMap, sync::Arc};

use tokio::sync::Mutex;

/// A path in use. Its lock is held while it is uploaded or removed.
#[derive(Default)]
pub(crate) struct Upload {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The hash of what lies there.
    there: Option<String>,
    users: usize,
}

/// The paths in use.
#[derive(Default)]
pub(crate) struct Uploads(parking_lot::Mutex<HashMap<String, Arc<Upload>>>);

impl Uploads {
    /// Uploads a content unless it lies there already for somebody, and gives its hash. Each call that succeeded is ended by
    /// [`Uploads::done`].
    pub(crate) async fn begin<E>(
        &self,
        path: &str,
        upload: impl Future<Output = Result<String, E>>,
    ) -> Result<String, E> {
        let shared = Arc::clone(self.0.lock().entry(path.to_owned()).or_default());
        let mut state = shared.state.lock().await;
        let hash = match &state.there {
            Some(hash) => hash.clone(),
            None => upload.await?,
        };
        state.there = Some(hash.clone());
        state.users += 1;
        Ok(hash)
    }

    /// Ends the use of a path, and removes what lies there behind the last.
    pub(crate) async fn done(&self, path: &str, remove: impl Future<Output = ()>) {
        let shared = self.0.lock().get(path).cloned();
        let Some(shared) = shared else { return };
        let mut state = shared.state.lock().await;
        state.users = state.users.saturating_sub(1);
        if state.users == 0 {
            state.there = None;
            remove.await;
            drop(state);
            let mut all = self.0.lock();
            // This one and the list; anybody else is about to upload.
            if Arc::strong_count(&shared) == 2 {
                all.remove(path);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    #[tokio::test]
    async fn one_upload_serves_all_and_is_removed_behind_the_last() {
        let uploads = Uploads::default();
        let (sent, removed) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let upload = || async {
            sent.fetch_add(1, Ordering::SeqCst);
            Ok::<_, Infallible>("hash".to_owned())
        };
        let remove = || async {
            removed.fetch_add(1, Ordering::SeqCst);
        };
        assert_eq!(uploads.begin("ns/a", upload()).await, Ok("hash".to_owned()));
        uploads.begin("ns/a", upload()).await.unwrap();
        uploads.done("ns/a", remove()).await;
        assert_eq!((sent.load(Ordering::SeqCst), removed.load(Ordering::SeqCst)), (1, 0));
        uploads.done("ns/a", remove()).await;
        assert_eq!(removed.load(Ordering::SeqCst), 1);
        assert!(uploads.0.lock().is_empty());
        let failed = uploads.begin("ns/a", async { Err::<String, _>("no") }).await;
        assert_eq!(failed, Err("no"));
        uploads.begin("ns/a", upload()).await.unwrap();
        assert_eq!(sent.load(Ordering::SeqCst), 2, "a failed upload is not one that lies there");
    }
}
