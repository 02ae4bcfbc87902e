//! A network that is stopped and removed in the end, whatever happens.

use std::{
    path::PathBuf,
    process::{Command, Output, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde_json::Value;

/// Held while a network chooses its ports, and all along by who stops a network to start it again: its ports are free meanwhile,
/// and another network would take them.
static PORTS: Mutex<()> = Mutex::new(());

pub(crate) fn ports() -> MutexGuard<'static, ()> {
    PORTS.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) struct Members {
    folder: tempfile::TempDir,
    options: Vec<String>,
    pub(crate) urls: Vec<String>,
}

impl Members {
    /// A network of so many members, with more options of `network up`.
    pub(crate) fn up(count: usize, options: &[&str]) -> Self {
        let mut options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        options.extend(["--members".to_owned(), count.to_string()]);
        let mut members = Self { folder: tempfile::tempdir().unwrap(), options, urls: Vec::new() };
        let _ports = ports();
        members.start();
        members
    }

    /// Starts whatever does not run.
    pub(crate) fn start(&mut self) {
        let url = |member: &Value| member["url"].as_str().unwrap().to_owned();
        self.urls = self.start_again()["members"].as_array().unwrap().iter().map(url).collect();
    }

    /// Starts whatever does not run any more; the status.
    pub(crate) fn start_again(&self) -> Value {
        self.run("up", &self.options.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Where the chain is.
    pub(crate) fn chain(&self) -> String {
        self.run("status", &[])["chain"]["url"].as_str().unwrap().to_owned()
    }

    /// Kills a member as a power cut would.
    pub(crate) fn kill(&self, member: usize) {
        let status = self.run("status", &[]);
        let pid = i32::try_from(status["members"][member]["pid"].as_u64().unwrap()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        // Until it is gone it has its ports still, and is not started again.
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.told("status", &[]).1["members"][member]["state"] != "stopped" {
            assert!(Instant::now() < deadline, "{}", self.logs());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The last lines that each process logged.
    pub(crate) fn logs(&self) -> String {
        let mut all = String::new();
        for file in std::fs::read_dir(self.dir().join("runtime/logs")).unwrap().flatten() {
            let text = std::fs::read_to_string(file.path()).unwrap_or_default();
            let lines: Vec<_> = text.lines().rev().take(15).collect();
            all += &format!("{}:\n", file.file_name().to_string_lossy());
            all.extend(lines.into_iter().rev().map(|line| format!("  {line}\n")));
        }
        all
    }

    /// The network's folder.
    pub(crate) fn dir(&self) -> PathBuf {
        self.folder.path().join("net")
    }

    fn run(&self, command: &str, more: &[&str]) -> Value {
        let (output, value) = self.told(command, more);
        assert!(output.status.success(), "network {command}: {}", String::from_utf8_lossy(&output.stderr));
        value
    }

    fn told(&self, command: &str, more: &[&str]) -> (Output, Value) {
        let dir = self.dir();
        let output = Command::new(env!("CARGO_BIN_EXE_photinus"))
            .args(["-o", "json", "network", command, "--dir", dir.to_str().unwrap()])
            .args(more)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (output, value)
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        // Whatever state it is in: what still runs must not outlive the test.
        let dir = self.dir();
        let _ = Command::new(env!("CARGO_BIN_EXE_photinus"))
            .args(["network", "down", "--dir", dir.to_str().unwrap()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}
