//! A network that is stopped and removed in the end, whatever happens.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
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
        let status = self.run("up", &self.options.iter().map(String::as_str).collect::<Vec<_>>());
        let url = |member: &Value| member["url"].as_str().unwrap().to_owned();
        self.urls = status["members"].as_array().unwrap().iter().map(url).collect();
    }

    /// Kills a member as a power cut would.
    pub(crate) fn kill(&self, member: usize) {
        let status = self.run("status", &[]);
        let pid = i32::try_from(status["members"][member]["pid"].as_u64().unwrap()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
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

    fn dir(&self) -> PathBuf {
        self.folder.path().join("net")
    }

    fn run(&self, command: &str, more: &[&str]) -> Value {
        let dir = self.dir();
        let output = Command::new(env!("CARGO_BIN_EXE_photinus"))
            .args(["-o", "json", "network", command, "--dir", dir.to_str().unwrap()])
            .args(more)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success(), "network {command}: {}", String::from_utf8_lossy(&output.stderr));
        if output.stdout.is_empty() { Value::Null } else { serde_json::from_slice(&output.stdout).unwrap() }
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
