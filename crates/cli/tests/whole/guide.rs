//! The commands of the guide, run as a reader would run them.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

/// What the guide is followed with, stopped in the end.
struct Reader {
    folder: tempfile::TempDir,
    /// The addresses that the guide names, and those that the members have here.
    addresses: Vec<(String, String)>,
}

impl Reader {
    fn run(&self, command: &str) -> Output {
        let command = self.addresses.iter().fold(command.to_owned(), |text, (named, here)| text.replace(named, here));
        let binary = PathBuf::from(env!("CARGO_BIN_EXE_photinus"));
        let path = format!("{}:{}", binary.parent().unwrap().display(), std::env::var("PATH").unwrap());
        let mut bash = Command::new("bash");
        bash.args(["-euo", "pipefail", "-c", &command]).current_dir(self.folder.path()).env("PATH", path);
        bash.stdin(Stdio::null()).output().unwrap()
    }

    /// Learns where the members are.
    fn look(&mut self) {
        let status = self.run("photinus -o json network status --dir net");
        let status: Value = serde_json::from_slice(&status.stdout).unwrap();
        let members = status["members"].as_array().unwrap().iter().enumerate();
        let address = |(index, member): (usize, &Value)| {
            (format!("http://127.0.0.1:{}", 5000 + index), member["url"].as_str().unwrap().to_owned())
        };
        self.addresses = members.map(address).collect();
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.run("photinus network down --dir net");
    }
}

/// The commands of a page, one text for each block.
fn commands(page: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(page);
    let text = std::fs::read_to_string(path).unwrap();
    let blocks = text.split("```sh\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn the_guide_can_be_followed() {
    let mut reader = Reader { folder: tempfile::tempdir().unwrap(), addresses: Vec::new() };
    let commands = commands("guide.md");
    assert!(commands.len() > 8, "the guide has lost its commands");
    for command in commands {
        let output = reader.run(&command);
        let told = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{command}\n{}\n{}", told(&output.stdout), told(&output.stderr));
        if command.contains("network up") {
            reader.look();
        }
    }
}
