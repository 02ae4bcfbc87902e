//! The one seam through which a namespace spawns: every task has a name, is started again when it fails, and is awaited at
//! the end.

use std::{collections::BTreeMap, fmt::Display, future::Future, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::{FutureExt, StreamExt, stream::FuturesUnordered};
use parking_lot::Mutex;
use photinus_model::Time;
use photinus_ports::{clock::Clock, ids::Ids};
use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{backoff::Backoff, options::Retry};

/// What became of a long-lived task that did not run without a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskState {
    /// Name of the task.
    pub name: Arc<str>,
    /// How many times it failed and was started again.
    pub failures: u64,
    /// What it said the last time.
    pub last_error: String,
    /// When that was.
    pub last_failure: Time,
}

/// Spawns, restarts, cancels and awaits the tasks of one namespace. A cheap handle.
#[derive(Clone)]
pub(crate) struct Tasks {
    inner: Arc<Inner>,
}

struct Inner {
    tracker: TaskTracker,
    /// Where the namespace was started; its tasks run there, whoever causes them.
    runtime: tokio::runtime::Handle,
    stopping: CancellationToken,
    abort: CancellationToken,
    faults: Mutex<BTreeMap<Arc<str>, TaskState>>,
    namespace: String,
    retry: Retry,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl Tasks {
    /// Tasks of a namespace, on the runtime of the caller.
    pub(crate) fn new(namespace: &str, retry: Retry, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        Self {
            inner: Arc::new(Inner {
                tracker: TaskTracker::new(),
                runtime: tokio::runtime::Handle::current(),
                stopping: CancellationToken::new(),
                abort: CancellationToken::new(),
                faults: Mutex::default(),
                namespace: namespace.to_owned(),
                retry,
                clock,
                ids,
            }),
        }
    }

    /// Cancelled when the namespace begins to stop. A task that sees it finishes its step and returns.
    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.inner.stopping
    }

    /// Waits until a piece of work ends, something arrives, or something is due. `false` when the namespace stops.
    pub(crate) async fn turn<F: Future<Output = ()>>(
        &self,
        at_work: &mut FuturesUnordered<F>,
        arrived: &Notify,
        due: Option<Instant>,
    ) -> bool {
        let due = async {
            match due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.inner.stopping.cancelled() => return false,
            Some(()) = at_work.next(), if !at_work.is_empty() => {}
            () = arrived.notified() => {}
            () = due => {}
        }
        true
    }

    /// A back-off of the namespace's own pace.
    pub(crate) fn backoff(&self, retry: Retry) -> Backoff {
        Backoff::new(retry, Arc::clone(&self.inner.ids))
    }

