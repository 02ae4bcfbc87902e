//! Why a call reverted, in words.

use alloy::sol_types::{Panic, Revert, SolError};

use crate::{pin::hex0x, rpc};

/// What applications read when the ledger refuses a call, with the code that FireFly's connector gives it.
pub(crate) fn message(reason: &str) -> String {
    format!("FF23021: EVM reverted: {reason}")
}

/// The reason of a call that reverted: the text of `revert("…")` or `require`, the kind of a panic, the bytes of anything else,
/// or what the node says when nothing was returned.
pub(crate) fn reason(error: &rpc::Error) -> String {
    match error {
        rpc::Error::Refused { data: Some(data), message, .. } => {
            returned(data).unwrap_or_else(|| without_prefix(message).to_owned())
        }
        rpc::Error::Refused { message, .. } => without_prefix(message).to_owned(),
        rpc::Error::Unreachable(text) => text.clone(),
    }
}

/// The reason that a reverted call returned, if it returned anything.
pub(crate) fn returned(data: &[u8]) -> Option<String> {
    if data.is_empty() {
        return None;
    }
    if let Ok(revert) = Revert::abi_decode(data) {
        return Some(revert.reason);
    }
    match Panic::abi_decode(data) {
        Ok(panic) => Some(panic.to_string()),
        Err(_) => Some(hex0x(data)),
    }
}

fn without_prefix(message: &str) -> &str {
    message.strip_prefix("execution reverted: ").unwrap_or(message)
}

#[cfg(test)]
mod tests {
    use alloy::primitives::U256;

    use super::*;

    fn refused(message: &str, data: Option<Vec<u8>>) -> rpc::Error {
        rpc::Error::Refused { code: 3, message: message.to_owned(), data: data.map(Into::into) }
    }

    #[test]
    fn tells_the_reason_of_every_kind_of_revert() {
        let text = Revert::from("not a member").abi_encode();
        assert_eq!(reason(&refused("execution reverted", Some(text))), "not a member");
        let panic = Panic { code: U256::from(0x12) }.abi_encode();
        assert!(reason(&refused("execution reverted", Some(panic))).contains("division or modulo by zero"));
        assert_eq!(reason(&refused("execution reverted", Some(vec![1, 2, 3, 4]))), "0x01020304");
        assert_eq!(reason(&refused("execution reverted", Some(vec![]))), "execution reverted");
        assert_eq!(reason(&refused("execution reverted: no", None)), "no");
    }
}
