//! The commands of the guide, run as a reader would run them.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use photinus_store::testing::{Flush, Server};
use serde_json::Value;

use crate::members::ports;

/// What the guide is followed with, stopped in the end.
struct Reader {
    folder: tempfile::TempDir,
    /// The addresses that the guide names, and those that the members have here.
    addresses: Vec<(String, String)>,
    /// The server that a page may keep data in.
    database: String,
}

impl Reader {
    fn run(&self, command: &str) -> Output {
        let command = self.addressed(command);
        let binary = PathBuf::from(env!("CARGO_BIN_EXE_photinus"));
        let path = format!("{}:{POSTGRES}:{}", binary.parent().unwrap().display(), std::env::var("PATH").unwrap());
        let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/npm/node_modules");
        let mut bash = Command::new("bash");
        bash.args(["-euo", "pipefail", "-c", &command]).current_dir(self.folder.path()).env("PATH", path);
        bash.env("NODE_PATH", packages).env("DATABASE", &self.database);
        bash.stdin(Stdio::null()).output().unwrap()
    }

    /// A command with the addresses that the members have here. One member may have the address that the guide gives to another.
    fn addressed(&self, command: &str) -> String {
        let place = |index: usize| format!("<member {index}>");
        let named = self.addresses.iter().enumerate();
        let text = named.fold(command.to_owned(), |text, (index, (named, _))| text.replace(named, &place(index)));
        let here = self.addresses.iter().enumerate();
        here.fold(text, |text, (index, (_, here))| text.replace(&place(index), here))
    }

    /// What the network says of itself, for whoever has to find out why a command failed.
    fn state(&self) -> String {
        let command = r#"set +eu; photinus network status --dir net
            for node in http://127.0.0.1:5000 http://127.0.0.1:5001; do
                for path in status/topics status/multiparty 'messages?limit=3' 'operations?limit=5'; do
                    curl -sS -m 10 "$node/api/v1/$path"; echo
                done
                [ ! -f stuck ] || photinus why "$(cat stuck)" --url $node
            done
            tail -n 40 net/runtime/logs/*"#;
        let output = self.run(command);
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat()
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

/// Where the tools of PostgreSQL are, if they are not where all tools are.
const POSTGRES: &str = "/usr/lib/postgresql/15/bin:/usr/lib/postgresql/16/bin:/usr/lib/postgresql/17/bin";

/// A program of the page, as a command that runs it.
fn program(text: &str) -> String {
    format!("cat >program.js <<'END OF THE PROGRAM'\n{text}END OF THE PROGRAM\ntimeout 60 node program.js")
}

/// The commands of a page, one text for each block.
fn commands(page: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(page);
    let text = std::fs::read_to_string(path).unwrap();
    let blocks = text.split("```").skip(1).step_by(2);
    let runs =
        |block: &str| block.strip_prefix("sh\n").map(str::to_owned).or_else(|| block.strip_prefix("js\n").map(program));
    blocks.filter_map(runs).collect()
}

fn follow(page: &str, database: String, least: usize) {
    let mut reader = Reader { folder: tempfile::tempdir().unwrap(), addresses: Vec::new(), database };
    let commands = commands(page);
    assert!(commands.len() >= least, "{page} has lost its commands");
    let restarts = commands.iter().filter(|command| command.contains("network up")).count() > 1;
    let _all_along = restarts.then(ports);
    for command in commands {
        let _ports = (!restarts && command.contains("network up")).then(ports);
        let output = reader.run(&command);
        let told = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if !output.status.success() {
            let (out, err) = (told(&output.stdout), told(&output.stderr));
            panic!("{command}\n{out}\n{err}\n{}", reader.state());
        }
        if command.contains("network up") {
            reader.look();
        }
    }
}

#[test]
fn the_guide_can_be_followed() {
    follow("guide.md", String::new(), 14);
}

#[test]
fn a_node_can_be_operated_as_the_page_says() {
    let server = Server::start(Flush::System).unwrap();
    follow("operating.md", server.url().to_owned(), 11);
}
