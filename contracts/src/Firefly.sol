// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// The ledger side of a multiparty network, version 2: one deployment orders one network.
///
/// The contract keeps no state. Each call leaves a `BatchPin` log entry, and the position of that entry on the chain is
/// the order that every member follows. What an entry means is decided by the members, not here: the contract neither
/// knows who belongs to the network nor limits who may pin.
///
/// Functions, argument types and the event match the version 2 contract of Hyperledger FireFly, so that members running
/// either software can share a deployment.
contract Firefly {
    /// The `action` of an entry made by `pinBatch`.
    string private constant BATCH_PIN = "firefly:batch_pin";

    /// The `action` of an entry made by `pinBatchData`, that is on behalf of another contract.
    string private constant CONTRACT_INVOKE_PIN = "firefly:contract_invoke_pin";

    /// One entry in the order of the network. Nothing is indexed: a member wants all of them.
    ///
    /// `author` is the account that signed the transaction, also when another contract made the call, because it is
    /// the signer whom members know. A contract that an author calls can therefore pin in the author's name; members
    /// check a pin against the batch it refers to.
    ///
    /// `timestamp` is the time of the block in seconds. `uuids` holds the identifier of the transaction in its first
    /// 16 bytes and that of the batch in its last 16. An empty `payloadRef` means that the batch travels privately. Empty
    /// `contexts` mean that the entry orders no messages and is an action of the network.
    event BatchPin(
        address author,
        uint256 timestamp,
        string action,
        bytes32 uuids,
        bytes32 batchHash,
        string payloadRef,
        bytes32[] contexts
    );

    /// Gives a batch its place in the order.
    function pinBatch(
        bytes32 uuids,
        bytes32 batchHash,
        string calldata payloadRef,
        bytes32[] calldata contexts
    ) external {
        emit BatchPin(tx.origin, block.timestamp, BATCH_PIN, uuids, batchHash, payloadRef, contexts);
    }

    /// Gives a batch its place in the order from within another contract's function.
    ///
    /// `data` is the ABI encoding of `(bytes32 uuids, bytes32 batchHash, string payloadRef, bytes32[] contexts)`: one
    /// opaque argument that the other contract passes on without looking into it. Anything else reverts.
    function pinBatchData(bytes calldata data) external {
        (bytes32 uuids, bytes32 batchHash, string memory payloadRef, bytes32[] memory contexts) =
            abi.decode(data, (bytes32, bytes32, string, bytes32[]));
        emit BatchPin(tx.origin, block.timestamp, CONTRACT_INVOKE_PIN, uuids, batchHash, payloadRef, contexts);
    }

    /// Records an action that concerns the network as a whole, such as `firefly:terminate`.
    function networkAction(string calldata action, string calldata payload) external {
        emit BatchPin(tx.origin, block.timestamp, action, 0, 0, payload, new bytes32[](0));
    }

    /// The version of this interface.
    function networkVersion() external pure returns (uint8) {
        return 2;
    }
}
