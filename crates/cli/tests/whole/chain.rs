//! An anvil process that ends with its value.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

pub(crate) struct Anvil {
    child: Child,
    pub(crate) url: String,
}

/// What tests take from npm.
pub(crate) fn packages() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/npm")
}

impl Anvil {
    pub(crate) fn start() -> Self {
        let mut child = Command::new(binary())
            .args(["--port", "0", "--host", "127.0.0.1"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("Listening on ").map(str::to_owned))
            .expect("anvil says where it listens");
        // Its output is read on, or it would block when the pipe is full.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url: format!("http://{address}") }
    }
}

fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("PHOTINUS_ANVIL") {
        return path.into();
    }
    let scope = packages().join("node_modules/@foundry-rs");
    let mut found =
        std::fs::read_dir(&scope).into_iter().flatten().flatten().map(|entry| entry.path().join("bin/anvil"));
    found
        .find(|path| path.is_file() && !path.starts_with(scope.join("anvil")))
        .expect("anvil is missing: run `npm ci` in tests/npm, or set PHOTINUS_ANVIL to the path of an anvil binary")
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
