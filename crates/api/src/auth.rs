//! Who may use a listener, or a namespace: names and passwords from a file in the form of `htpasswd -B`.
//!
//! Checking a password is slow by design, so few are checked at the same time, and those that were right are remembered by a
//! digest that says nothing without the process's own random key.

use std::{
    collections::{HashMap, HashSet, hash_map::RandomState},
    hash::BuildHasher,
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::{
    Router,
    extract::Request,
    middleware::{self, Next},
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, Method, StatusCode, header};
use parking_lot::RwLock;
use tokio::sync::Semaphore;

use crate::failure::Failure;

/// Passwords that are remembered.
const REMEMBERED: usize = 10_000;
/// Passwords that are checked at the same time.
const AT_ONCE: usize = 2;

/// Why a password file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line is not a name and a bcrypt hash.
    #[error("{}, line {line}: expected 'name:' and a bcrypt hash, as 'htpasswd -B' writes it", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Its number, from 1.
        line: usize,
    },
}

/// Names and passwords, of a listener or of a namespace.
pub struct Passwords {
    hashes: HashMap<String, String>,
    known: RwLock<HashSet<[u64; 2]>>,
    keys: [RandomState; 2],
    room: Semaphore,
}

impl Passwords {
    /// Reads a password file.
    ///
    /// # Errors
    /// When it cannot be read, or a line is no name with a bcrypt hash.
    pub async fn read(path: &Path) -> Result<Self, Error> {
        let text = tokio::fs::read_to_string(path).await;
        let text = text.map_err(|source| Error::File { path: path.to_owned(), source })?;
        let mut hashes = HashMap::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let entry = line.split_once(':').filter(|(name, hash)| {
                !name.is_empty()
                    && ["$2a$", "$2b$", "$2y$"].iter().any(|kind| hash.starts_with(kind))
                    && hash.len() == 60
            });
            let (name, hash) = entry.ok_or(Error::Line { path: path.to_owned(), line: number + 1 })?;
            hashes.insert(name.to_owned(), hash.to_owned());
        }
        let keys = [RandomState::new(), RandomState::new()];
        Ok(Self { hashes, known: RwLock::default(), keys, room: Semaphore::new(AT_ONCE) })
    }

    /// Lets only those through whose name and password are right.
    pub(crate) fn guard(self: &Arc<Self>, router: Router) -> Router {
        let owner = Arc::clone(self);
        router.layer(middleware::from_fn(move |request: Request, next: Next| {
            let passwords = Arc::clone(&owner);
            async move {
                if is_preflight(request.method(), request.headers()) || passwords.admits(request.headers()).await {
                    return next.run(request).await;
                }
                unauthorized()
            }
        }))
    }

    /// Whether a request has a right name and password.
    pub(crate) async fn admits(&self, headers: &HeaderMap) -> bool {
        let Some((name, password)) = credentials(headers) else { return false };
        let digest = [0, 1].map(|index| self.keys[index].hash_one((&name, &password)));
        if self.known.read().contains(&digest) {
            return true;
        }
        // For a name that is not there some password is checked all the same, so that the time of the answer does not tell.
        let Some(hash) = self.hashes.get(&name).or_else(|| self.hashes.values().next()).cloned() else { return false };
        let Ok(_room) = self.room.acquire().await else { return false };
        let checked = tokio::task::spawn_blocking(move || bcrypt::verify(password, &hash).unwrap_or(false)).await;
        let right = checked.unwrap_or(false) && self.hashes.contains_key(&name);
        if right {
            let mut known = self.known.write();
            if known.len() >= REMEMBERED {
                known.clear();
            }
            known.insert(digest);
        }
        right
    }
}

/// FireFly answers 403, without asking for credentials.
fn unauthorized() -> Response {
    Failure::new(StatusCode::FORBIDDEN, "FF00169", "Unauthorized").into_response()
}

/// A browser asks before it sends, and sends no credentials with the question.
fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The name that a request gives with its password.
pub(crate) fn user(headers: &HeaderMap) -> Option<String> {
    credentials(headers).map(|(name, _)| name)
}

/// Name and password of an `Authorization` header.
fn credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

impl std::fmt::Debug for Passwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passwords").field("names", &self.hashes.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())])
    }

    async fn basic(text: &str) -> Result<Passwords, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passwords");
        std::fs::write(&path, text).unwrap();
        Passwords::read(&path).await
    }

    fn given(name: &str, password: &str) -> HeaderMap {
        headers(&format!("Basic {}", STANDARD.encode(format!("{name}:{password}"))))
    }

    #[tokio::test]
    async fn only_right_passwords_are_admitted() {
        let hash = bcrypt::hash("secret:with colon", 4).unwrap();
        let basic = basic(&format!("# people\n\nalice:{hash}\n")).await.unwrap();
        for _ in 0..2 {
            assert!(basic.admits(&given("alice", "secret:with colon")).await);
        }
        for wrong in [
            given("alice", "secret"),
            given("bob", "secret"),
            headers("Basic ???"),
            headers("Bearer x"),
            HeaderMap::new(),
        ] {
            assert!(!basic.admits(&wrong).await);
        }
    }

    #[tokio::test]
    async fn a_line_that_is_no_entry_is_named() {
        let error = basic("alice:{SHA}x\n").await.err().unwrap().to_string();
        assert!(error.contains("line 1"), "{error}");
    }
}
