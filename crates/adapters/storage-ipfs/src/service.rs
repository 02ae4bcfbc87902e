//! The storage as a node runs it, and as the rest of the node uses it.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::{BoxFuture, select_ok};
use parking_lot::Mutex;
use photinus_ports::{
    content::PROTOCOL,
    health::Health,
    peers::Peers,
    storage::{Error, SharedStorage},
    stream::{self, ByteStream, CollectError},
};
use photinus_remote::Remote;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::{
    Options,
    answers::Answers,
    content::{checked, limited},
    kubo::{self, Found, Kubo, Where},
    members,
    reference::Path,
};

/// Contents up to this size are checked as a whole before the first byte is handed out.
const WHOLE: u64 = 1 << 20;

struct Inner {
    options: Options,
    kubo: Kubo,
    peers: Option<Arc<dyn Peers>>,
    trouble: Mutex<Option<String>>,
}

/// A storage that answers its peers from the moment it is made.
pub struct Service(Arc<Inner>);

/// How the rest of the node publishes and reads. Cheap to clone.
#[derive(Clone)]
pub struct Handle(Arc<Inner>);

impl Service {
    /// Gets ready. `peers` are the members whose nodes can be asked for contents, and ask for some, if there are connections to
    /// them.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub fn new(options: Options, peers: Option<Arc<dyn Peers>>) -> Result<Self, photinus_remote::Error> {
        let kubo = Kubo { api: Remote::new(&options.api)?, gateway: Remote::new(&options.gateway)? };
        if let Some(peers) = &peers {
            peers.serve(PROTOCOL, Arc::new(Answers(kubo.clone())));
        }
        Ok(Self(Arc::new(Inner { options, kubo, peers, trouble: Mutex::default() })))
    }

    /// For the rest of the node.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle(Arc::clone(&self.0))
    }

    /// Looks after the Kubo node until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let looking = async {
            loop {
                let alive = self.0.kubo.alive().await;
                self.0.note(alive);
                tokio::time::sleep(self.0.options.heartbeat).await;
            }
        };
        tokio::select! {
            () = looking => {}
            () = shutdown.cancelled() => {}
        }
    }
}

impl Inner {
    /// Takes note of how the Kubo node does.
    fn note(&self, state: Result<(), String>) {
        let mut trouble = self.trouble.lock();
        if let Err(reason) = &state
            && trouble.is_none()
        {
            tracing::warn!(api = %self.kubo.api.url(), reason, "the IPFS node does not work");
        }
        *trouble = state.err();
    }

    fn failed(&self, error: kubo::Error) -> Error {
        let reason = error.to_string();
        if let kubo::Error::Node(reason) = error {
            self.note(Err(reason));
        }
        Error::Failed(format!("IPFS: {reason}"))
    }

    async fn add(&self, content: ByteStream) -> Result<String, Error> {
        let limit = self.options.max_content;
        let added = self.kubo.add(limited(content, limit), true).await;
        let reference = added.map_err(|error| self.failed(error))?;
        self.note(Ok(()));
        Ok(reference.into())
    }

    async fn open(&self, path: &Path, place: Where) -> Result<Option<Found>, Error> {
        let found = self.kubo.open(path, place).await.map_err(|error| self.failed(error))?;
        self.note(Ok(()));
        Ok(found)
    }

    /// Looks in IPFS and at other members at once. Whoever is asked has to answer in time; the bytes may take longer.
    async fn search(&self, path: &Path, limit: u64) -> Result<Found, Error> {
        let missing = || Error::Unavailable(path.as_str().to_owned());
        let elsewhere: BoxFuture<'_, Result<Found, Error>> = Box::pin(async {
            let opened = timeout(self.options.wait, self.open(path, Where::Everywhere)).await;
            opened.map_err(|_| missing())??.ok_or_else(missing)
        });
        let members: BoxFuture<'_, Result<Found, Error>> = Box::pin(async {
            let (Path::Known(reference), Some(peers)) = (path, &self.peers) else { return Err(missing()) };
            if let Err(reason) = members::fetch(&self.kubo, &**peers, reference, limit, self.options.wait).await {
                tracing::debug!(%reference, reason, "no member delivers a content");
                return Err(missing());
            }
            self.open(path, Where::Here).await?.ok_or_else(missing)
        });
        select_ok([elsewhere, members]).await.map(|(found, _)| found)
    }
}

#[async_trait]
impl SharedStorage for Handle {
    fn plugin_type(&self) -> &str {
        "ipfs"
    }

    async fn upload(&self, content: Bytes) -> Result<String, Error> {
        let limit = self.0.options.max_content;
        if content.len() as u64 > limit {
            return Err(Error::TooLarge(limit));
        }
        self.0.add(stream::once(content)).await
    }

    async fn upload_stream(&self, content: ByteStream) -> Result<String, Error> {
        self.0.add(content).await
    }

    async fn download(&self, reference: &str, limit: u64) -> Result<ByteStream, Error> {
        let path = Path::parse(reference).ok_or_else(|| Error::InvalidReference(reference.to_owned()))?;
        let found = match self.0.open(&path, Where::Here).await? {
            Some(found) => found,
            None => self.0.search(&path, limit).await?,
        };
        if found.size.is_some_and(|size| size > limit) {
            return Err(Error::TooLarge(limit));
        }
        let content = match path {
            Path::Known(reference) => checked(found.content, reference, limit),
            Path::Other(_) => limited(found.content, limit),
        };
        if found.size.is_none_or(|size| size > WHOLE) {
            return Ok(content);
        }
        match stream::collect(content, usize::try_from(WHOLE).unwrap_or(usize::MAX)).await {
            Ok(whole) => Ok(stream::once(whole)),
            Err(CollectError::TooLarge(_)) => Err(Error::TooLarge(limit)),
            Err(CollectError::Io(error)) => Err(Error::Failed(format!("IPFS: {error}"))),
        }
    }

    fn health(&self) -> Health {
        self.0.trouble.lock().clone().map_or(Health::Up, |reason| Health::Down(format!("the IPFS node: {reason}")))
    }
}
