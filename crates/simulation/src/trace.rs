//! What happened, line by line, and a digest of it by which two runs are compared.

use parking_lot::Mutex;
use photinus_model::Hash;

/// The lines of a run.
#[derive(Debug)]
pub(crate) struct Trace {
    inner: Mutex<Inner>,
    keep: bool,
}

#[derive(Debug)]
struct Inner {
    digest: Hash,
    lines: Vec<String>,
    count: u64,
}

impl Trace {
    /// An empty one; it keeps its lines only if asked.
    #[must_use]
    pub(crate) fn new(keep: bool) -> Self {
        Self { inner: Mutex::new(Inner { digest: Hash::of("trace"), lines: Vec::new(), count: 0 }), keep }
    }

    /// Adds a line.
    pub(crate) fn add(&self, line: String) {
        let mut inner = self.inner.lock();
        let before = inner.digest;
        inner.digest = Hash::concat(&[before.as_bytes(), line.as_bytes()]);
        inner.count += 1;
        if self.keep {
            inner.lines.push(line);
        }
    }

    /// Digest of all lines so far, and their number.
    #[must_use]
    pub(crate) fn digest(&self) -> (Hash, u64) {
        let inner = self.inner.lock();
        (inner.digest, inner.count)
    }

    /// The lines that were kept.
    #[must_use]
    pub(crate) fn lines(&self) -> Vec<String> {
        self.inner.lock().lines.clone()
    }
}
