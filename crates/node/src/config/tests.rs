use std::collections::{BTreeMap, BTreeSet};

use super::{
    catalogue::{ROOT, Rule},
    check::{find, visit},
    document::{self, Node, Value},
    *,
};

pub(super) const FULL: &str = include_str!("../../testdata/full.yml");
const MEMBER: &str = include_str!("../../testdata/member.yml");
const SIDECARS: &str = include_str!("../../testdata/sidecars.yml");
const MISTAKES: &str = include_str!("../../testdata/mistakes.yml");

fn read(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, Problems> {
    parse(text, variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

/// Compares with a committed file; `PHOTINUS_BLESS=1` writes it.
fn snapshot(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name);
    if std::env::var_os("PHOTINUS_BLESS").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    assert_eq!(found, std::fs::read_to_string(&path).unwrap_or_default(), "{name}; PHOTINUS_BLESS=1 writes it");
}

#[test]
fn a_member_of_a_local_network() {
    let loaded = read(MEMBER, &[]).unwrap_or_else(|problems| panic!("{problems}"));
    let config = &loaded.config;
    assert_eq!((config.api.http.port, config.api.spi.as_ref().unwrap().port), (5001, 5201));
    assert_eq!(config.api.http.public_url.as_deref(), Some("http://127.0.0.1:5001"));
    assert!(config.api.monitoring.is_none());
    let namespace = &config.namespaces[0];
    assert_eq!(namespace.multiparty.org.name, "org_1");
    assert_eq!(namespace.multiparty.contracts[0].location["address"], "0x00000000000000000000000000000000000000Ab");
    assert_eq!((namespace.blockchain.as_str(), namespace.database.as_str()), ("blockchain0", "database0"));
    let ignored: Vec<String> =
        loaded.ignored.iter().map(|ignored| format!("{}: {}", ignored.place, ignored.path)).collect();
    snapshot("member.ignored", &(ignored.join("\n") + "\n"));
}

#[test]
fn a_file_for_sidecars_says_what_to_write_instead() {
    snapshot("sidecars.problems", &format!("{}\n", read(SIDECARS, &[]).unwrap_err()));
}

#[test]
fn every_mistake_is_told_at_once_with_its_place() {
    snapshot("mistakes.problems", &format!("{}\n", read(MISTAKES, &[]).unwrap_err()));
}

#[test]
fn keys_do_not_care_about_case() {
    let upper: String = MEMBER
        .lines()
        .map(|line| match line.split_once(':') {
            Some((key, rest)) => format!("{}:{rest}\n", key.to_uppercase()),
            None => format!("{line}\n"),
        })
        .collect();
    let (one, other) = (read(MEMBER, &[]).unwrap(), read(&upper, &[]).unwrap());
    assert_eq!(format!("{:?}", one.config), format!("{:?}", other.config));
}

#[test]
fn variables_override_keys() {
    let variables = [
        ("FIREFLY_HTTP_PORT", "7000"),
        ("FIREFLY_API_REQUESTTIMEOUT", "5s"),
        ("FIREFLY_CORS_ORIGINS", "https://a.example https://b.example"),
        ("FIREFLY_PLUGINS_BLOCKCHAIN_0_EVM_CONFIRMATIONS", "7"),
        ("FIREFLY_NAMESPACES_PREDEFINED_0_MULTIPARTY_ORG_NAME", "renamed"),
        ("FIREFLY_NAMESPACES_PREDEFINED_0_MULTIPARTY_CONTRACT_0_LOCATION_ADDRESS", "0xother"),
        ("FIREFLY_LOG_LEVEL", ""),
        ("HTTP_PORT", "1"),
    ];
    let config = read(MEMBER, &variables).unwrap_or_else(|problems| panic!("{problems}")).config;
    assert_eq!(config.api.http.port, 7000);
    assert_eq!(config.api.limits.request_timeout.as_secs(), 5);
    assert_eq!(config.api.cors.unwrap().origins, ["https://a.example", "https://b.example"]);
    assert_eq!(config.plugins.blockchain[0].options.confirmations, 7);
    assert_eq!(config.namespaces[0].multiparty.org.name, "renamed");
    assert_eq!(config.namespaces[0].multiparty.contracts[0].location["address"], "0xother");
    assert_eq!(config.log.level, tracing::Level::DEBUG, "an empty variable overrides nothing");
}

#[test]
fn variables_that_name_nothing_are_mentioned_and_wrong_values_named() {
    let strangers = read(
        MEMBER,
        &[
            ("FIREFLY_HTTP_PROT", "1"),
            ("FIREFLY_HTTP", "1"),
            ("FIREFLY_PLUGINS_BLOCKCHAIN_4_NAME", "x"),
            ("FIREFLY_PLUGINS_BLOCKCHAIN", "x"),
            ("FIREFLY_HTTP_PORT_MORE", "x"),
            ("FIREFLY_HOME", "/"),
        ],
    )
    .unwrap()
    .strangers;
    let told: String = strangers.iter().map(|stranger| format!("{stranger}\n")).collect();
    snapshot("strangers.problems", &told);
    let problems = read(MEMBER, &[("FIREFLY_HTTP_PORT", "many")]).unwrap_err().to_string();
    assert!(problems.contains("environment variable FIREFLY_HTTP_PORT: http.port cannot be 'many'"), "{problems}");
}

#[test]
fn secrets_are_not_shown() {
    let config = read(FULL, &[]).unwrap().config;
    let shown = format!("{config:?}");
    for secret in ["hunter2", "abandon", "4f3edf98"] {
        assert!(!shown.contains(secret), "{secret}");
    }
}

/// Paths of all leaves of a file, lists of sections as `[]`, in lower case.
fn leaves(
    node: &Node,
    blocks: &[&[catalogue::Key]],
    path: &str,
    out: &mut Vec<(String, Vec<usize>)>,
    at: &mut Vec<usize>,
) {
    let Value::Map(entries) = &node.value else { return };
    for (index, entry) in entries.iter().enumerate() {
        at.push(index);
        let inner = check::join(path, &entry.key);
        match (find(blocks, &entry.key), &entry.node.value) {
            (Some(Rule::Section(blocks)), _) => leaves(&entry.node, blocks, &inner, out, at),
            (Some(Rule::List(blocks)), Value::List(items)) => {
                for (item_index, item) in items.iter().enumerate() {
                    at.push(item_index);
                    leaves(item, blocks, &format!("{inner}[]"), out, at);
                    at.pop();
                }
            }
            _ => out.push((inner, at.clone())),
        }
        at.pop();
    }
}

/// The same for a whole file.
pub(super) fn every_leaf(root: &Node) -> Vec<(String, Vec<usize>)> {
    let mut found = Vec::new();
    leaves(root, ROOT, "", &mut found, &mut Vec::new());
    found
}

/// The file with the leaf at these indices removed, or turned round if it is true or false.
pub(super) fn altered(node: &Node, at: &[usize]) -> Node {
    let mut copy = node.clone();
    match &mut copy.value {
        Value::Map(entries) => match at {
            [last] => match &mut entries[*last].node.value {
                Value::Scalar { text, .. } if text == "true" => *text = "false".into(),
                Value::Scalar { text, .. } if text == "false" => *text = "true".into(),
                _ => drop(entries.remove(*last)),
            },
            [first, rest @ ..] => entries[*first].node = altered(&entries[*first].node, rest),
            [] => {}
        },
        Value::List(items) => items[at[0]] = altered(&items[at[0]], &at[1..]),
        _ => {}
    }
    copy
}

/// Everything that a reader of the tree can tell, problems included.
fn effect(root: &Node) -> String {
    let (read, problems) = outcome(root);
    format!("{read} {problems:?}")
}

/// Everything that is read from a tree, secrets included, and what is wrong with it.
pub(super) fn outcome(root: &Node) -> (String, Vec<Problem>) {
    let problems = RefCell::new(Vec::new());
    let config = super::read(&Section::root(root, &problems));
    let urls: Vec<String> = config
        .plugins
        .database
        .iter()
        .map(|database| match &database.kind {
            DatabaseKind::Postgres { url, .. } => url.clone(),
            DatabaseKind::Sqlite { path } => path.display().to_string(),
        })
        .collect();
    let exposed: Vec<String> = config
        .plugins
        .blockchain
        .iter()
        .map(|plugin| {
            let keys = &plugin.options.keys;
            let phrase = keys.mnemonic.as_ref().map(|mnemonic| mnemonic.phrase.expose().to_owned());
            let inline: Vec<&str> = keys.inline.iter().map(|key| key.expose()).collect();
            format!("{} {phrase:?} {inline:?}", plugin.options.url.expose())
        })
        .collect();
    let remotes = config.plugins.data_exchange.iter().map(|plugin| match &plugin.kind {
        DataExchangeKind::Ffdx(ffdx) => ffdx.remote.hidden(),
        DataExchangeKind::Https(_) => String::new(),
    });
    let stored = config.plugins.shared_storage.iter().map(|plugin| match &plugin.kind {
        SharedStorageKind::Ipfs(ipfs) => ipfs.api.hidden() + &ipfs.gateway.hidden(),
        SharedStorageKind::Embedded => String::new(),
    });
    let remotes: Vec<String> = remotes.chain(stored).collect();
    let hidden: Vec<String> = config.namespaces.iter().map(|one| config.webhooks.hidden(&one.tls)).collect();
    let alone = config.webhooks.hidden(&BTreeMap::new());
    (format!("{config:?} {urls:?} {exposed:?} {hidden:?} {alone} {remotes:?}"), problems.into_inner())
}

/// What cannot stand in one file with the rest: `monitoring` hides `metrics`, and files texts.
pub(super) const BESIDES: [&str; 3] = [
    "
metrics:
  {enabled: true, address: 127.0.0.9, port: 1, publicURL: 'http://x', shutdownTimeout: 1s, path: /old,
   tls: {enabled: true, clientAuth: true, ca: a, cert: b, key: c}, auth: {type: basic, basic: {passwordfile: d}},
   rateLimit: {requestsPerSecond: 1, burst: 7, by: user}}
http: {tls: {enabled: true, clientAuth: true, ca: a, cert: b, key: c}}
events: {webhooks: {tls: {enabled: true, ca: a, cert: b, key: c}}}
",
    "
metrics: {enabled: true, tls: {enabled: true, clientAuth: true, caFile: a, certFile: b, keyFile: c}}
spi: {enabled: true, tls: {enabled: true, clientAuth: true, ca: a, cert: b, key: c}}
",
    "monitoring: {enabled: true, tls: {enabled: true, clientAuth: true, ca: a, cert: b, key: c}}",
];

#[test]
fn every_used_key_changes_something() {
    assert!(read(FULL, &[]).is_ok(), "{}", read(FULL, &[]).unwrap_err());
    let mut given = BTreeSet::new();
    for text in std::iter::once(FULL).chain(BESIDES) {
        let root = document::parse(text).unwrap();
        let whole = effect(&root);
        for (path, at) in every_leaf(&root) {
            assert_ne!(effect(&altered(&root, &at)), whole, "{path} changes nothing");
            given.insert(path);
        }
    }
    let mut used = BTreeSet::new();
    visit(ROOT, "", &mut |path, rule| {
        if matches!(rule, Rule::Used | Rule::Free) {
            used.insert(path.to_lowercase());
        }
    });
    let untested: Vec<_> = used.difference(&given).collect();
    assert!(untested.is_empty(), "full.yml lacks {untested:#?}");
    let idle: Vec<_> = given.difference(&used).collect();
    assert!(idle.is_empty(), "not used: {idle:#?}");
}

#[test]
fn an_empty_file_says_what_is_needed() {
    let problems = read("", &[]).unwrap_err().to_string();
    assert!(problems.contains("namespaces.predefined needs at least one namespace"), "{problems}");
}
