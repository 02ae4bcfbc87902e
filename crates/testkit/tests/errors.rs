//! `docs/errors.md` is made of the source: every code with the sentences that say it, and the status that goes with it.
//! `PHOTINUS_BLESS=1` writes it anew.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::LazyLock,
};

use regex::Regex;

const HEAD: &str = "# Errors\n\n\
    Made from the source by a test; do not edit. An answer with an error is `{\"error\":\"CODE: sentence\"}`. The codes are those\n\
    of FireFly and stay; sentences may change, so programs look at the code and the status. Words in braces stand for what the\n\
    request had there.\n";

/// Where a code is met.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Answers,
    Rejections,
    Sockets,
}

impl Place {
    fn of(path: &str) -> Self {
        match path {
            path if path.contains("sequencing/src/decision.rs") => Self::Rejections,
            path if path.contains("api/src/ws/") => Self::Sockets,
            _ => Self::Answers,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Answers => "## Answers to requests",
            Self::Rejections => "## Why members reject a message (`rejectReason`)",
            Self::Sockets => "## On a WebSocket (`protocol_error`)",
        }
    }
}

fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = Vec::new();
    for part in ["api", "engine", "model", "ports", "query", "sequencing"] {
        walk(&crates.join(part).join("src"), &mut found);
    }
    found.sort();
    let text = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        // What tests say is no answer.
        let text = text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned();
        (path.strip_prefix(crates).unwrap().to_string_lossy().into_owned(), text)
    };
    let found = found.into_iter().filter(|path| !path.ends_with("protocol_tests.rs")).map(text);
    found.filter(|(_, text)| text.contains("FF") && text.contains(['"', '`']) || text.contains("#[error(")).collect()
}

/// A sentence as the source has it, on one line.
fn plain(text: &str) -> String {
    static BROKEN: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\\\n\s*").unwrap());
    static BRACES: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\{(\w*)[^}]*\}").unwrap());
    let text = BROKEN.replace_all(text, "").replace("\\\"", "\"");
    let text = BRACES.replace_all(&text, "{$1}").replace("{0}", "{}");
    text.replace('|', "\\|")
}

/// Status by the name of the engine's `Kind`.
fn status(kind: &str) -> &'static str {
    match kind {
        "BadInput" => "400",
        "NotAllowed" => "403",
        "NotFound" => "404",
        "TimedOut" => "408",
        "Conflict" => "409",
        "Overloaded" => "429",
        "Internal" => "500",
        "Unavailable" => "503",
        other => panic!("no status for {other}"),
    }
}

