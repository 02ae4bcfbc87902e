//! Networks that are made for a measurement, and thrown away after it.

use std::{
    io::Write,
    path::Path,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use photinus_node::{
    config,
    measure::{
        self, Shape,
        server::{Flush, Server},
    },
};

use super::target::{Target, refused};
use crate::{
    error::Error,
    network::{
        self, Layout,
        prepare::{self, Plan},
        stack::Stack,
        up,
    },
    output::Output,
};

/// Messages of a batch that a store is filled with.
const BATCH: u64 = 300;
/// Topics that a store is filled with.
const TOPICS: u64 = 1_000;

/// Where members keep their data.
#[derive(Debug)]
pub(crate) enum Database {
    /// A file for each.
    Sqlite,
    /// A database for each, in a server that somebody runs.
    Server(String),
    /// A database for each, in a server that was started for it.
    Own(Server),
}

impl Database {
    /// What the command line means; `postgres` is a server that is started for the measurement.
    pub(crate) fn of(text: Option<&str>) -> Result<Self, Error> {
        match text {
            None => Ok(Self::Sqlite),
            Some("postgres") => Self::own(),
            Some(url) => Ok(Self::Server(url.to_owned())),
        }
    }

    /// A server whose commits reach the disk, from the machine's binaries.
    pub(crate) fn own() -> Result<Self, Error> {
        Server::start(Flush::Disk).map(Self::Own).map_err(|error| refused(&error))
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Server(_) | Self::Own(_) => "PostgreSQL",
        }
    }

    fn url(&self) -> Option<String> {
        match self {
            Self::Sqlite => None,
            Self::Server(url) => Some(url.clone()),
            Self::Own(server) => Some(server.url().to_owned()),
        }
    }

    /// The process of a server whose work counts.
    fn process(&self) -> Option<u32> {
        match self {
            Self::Own(server) => server.process(),
            Self::Sqlite | Self::Server(_) => None,
        }
    }
}

/// What networks are made of.
pub(crate) struct Ground<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) database: &'a Database,
    pub(crate) output: Output,
}

/// A network that runs.
pub(crate) struct Local<'a> {
    ground: &'a Ground<'a>,
    plan: Plan,
    layout: Layout,
    stack: Stack,
    /// How long it took to be up and registered.
    pub(crate) took: Duration,
    /// Messages that the stores were filled with.
    filled: u64,
}

impl<'a> Local<'a> {
    pub(crate) async fn up(ground: &'a Ground<'a>, name: &str, members: u16) -> Result<Self, Error> {
        let plan = Plan {
            dir: ground.folder.join(name),
            members: Some(prepare::numbered(members)),
            chain: None,
            database: ground.database.url(),
        };
        let began = Instant::now();
        let (layout, stack) = up::up(&plan, ground.output).await?;
        Ok(Self { ground, plan, layout, stack, took: began.elapsed(), filled: 0 })
    }

    /// The first member, with another one to send to.
    pub(crate) async fn target(&self) -> Result<Target, Error> {
        let url = |member: usize| self.stack.members.get(member).map(network::stack::Member::url);
        let nodes: Vec<u32> =
            self.stack.members.iter().filter_map(|member| network::pid_of(&self.layout, member)).collect();
        let mut others = network::pids(&self.layout, &self.stack);
        others.retain(|pid| !nodes.contains(pid));
        others.extend(self.ground.database.process());
        let first = url(0).ok_or_else(|| refused(&"a network without members"))?;
        Target::of(&first, url(1).as_deref(), &nodes, &others).await
    }

    /// Addresses of the members.
    pub(crate) fn urls(&self) -> Vec<String> {
        self.stack.members.iter().map(network::stack::Member::url).collect()
    }

    /// Fills the store of every member with messages up to so many.
    pub(crate) async fn fill(&mut self, messages: u64) -> Result<(), Error> {
        if messages <= self.filled {
            return Ok(());
        }
        network::down(&self.layout, &self.stack).await?;
        let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let began = began.saturating_sub(Duration::from_secs(30 * 24 * 3_600)).as_nanos();
        self.ground.output.say(format_args!("{messages} messages for every member"));
        let members = self.stack.members.iter().map(|member| async {
            let loaded = config::load(&self.layout.config(member.index)).map_err(|error| refused(&error))?;
            let shape = Shape {
                namespace: "default".to_owned(),
                messages: messages - self.filled,
                from: self.filled,
                topics: TOPICS,
                batch: BATCH,
                began: i64::try_from(began).unwrap_or_default(),
            };
            measure::fill(&loaded.config, &shape).await.map_err(|error| refused(&error))
        });
        futures::future::try_join_all(members).await?;
        self.filled = messages;
        self.again().await
    }

    /// Lets no batch have more messages than this.
    pub(crate) async fn limit_batches(&mut self, messages: usize) -> Result<(), Error> {
        network::down(&self.layout, &self.stack).await?;
        for member in &self.stack.members {
            let path = self.layout.config(member.index);
            let file = std::fs::OpenOptions::new().append(true).open(&path);
            let text = format!("\nbroadcast:\n  batch:\n    size: {messages}\n");
            file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(Error::file("write", &path))?;
        }
        self.again().await
    }

    /// Starts whatever of it does not run.
    pub(crate) async fn again(&mut self) -> Result<(), Error> {
        (self.layout, self.stack) = up::up(&self.plan, self.ground.output).await?;
        Ok(())
    }

    /// Ends one member.
    pub(crate) async fn lose(&self, member: usize) -> Result<(), Error> {
        let member = self.stack.members.get(member).ok_or_else(|| refused(&"no such member"))?;
        network::lose(&self.layout, member).await
    }

    /// Stops it, and removes its databases from the server.
    pub(crate) async fn end(self) -> Result<(), Error> {
        network::down(&self.layout, &self.stack).await?;
        network::wipe(&self.layout, &self.stack).await
    }
}
