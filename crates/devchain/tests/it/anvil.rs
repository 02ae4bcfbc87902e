//! Running anvil, the other chain that the suite is checked against.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// An anvil of its own; it ends with this value.
pub(crate) struct Anvil {
    child: Child,
    pub(crate) address: String,
}

/// Where the packages that tests take from npm are.
pub(crate) fn packages() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/npm")
}

fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("PHOTINUS_ANVIL") {
        return path.into();
    }
    let system = match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    };
    let machine = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let path = packages().join(format!("node_modules/@foundry-rs/anvil-{system}-{machine}/bin/anvil"));
    assert!(
        path.exists(),
        "anvil is missing at {}: run `npm ci` in tests/npm, or set PHOTINUS_ANVIL to its path",
        path.display()
    );
    path
}

impl Anvil {
    pub(crate) fn start() -> Self {
        let mut child = Command::new(binary())
            .args(["--host", "127.0.0.1", "--port", "0", "--gas-price", "0", "--block-base-fee-per-gas", "0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines
            .find_map(|line| line.unwrap().strip_prefix("Listening on ").map(str::to_owned))
            .expect("anvil says where it listens");
        // It goes on to say things, and would stop at a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
