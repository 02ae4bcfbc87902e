//! The network under torture: its processes, wires, disk and database, and how each of them is broken and mended.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::time::sleep;

use super::{
    disk::Disk,
    postgres::Postgres,
    proxy::{Proxy, Wire},
    schedule::{Fault, Kind},
};
use crate::{
    args::Torture,
    error::Error,
    network::{
        self, Layout,
        ports::Choosing,
        prepare::{self, Plan},
        stack::{Member, Stack},
        up,
    },
    output::Output,
};

/// Number of members.
pub(super) const MEMBERS: u16 = 3;
/// Messages that a member takes before it refuses more. Few, so that a flood reaches it at once.
const BACKLOG: usize = 100;
/// How long a process that was started may take to answer.
const START: Duration = Duration::from_secs(60);

/// Everything that runs.
pub(super) struct World {
    pub(super) layout: Layout,
    pub(super) stack: Stack,
    wires: Vec<Proxy>,
    disk: Option<Disk>,
    postgres: Option<Postgres>,
    http: reqwest::Client,
    /// Dropped last: everything lies in it.
    folder: TempDir,
}

impl World {
    /// Makes a network and starts it.
    pub(super) async fn start(args: &Torture, output: Output) -> Result<Self, Error> {
        let folder = tempfile::tempdir().map_err(Error::file("create", Path::new("a temporary folder")))?;
        let postgres = if args.postgres { Some(blocking(Postgres::start).await?) } else { None };
        let plan = Plan {
            dir: folder.path().join("net"),
            members: Some(prepare::numbered(MEMBERS)),
            chain: None,
            database: postgres.as_ref().map(Postgres::url).or_else(|| args.database.clone()),
        };
        let http = reqwest::Client::new();
        let layout = Layout::of(&plan.dir)?;
        let choosing = Choosing::begin().await;
        let stack = network::prepare_for_torture(&layout, &plan, BACKLOG, &http).await?;
        let mut wires = Vec::new();
        for (member, port) in stack.members.iter().zip(stack.photinus.exchange_ports.iter().flatten()) {
            let wire = Proxy::start(member.exposed_dataexchange_port, *port).await;
            wires.push(wire.map_err(Error::file("listen for", Path::new("an exchange")))?);
        }
        // Where the members have a server, what is on their own disks is files alone, which is no different.
        let disk = Disk::mount(&layout.data(usize::from(MEMBERS) - 1))?;
        let world = Self { layout, stack, wires, disk, postgres, http, folder };
        match up::up_on(choosing, &plan, output).await {
            Ok(_) => Ok(world),
            Err(error) => {
                world.end(true, output).await?;
                Err(error)
            }
        }
    }

    /// What can be broken here.
    pub(super) fn kinds(&self) -> Vec<Kind> {
        let mut kinds = Kind::ALWAYS.to_vec();
        if self.disk.is_some() {
            kinds.extend(Kind::DISK);
        }
        if self.postgres.is_some() {
            kinds.push(Kind::RestartDatabase);
        }
        kinds
    }

    /// Breaks something, waits, and mends it.
    pub(super) async fn suffer(&self, fault: &Fault) -> Result<(), Error> {
        match fault {
            Fault::Kill { members, down } => {
                // The ports of what is down must not become those of another network.
                let _choosing = Choosing::begin().await;
                members.iter().for_each(|member| network::kill(&self.layout, &self.stack.members[*member].process()));
                sleep(*down).await;
                for member in members {
                    self.start_member(*member).await?;
                }
            }
            Fault::KillChain { down } => {
                let _choosing = Choosing::begin().await;
                network::kill(&self.layout, network::CHAIN);
                sleep(*down).await;
                self.gone(network::CHAIN).await?;
                network::start_chain(&self.layout, &self.stack, &self.http, START).await?;
            }
            Fault::Pause { member, length } => {
                let process = self.stack.members[*member].process();
                network::pause(&self.layout, &process);
                sleep(*length).await;
                network::resume(&self.layout, &process);
            }
            Fault::Block { member, silent, length } => {
                let Some(wire) = self.wires.get(*member) else { return Ok(()) };
                wire.set(if *silent { Wire::Silent } else { Wire::Refusing });
                sleep(*length).await;
                wire.set(Wire::Whole);
            }
            Fault::FillDisk { member, kill, length } => {
                let Some(disk) = &self.disk else { return Ok(()) };
                disk.fill()?;
                sleep(*length).await;
                let _choosing = if *kill { Some(Choosing::begin().await) } else { None };
                if *kill {
                    network::kill(&self.layout, &self.stack.members[*member].process());
                }
                disk.free()?;
                if *kill {
                    self.start_member(*member).await?;
                }
            }
            Fault::RestartDatabase => {
                if let Some(postgres) = &self.postgres {
                    tokio::task::block_in_place(|| postgres.restart())?;
                }
            }
        }
        Ok(())
    }

    /// Faults that cannot be made here.
    pub(super) fn left_out(&self) -> Vec<String> {
        let mut left_out = Vec::new();
        if self.disk.is_none() {
            left_out.push("disk full: only the superuser may mount a small file system in memory".to_owned());
        }
        if self.stack.photinus.postgres.is_some() && self.postgres.is_none() {
            left_out.push("database restarted: the server of --database is somebody else's".to_owned());
        }
        left_out
    }

    /// Fails when a process ended by itself.
    pub(super) fn all_run(&self) -> Result<(), Error> {
        let members = self.stack.members.iter().map(Member::process);
        match members.chain([network::CHAIN.to_owned()]).find(|process| !network::runs(&self.layout, process)) {
            Some(process) => Err(network::ended(&self.layout, &process)),
            None => Ok(()),
        }
    }

    async fn start_member(&self, member: usize) -> Result<(), Error> {
        self.gone(&self.stack.members[member].process()).await?;
        network::start_member(&self.layout, &self.stack, member, &self.http, START).await
    }

    /// Waits until a process that was killed is gone.
    async fn gone(&self, process: &str) -> Result<(), Error> {
        let deadline = Instant::now() + START;
        while network::runs(&self.layout, process) {
            if Instant::now() > deadline {
                return Err(Error::Late { what: format!("the end of {process}"), seconds: START.as_secs() });
            }
            sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Stops everything. What it leaves behind stays when somebody will want to look at it.
    pub(super) async fn end(self, keep: bool, output: Output) -> Result<(), Error> {
        let Self { layout, stack, wires, disk, postgres, http: _, folder } = self;
        for member in &stack.members {
            // One that is paused does not hear that it should end.
            network::resume(&layout, &member.process());
        }
        let down = network::down(&layout, &stack).await;
        if let Some(disk) = &disk
            && keep
        {
            let beside = folder.path().join("disk of the last member");
            if std::fs::create_dir_all(&beside).is_ok() && !disk.save(&beside) {
                output.say("the disk of the last member could not be saved");
            }
        }
        let database = if stack.photinus.postgres.is_some() && postgres.is_none() {
            network::drop_databases(&stack).await
        } else {
            Ok(())
        };
        drop((wires, disk));
        match postgres {
            Some(postgres) if keep => {
                output.say(format_args!("the database cluster lies in {}", postgres.keep().display()))
            }
            postgres => drop(postgres),
        }
        if keep {
            output.say(format_args!("everything that is left lies in {}", folder.keep().display()));
        }
        down?;
        database
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::Load(error.to_string()))?
}
