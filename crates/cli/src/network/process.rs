//! Processes of a network: started in the background with a log, found again by their id, ended in two steps.
//!
//! A pid file holds the id and the time at which the system says the process was started, so that a stranger who got the
//! same id later is never taken for ours.

use std::{
    fs::{File, OpenOptions},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use super::{layout::Layout, stack::write_private};
use crate::error::Error;

/// How long a process may take to end before it is killed.
const STOP: Duration = Duration::from_secs(15);
/// Bytes of a log that an error shows at most.
const TAIL: usize = 2_000;

/// A process of ours, as its pid file tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Running {
    pub(crate) pid: u32,
    /// What [`started`] told.
    started: String,
}

/// Starts this program in the background. Its output is appended to its log.
pub(crate) fn spawn(layout: &Layout, name: &str, arguments: &[&str]) -> Result<Child, Error> {
    let program = std::env::current_exe().map_err(Error::file("find", Path::new("photinus")))?;
    let path = layout.log(name);
    let open = || -> std::io::Result<(File, File)> {
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        let log = OpenOptions::new().create(true).append(true).open(&path)?;
        Ok((log.try_clone()?, log))
    };
    let (stdout, stderr) = open().map_err(Error::file("write", &path))?;
    let mut command = Command::new(&program);
    // Overrides would be the same for every member; a local network is what its files say.
    for (variable, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("FIREFLY_")) {
        command.env_remove(variable);
    }
    let child = command
        .args(arguments)
        .current_dir(layout.dir())
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(stderr)
        .process_group(0) // Ctrl-C in the terminal is for the command that started it
        .spawn()
        .map_err(Error::file("run", &program))?;
    let running = Running { pid: child.id(), started: started(child.id()).unwrap_or_default() };
    let text = serde_json::to_vec(&running).unwrap_or_default();
    write_private(&layout.pid(name), &text)?;
    Ok(child)
}

/// The process of that name, if it runs.
pub(crate) fn find(layout: &Layout, name: &str) -> Option<Running> {
    let running: Running = serde_json::from_slice(&std::fs::read(layout.pid(name)).ok()?).ok()?;
    (started(running.pid)? == running.started).then_some(running)
}

/// Ends the processes of these names: all are asked, those that do not listen are killed. Returns how many ran.
pub(crate) async fn stop(layout: &Layout, names: &[String]) -> Result<usize, Error> {
    let running: Vec<(&String, Running)> = names.iter().filter_map(|name| Some((name, find(layout, name)?))).collect();
    for (_, process) in &running {
        signal(process.pid, Signal::TERM);
    }
    let asked = Instant::now();
    let mut killed = None;
    for (name, process) in &running {
        while find(layout, name).is_some_and(|now| now == *process) {
            if asked.elapsed() > STOP && killed.is_none() {
                for (name, process) in &running {
                    if find(layout, name).as_ref() == Some(process) {
                        signal(process.pid, Signal::KILL);
                    }
                }
                killed = Some(Instant::now());
            }
            if killed.is_some_and(|at| at.elapsed() > STOP) {
                return Err(Error::Stuck { name: (*name).clone(), pid: process.pid });
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    for name in names {
        let path = layout.pid(name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::file("remove", &path)(error));
            }
            _ => {}
        }
    }
    Ok(running.len())
}

/// What a process ended with, as an error that shows the end of its log.
pub(crate) fn failed(layout: &Layout, name: &str, what: impl Into<String>) -> Error {
    let path = layout.log(name);
    let text = std::fs::read(&path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let from = text.len().saturating_sub(TAIL);
    let from = (from..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    Error::Process { name: name.into(), what: what.into(), log: text[from..].trim_end().to_owned(), path }
}

/// Sends a signal to the process of that name, if it runs.
pub(super) fn send(layout: &Layout, name: &str, what: Signal) {
    if let Some(process) = find(layout, name) {
        signal(process.pid, what);
    }
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It may be gone by now, which is what is wanted.
        let _ = kill_process(pid, signal);
    }
}

/// When the system started a process, in a form of its own; `None` when there is no such process or it has ended and only
/// waits to be collected.
#[cfg(target_os = "linux")]
fn started(pid: u32) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is a name in parentheses that may hold anything; the state follows, the start time 19 fields later.
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    (state != "Z" && state != "X").then(|| fields.nth(18).map(str::to_owned))?
}

#[cfg(not(target_os = "linux"))]
fn started(pid: u32) -> Option<String> {
    let output = Command::new("ps").args(["-o", "stat=,lstart=", "-p", &pid.to_string()]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (state, time) = text.trim().split_once(' ')?;
    (!state.starts_with('Z')).then(|| time.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> (tempfile::TempDir, Layout) {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::of(folder.path()).unwrap();
        (folder, layout)
    }

    fn pretend(layout: &Layout, name: &str, running: &Running) {
        write_private(&layout.pid(name), &serde_json::to_vec(running).unwrap()).unwrap();
    }

    #[tokio::test]
    async fn ends_what_it_finds_and_only_that() {
        let (_folder, layout) = layout();
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let ours = Running { pid: child.id(), started: started(child.id()).unwrap() };
        pretend(&layout, "ours", &ours);
        pretend(&layout, "stranger", &Running { started: "long ago".into(), ..ours.clone() });
        assert_eq!(find(&layout, "ours"), Some(ours));
        assert_eq!(find(&layout, "stranger"), None);
        assert_eq!(find(&layout, "nobody"), None);
        assert_eq!(stop(&layout, &["stranger".into(), "nobody".into()]).await.unwrap(), 0);
        assert!(child.try_wait().unwrap().is_none(), "a stranger was ended");
        assert_eq!(stop(&layout, &["ours".into()]).await.unwrap(), 1);
        assert!(!child.wait().unwrap().success());
        assert!(!layout.pid("ours").exists());
    }

    #[test]
    fn an_error_shows_the_end_of_the_log() {
        let (_folder, layout) = layout();
        std::fs::create_dir_all(layout.log("x").parent().unwrap()).unwrap();
        std::fs::write(layout.log("x"), format!("{}é the end\n", "é".repeat(TAIL))).unwrap();
        let error = failed(&layout, "x", "ended").to_string();
        assert!(error.ends_with("é the end") && error.len() < TAIL + 100, "{error}");
    }
}
