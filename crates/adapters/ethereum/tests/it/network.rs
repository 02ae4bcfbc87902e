//! Pins, operations and options as the tests use them.

use photinus_ethereum::{
    Options,
    options::{Keys, Mnemonic, Secret, Url},
};
use photinus_model::{Hash, duration::Duration};
use photinus_ports::{
    OperationRef,
    blockchain::{BatchPin, PinEvent},
};
use uuid::Uuid;

/// Name of the namespace in all tests.
pub(crate) const NAMESPACE: &str = "default";
/// The accounts that every development chain funds.
pub(crate) const MNEMONIC: &str = "test test test test test test test test test test test junk";
/// The first of those accounts, which deploys contracts.
pub(crate) const DEPLOYER: &str = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";
/// The second one, which pins.
pub(crate) const KEY: &str = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8";

pub(crate) fn millis(count: u64) -> Duration {
    Duration(std::time::Duration::from_millis(count))
}

/// Options with little patience.
pub(crate) fn options(url: &str, ws_url: Option<&str>) -> Options {
    Options {
        url: Url::new(url),
        ws_url: ws_url.map(Url::new),
        keys: Keys {
            mnemonic: Some(Mnemonic { phrase: Secret::new(MNEMONIC), first: 0, count: 4 }),
            ..Keys::default()
        },
        poll_interval: millis(50),
        heartbeat_interval: millis(500),
        check_interval: millis(50),
        stale_after: millis(300),
        max_backoff: millis(500),
        request_timeout: millis(10_000),
        ..Options::default()
    }
}

/// Operation number `number`.
pub(crate) fn operation(number: u64) -> OperationRef {
    OperationRef { namespace: NAMESPACE.to_owned(), id: Uuid::from_u128(0x1000 + u128::from(number)) }
}

/// A pin that tells its number, with 1 to 5 contexts.
pub(crate) fn pin(number: u64) -> BatchPin {
    let mut first = [0xaa; 32];
    first[24..].copy_from_slice(&number.to_be_bytes());
    let contexts = (0..=number % 5).map(|index| if index == 0 { Hash(first) } else { Hash::of(index.to_be_bytes()) });
    BatchPin {
        network: "net1".to_owned(),
        transaction: Uuid::from_u128(u128::from(number)),
        batch: Uuid::from_u128(u128::from(number) << 64),
        batch_hash: Hash::of(number.to_be_bytes()),
        payload_ref: if number.is_multiple_of(2) { format!("Qm{number}") } else { String::new() },
        contexts: contexts.collect(),
    }
}

/// The number that a pin tells.
pub(crate) fn number_of(event: &PinEvent) -> u64 {
    let first = event.contexts.first().expect("a pin has contexts");
    u64::from_be_bytes(first.as_bytes()[24..].try_into().unwrap())
}