type Found = BTreeMap<(Place, String), BTreeSet<(String, &'static str)>>;

/// Codes that are given where an error is made.
fn direct(path: &str, text: &str, found: &mut Found) {
    if !text.contains("\"FF") {
        return;
    }
    let place = Place::of(path);
    let mut add = |code: &str, sentence: &str, status| {
        found.entry((place, code.to_owned())).or_default().insert((plain(sentence), status));
    };
    for tagged in Regex::new(r#"(?s)"(FF\d{5}): ((?:[^"\\]|\\.)*)""#).unwrap().captures_iter(text) {
        add(&tagged[1], &tagged[2], if place == Place::Answers { "500" } else { "" });
    }
    let made = r#"(?s)(bad\(|Self::new\(\s*StatusCode::(\w+),|Failure::new\(\s*StatusCode::(\w+),)\s*"(FF\d{5})",\s*(?:&?format_args!\()?\s*(?:"((?:[^"\\]|\\.)*)"|(\w+))"#;
    for made in Regex::new(made).unwrap().captures_iter(text) {
        let named = made.get(2).or(made.get(3)).map_or("BAD_REQUEST", |name| name.as_str());
        let status = match named {
            "BAD_REQUEST" => "400",
            "FORBIDDEN" => "403",
            "NOT_FOUND" => "404",
            "REQUEST_TIMEOUT" => "408",
            "PRECONDITION_FAILED" => "412",
            "PAYLOAD_TOO_LARGE" => "413",
            "UNSUPPORTED_MEDIA_TYPE" => "415",
            "TOO_MANY_REQUESTS" => "429",
            "SERVICE_UNAVAILABLE" => "503",
            _ => "500",
        };
        let sentence = match (made.get(5), made.get(6)) {
            (Some(sentence), _) => sentence.as_str().to_owned(),
            // Named before: `let sentence = format_args!("…")`.
            (None, Some(name)) => {
                let before = &text[..made.get(0).unwrap().start()];
                let set = format!(r#"(?s)let {} =\s*(?:format_args!\()?\s*"((?:[^"\\]|\\.)*)""#, name.as_str());
                let set = Regex::new(&set).unwrap();
                set.captures_iter(before).last().map_or_else(|| "…".to_owned(), |set| set[1].to_owned())
            }
            (None, None) => unreachable!(),
        };
        add(&made[4], &sentence, status);
    }
}

/// Codes that an enumeration of errors gives its variants.
fn mapped(path: &str, text: &str, ports: &BTreeMap<String, String>, found: &mut Found) {
    if !text.contains("=> \"FF") {
        return;
    }
    let variants = variants(text);
    let kinds = kinds(text);
    let arm = Regex::new(r#"(?s)((?:\w+(?:::\w+)+(?:\s*\([^)=]*\)|\s*\{[^}]*\})?\s*\|?\s*)+)(?:if [^=]*==[^=]*)?=>\s*(?:\{\s*)?"(FF\d{5})""#).unwrap();
    let name = Regex::new(r"(?:Self|Error)::(\w+)").unwrap();
    for arm in arm.captures_iter(text) {
        for name in name.captures_iter(&arm[1]) {
            let variant = &name[1];
            let Some(sentence) = variants.get(variant).or_else(|| ports.get(variant)) else { continue };
            let kind = kinds.get(variant).or_else(|| kinds.get("_"));
            let status = kind.map_or("400", |kind| status(kind));
            let entry = found.entry((Place::of(path), arm[2].to_owned())).or_default();
            entry.insert((plain(sentence), status));
        }
    }
}

/// Codes of errors that pass another error's sentence on: what their documentation says.
fn described(sources: &[(String, String)], found: &mut Found) {
    let note = Regex::new(r"(?s)/// `(FF\d{5})`[^:\n]*: ([^\n]+)\n\s*#\[error\(transparent\)\]\s*(\w+)").unwrap();
    for (path, text) in sources {
        let kinds = kinds(text);
        for note in note.captures_iter(text) {
            let kind = kinds.get(&note[3]).or_else(|| kinds.get("_"));
            let entry = found.entry((Place::of(path), note[1].to_owned())).or_default();
            entry.insert((format!("({})", note[2].trim_end_matches('.')), kind.map_or("400", |kind| status(kind))));
        }
    }
}

/// The sentence of each variant.
fn variants(text: &str) -> BTreeMap<String, String> {
    let variant = Regex::new(r#"(?s)#\[error\(\s*"((?:[^"\\]|\\.)*)"[^\]]*?\)\]\s*(\w+)"#).unwrap();
    variant.captures_iter(text).map(|found| (found[2].to_owned(), found[1].to_owned())).collect()
}

/// The kind of each variant; that of all others under `_`.
fn kinds(text: &str) -> BTreeMap<String, String> {
    let Some((_, body)) = text.split_once("fn kind(") else { return BTreeMap::new() };
    let arm = Regex::new(r"(?s)((?:Self::\w+[^=|]*\|?\s*)+|\b_\s)\s*=>\s*(?:\{\s*)?Kind::(\w+)").unwrap();
    let name = Regex::new(r"Self::(\w+)|\b(_)\s").unwrap();
    let mut kinds = BTreeMap::new();
    for arm in arm.captures_iter(body) {
        for name in name.captures_iter(&arm[1]) {
            let name = name.get(1).or(name.get(2)).unwrap().as_str().to_owned();
            kinds.entry(name).or_insert_with(|| arm[2].to_owned());
        }
    }
    kinds
}

fn render(found: &Found) -> String {
    let mut text = HEAD.to_owned();
    let mut last = None;
    for ((place, code), sentences) in found {
        if last != Some(*place) {
            let columns = if *place == Place::Answers {
                "| code | status | sentence |\n|---|---|---|"
            } else {
                "| code | sentence |\n|---|---|"
            };
            text.push_str(&format!("\n{}\n\n{columns}\n", place.title()));
            last = Some(*place);
        }
        for (sentence, status) in sentences {
            match place {
                Place::Answers => text.push_str(&format!("| `{code}` | {status} | {sentence} |\n")),
                _ => text.push_str(&format!("| `{code}` | {sentence} |\n")),
            }
        }
    }
    text
}

#[test]
fn the_table_of_errors_is_current() {
    let sources = sources();
    let ports: BTreeMap<String, String> =
        sources.iter().filter(|(path, _)| path.starts_with("ports/")).flat_map(|(_, text)| variants(text)).collect();
    let mut found = Found::new();
    for (path, text) in &sources {
        direct(path, text, &mut found);
        mapped(path, text, &ports, &mut found);
    }
    described(&sources, &mut found);
    let told: BTreeSet<&str> = found.keys().map(|(_, code)| code.as_str()).collect();
    let code = Regex::new(r#""(FF\d{5})[":]"#).unwrap();
    let used: BTreeSet<&str> = sources
        .iter()
        .flat_map(|(_, text)| code.captures_iter(text).map(|found| found.get(1).unwrap().as_str()))
        .collect();
    let untold: Vec<_> = used.difference(&told).collect();
    assert!(untold.is_empty(), "codes whose sentence is not found: {untold:?}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors.md");
    let current = render(&found);
    if std::env::var_os("PHOTINUS_BLESS").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == current, "docs/errors.md is not current; PHOTINUS_BLESS=1 writes it");
}
