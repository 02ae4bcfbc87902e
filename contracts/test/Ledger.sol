// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// What `Ledger` needs of a multiparty contract.
interface Pinning {
    function pinBatchData(bytes calldata data) external;
}

/// Test data, never deployed by the product: storage, events and every way in which a call can fail.
contract Ledger {
    error Refused(string why, uint256 code);

    event Stored(address indexed by, uint256 indexed key, uint256 value);

    mapping(uint256 => uint256) private values;

    /// How often `put` succeeded.
    uint256 public writes;

    constructor(uint256 initial) payable {
        values[0] = initial;
    }

    function put(uint256 key, uint256 value) public {
        values[key] = value;
        writes++;
        emit Stored(msg.sender, key, value);
    }

    function get(uint256 key) external view returns (uint256) {
        return values[key];
    }

    /// Emits `count` events in one transaction.
    function putMany(uint256 from, uint256 count) external {
        for (uint256 i = 0; i < count; i++) {
            put(from + i, i);
        }
    }

    /// Accepts ether.
    function fund() external payable {}

    /// Writes and pins in one transaction; `data` is what `pinBatchData` of the multiparty contract expects.
    function putAndPin(uint256 key, uint256 value, Pinning network, bytes calldata data) external {
        put(key, value);
        network.pinBatchData(data);
    }

    function failWithReason(string calldata why) external {
        writes++;
        revert(why);
    }

    function failWithError(string calldata why, uint256 code) external {
        writes++;
        revert Refused(why, code);
    }

    function failWithPanic(uint256 divisor) external view returns (uint256) {
        return writes / divisor;
    }

    function failSilently() external pure {
        assembly {
            revert(0, 0)
        }
    }

    /// Uses all the gas it is given.
    function burn() external {
        while (true) {
            writes++;
        }
    }
}
