//! What a network consists of, up to the point where processes start.

use photinus_devchain::{Chain, Options};
use photinus_exchange_https::Identity;
use photinus_node::config;

use super::{chain::Node, layout::Layout, prepare, prepare::Plan, stack};
use crate::error::Error;

fn plan(folder: &std::path::Path, members: u16) -> Plan {
    Plan { dir: folder.join("net"), members: Some(prepare::numbered(members)), chain: None, database: None }
}

#[tokio::test]
async fn every_member_gets_a_configuration_that_a_node_takes() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(folder.path(), 3);
    let http = reqwest::Client::new();
    let layout = Layout::of(&plan.dir).unwrap();
    let stack = prepare::network(&layout, &plan, &http).await.unwrap();
    assert_eq!(prepare::network(&layout, &plan, &http).await.unwrap(), stack, "the second time it is read");

    let chain = Chain::start(Options { port: stack.exposed_blockchain_port, ..Options::default() }).await.unwrap();
    let node = Node::new(http.clone(), chain.url());
    assert!(node.is_for_development().await.unwrap());
    let contract = prepare::contract(&layout, &stack, &node).await.unwrap();
    assert_eq!(prepare::contract(&layout, &stack, &node).await.unwrap(), contract, "it is deployed once");
    prepare::members(&layout, &stack, &contract).await.unwrap();

    let mut ports = std::collections::HashSet::new();
    for member in &stack.members {
        let config = config::load(&layout.config(member.index)).unwrap_or_else(|error| panic!("{error}")).config;
        let namespace = &config.namespaces[0];
        assert_eq!(namespace.multiparty.org.name, member.org_name);
        assert_eq!(namespace.multiparty.contracts[0].location, contract);
        let config::DataExchangeKind::Https(exchange) = &config.plugins.data_exchange[0].kind else {
            panic!("members of a local network are reached by their nodes");
        };
        for port in [
            config.api.http.port,
            config.api.spi.unwrap().port,
            exchange.port,
            config.api.monitoring.unwrap().listener.port,
        ] {
            assert!(ports.insert(port), "port {port} is given twice");
        }
        let keys = photinus_ethereum::keys::Keyring::load(&config.plugins.blockchain[0].options.keys).unwrap();
        let own = photinus_ethereum::keys::normal(&keys.addresses()[keys.addresses().len() - 1]);
        assert_eq!(own, member.account.address, "a member signs with its own key …");
        assert_eq!(keys.addresses().len(), 1 + prepare::EXTRA_ACCOUNTS, "… and with those that nobody has claimed");
        let told: Vec<&str> = exchange.peers.iter().map(|peer| peer.fingerprint.as_str()).collect();
        let expected: Vec<String> = stack
            .members
            .iter()
            .filter(|peer| peer.index != member.index)
            .map(|peer| {
                let identity = Identity::load_or_create(&layout.exchange(peer.index), &peer.org_name, "127.0.0.1");
                identity.unwrap().fingerprint().to_string()
            })
            .collect();
        assert_eq!(told, expected);
    }

    let edited = "# edited by a tool\n";
    std::fs::write(layout.config(0), edited).unwrap();
    prepare::members(&layout, &stack, &contract).await.unwrap();
    assert_eq!(std::fs::read_to_string(layout.config(0)).unwrap(), edited, "what is there is kept");

    chain.stop().await;
    let other = Chain::start(Options { port: 0, ..Options::default() }).await.unwrap();
    let error = prepare::contract(&layout, &stack, &Node::new(http, other.url())).await.unwrap_err();
    assert!(matches!(error, Error::ChainReplaced { .. }), "{error}");
    other.stop().await;

    super::wipe(&layout, &stack).await.unwrap();
    let state = stack::load_state(&layout).unwrap().unwrap();
    assert!(state.multiparty().is_none() && state.accounts.len() == 3 + prepare::EXTRA_ACCOUNTS);
    assert!(!layout.config(0).exists());
}

#[tokio::test]
async fn a_network_is_not_made_twice_in_different_ways() {
    let folder = tempfile::tempdir().unwrap();
    let http = reqwest::Client::new();
    let made = plan(folder.path(), 2);
    let layout = Layout::of(&made.dir).unwrap();
    prepare::network(&layout, &made, &http).await.unwrap();
    for other in [
        plan(folder.path(), 3),
        Plan { chain: Some("http://127.0.0.1:1".into()), ..made.clone() },
        Plan { database: Some("postgres://127.0.0.1".into()), ..made.clone() },
    ] {
        let error = prepare::network(&layout, &other, &http).await.unwrap_err();
        assert!(matches!(error, Error::Different { .. }), "{error}");
    }
    let any = Plan { members: None, ..made };
    assert_eq!(prepare::network(&layout, &any, &http).await.unwrap().members.len(), 2);
}

#[tokio::test]
async fn a_chain_that_is_not_there_is_named_without_its_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::of(&folder.path().join("net")).unwrap();
    let plan = Plan { chain: Some("http://user:hunter2@127.0.0.1:1/token".into()), ..plan(folder.path(), 2) };
    let error = prepare::network(&layout, &plan, &reqwest::Client::new()).await.unwrap_err().to_string();
    assert!(error.contains("127.0.0.1:1") && !error.contains("hunter2") && !error.contains("token"), "{error}");
    assert!(!layout.stack().exists(), "nothing is left of the attempt");
}