    /// Waits, or returns `false` at once when the namespace stops.
    pub(crate) async fn pause(&self, wait: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.inner.stopping.cancelled() => false,
            () = tokio::time::sleep(wait) => true,
        }
    }

    /// Runs a task for as long as the namespace runs. `run` is called anew, after a back-off, when the task fails or panics;
    /// `Ok` ends it for good.
    pub(crate) fn spawn<F, Fut, E>(&self, name: impl Into<Arc<str>>, mut run: F)
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Display + Send + 'static,
    {
        let (name, tasks) = (name.into(), self.clone());
        let supervised = async move {
            let mut backoff = tasks.backoff(tasks.inner.retry);
            loop {
                let failure = match AssertUnwindSafe(run()).catch_unwind().await {
                    Ok(Ok(())) => return,
                    Ok(Err(error)) => error.to_string(),
                    Err(panic) => format!("panicked: {}", panic_text(panic.as_ref())),
                };
                tasks.record(&name, failure);
                if !tasks.pause(backoff.advance()).await {
                    return;
                }
            }
        };
        self.track(supervised);
    }

    /// Runs a piece of work once; a panic in it is recorded under the name. The caller bounds how many there are.
    pub(crate) fn spawn_once<Fut>(&self, name: impl Into<Arc<str>>, work: Fut)
    where
        Fut: Future<Output = ()> + Send + 'static,
    {
        let (name, tasks) = (name.into(), self.clone());
        self.track(async move {
            if let Err(panic) = AssertUnwindSafe(work).catch_unwind().await {
                tasks.record(&name, format!("panicked: {}", panic_text(panic.as_ref())));
            }
        });
    }

    /// Runs a piece of work to its end, also when the caller gives up waiting for it. `None` when it was cut off or panicked.
    pub(crate) async fn finish<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (done, result) = oneshot::channel();
        self.spawn_once(name, async move {
            // The caller may have given up.
            let _ = done.send(work.await);
        });
        result.await.ok()
    }

    /// Tasks that failed since the start, by name.
    pub(crate) fn faults(&self) -> Vec<TaskState> {
        self.inner.faults.lock().values().cloned().collect()
    }

    /// Asks every task to finish.
    pub(crate) fn cancel(&self) {
        self.inner.stopping.cancel();
    }

    /// Asks every task to finish and waits for it; after `limit` cuts the rest off. `true` when all ended by themselves.
    pub(crate) async fn stop(&self, limit: Duration) -> bool {
        self.cancel();
        self.inner.tracker.close();
        if tokio::time::timeout(limit, self.inner.tracker.wait()).await.is_ok() {
            return true;
        }
        self.inner.abort.cancel();
        self.inner.tracker.wait().await;
        false
    }

    /// Cuts every task off where it stands, and returns when none is left.
    pub(crate) async fn abort(&self) {
        self.inner.tracker.close();
        self.inner.abort.cancel();
        self.inner.tracker.wait().await;
    }

    fn track(&self, task: impl Future<Output = ()> + Send + 'static) {
        let abort = self.inner.abort.clone();
        let bounded = async move {
            tokio::select! {
                biased;
                () = abort.cancelled() => {}
                () = task => {}
            }
        };
        self.inner.tracker.spawn_on(bounded, &self.inner.runtime);
    }

    fn record(&self, name: &Arc<str>, failure: String) {
        tracing::error!(namespace = %self.inner.namespace, task = %name, error = %failure, "task failed, starting it again");
        let mut faults = self.inner.faults.lock();
        let state = faults.entry(Arc::clone(name)).or_insert_with(|| TaskState {
            name: Arc::clone(name),
            failures: 0,
            last_error: String::new(),
            last_failure: self.inner.clock.now(),
        });
        state.failures += 1;
        state.last_error = failure;
        state.last_failure = self.inner.clock.now();
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use photinus_ports::{clock, ids};

    use super::*;

    fn tasks() -> Tasks {
        let retry = Retry { initial: Duration::from_millis(1), maximum: Duration::from_millis(2), factor: 2.0 };
        Tasks::new("ns", retry, Arc::new(clock::System), Arc::new(ids::Random))
    }

    #[tokio::test]
    async fn a_failing_task_is_started_again_and_told() {
        let (tasks, runs) = (tasks(), Arc::new(AtomicUsize::new(0)));
        let (done, finished) = tokio::sync::oneshot::channel();
        let (counter, mut done) = (Arc::clone(&runs), Some(done));
        tasks.spawn("flaky", move || {
            let run = counter.fetch_add(1, Ordering::SeqCst);
            let done = if run == 2 { done.take() } else { None };
            async move {
                match run {
                    0 => Err("no luck"),
                    1 => panic!("worse"),
                    _ => {
                        done.map(|done| done.send(()));
                        Ok(())
                    }
                }
            }
        });
        finished.await.unwrap();
        assert!(tasks.stop(Duration::from_secs(5)).await);
        let faults = tasks.faults();
        assert_eq!((faults.len(), faults[0].failures, faults[0].last_error.as_str()), (1, 2, "panicked: worse"));
        assert_eq!(runs.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn stop_cuts_off_what_does_not_listen() {
        let tasks = tasks();
        tasks.spawn("deaf", std::future::pending::<Result<(), String>>);
        assert!(!tasks.stop(Duration::from_millis(1)).await);
    }
}
