//! Calls that leave no trace: `eth_call` and `eth_estimateGas`.

use alloy::eips::BlockId;
use alloy::primitives::{Address, Bytes, TxKind, U64};
use alloy::rpc::types::TransactionRequest;
use alloy::rpc::types::state::{AccountOverride, StateOverride};
use alloy::sol_types::{Panic, Revert, SolError as _};
use revm::bytecode::Bytecode;
use revm::context::either::Either;
use revm::context::result::{ExecutionResult, HaltReason, InvalidTransaction};
use revm::context::{BlockEnv, TxEnv};
use revm::database::CacheDB;

use super::Api;
use super::params::Params;
use super::wire::{Answer, Error, answer};
use crate::block::Frame;
use crate::evm;
use crate::options::MAX_CALL_GAS;
use crate::state::World;

/// What the cheapest transaction uses.
const TRANSFER_GAS: u64 = 21_000;
/// What a call that carries value leaves to the called contract, beside the 64th that a caller keeps.
const CALL_STIPEND: u64 = 2_300;

/// A call, ready to run any number of times.
pub(super) struct Simulation {
    chain_id: u64,
    database: CacheDB<World>,
    surroundings: BlockEnv,
    task: TxEnv,
}

impl Api {
    pub(super) async fn call(&self, params: &Params<'_>) -> Answer {
        params.at_most(3)?;
        let simulation = self.simulation(params, MAX_CALL_GAS).await?;
        let result = self.ledger.blocking(move || simulation.run(None)).await?;
        match result {
            ExecutionResult::Success { output, .. } => answer(output.data()),
            ExecutionResult::Revert { output, .. } => Err(reverted(output)),
            ExecutionResult::Halt { reason, .. } => Err(Error::server(evm::describe_halt(&reason))),
        }
    }

    pub(super) async fn estimate_gas(&self, params: &Params<'_>) -> Answer {
        params.at_most(3)?;
        let simulation = self.simulation(params, self.ledger.options.block_gas_limit).await?;
        let gas = self.ledger.blocking(move || simulation.estimate()).await?;
        answer(&U64::from(gas))
    }

    async fn simulation(&self, params: &Params<'_>, gas_cap: u64) -> Result<Simulation, Error> {
        let request = params.required(0)?;
        let block: Option<BlockId> = params.optional(1)?;
        let overrides = params.optional(2)?;
        let (world, frame) = match block {
            None => {
                let latest = self.ledger.latest();
                (latest.world.clone(), self.ledger.next_frame(&latest.block))
            }
            Some(id) => {
                let world = self.world(Some(id)).await?;
                (world, self.frame_at(id).await?)
            }
        };
        Simulation::new(self.ledger.options.chain_id, world, &frame, request, overrides, gas_cap)
    }

    /// The surroundings of a call at a block: those of the block after it if it is the newest.
    async fn frame_at(&self, id: BlockId) -> Result<Frame, Error> {
        let latest = self.ledger.latest();
        let number = self.ledger.resolve(id).await?.unwrap_or(latest.block.header.number);
        if number == latest.block.header.number {
            return Ok(self.ledger.next_frame(&latest.block));
        }
        let block = self.ledger.block(number).await?.ok_or_else(|| Error::server("header not found"))?;
        Ok(Frame {
            parent: block.header.parent_hash,
            number,
            timestamp: block.header.timestamp,
            gas_limit: block.header.gas_limit,
            base_fee: block.header.base_fee_per_gas.unwrap_or_default(),
        })
    }

    /// The gas that a transaction of a development account gets if it does not say.
    pub(super) async fn gas_for(&self, request: TransactionRequest) -> Result<u64, Error> {
        let latest = self.ledger.latest();
        let options = &self.ledger.options;
        let frame = self.ledger.next_frame(&latest.block);
        let simulation =
            Simulation::new(options.chain_id, latest.world.clone(), &frame, request, None, options.block_gas_limit)?;
        self.ledger.blocking(move || simulation.estimate()).await
    }
}

impl Simulation {
    fn new(
        chain_id: u64,
        world: World,
        frame: &Frame,
        request: TransactionRequest,
        overrides: Option<StateOverride>,
        gas_cap: u64,
    ) -> Result<Self, Error> {
        let task = task(request, gas_cap)?;
        let mut surroundings = evm::surroundings(frame);
        // The limit of a block does not bind a call.
        surroundings.gas_limit = u64::MAX;
        if task.gas_price == 0 {
            // Who offers nothing is not asked for the base fee, as with other nodes.
            surroundings.basefee = 0;
        }
        let mut database = CacheDB::new(world);
        for (address, account) in overrides.unwrap_or_default() {
            replace(&mut database, address, account)?;
        }
        Ok(Self { chain_id, database, surroundings, task })
    }

    fn run(&self, gas: Option<u64>) -> Result<ExecutionResult, Error> {
        self.try_run(gas).map_err(|error| Error::server(evm::describe_invalid(&error, &self.task.caller)))
    }

    fn try_run(&self, gas: Option<u64>) -> Result<ExecutionResult, InvalidTransaction> {
        let mut task = self.task.clone();
        task.gas_limit = gas.unwrap_or(task.gas_limit);
        evm::simulate(&self.database, self.chain_id, self.surroundings.clone(), task)
    }

    /// The least gas with which the call succeeds, or up to 1.5 % more.
    fn estimate(mut self) -> Result<u64, Error> {
        if let Some(limit) = self.affordable() {
            self.task.gas_limit = self.task.gas_limit.min(limit);
        }
        let mut enough = self.task.gas_limit;
        let result = self.run(Some(enough))?;
        let gas = match &result {
            ExecutionResult::Success { gas, .. } => *gas,
            ExecutionResult::Revert { output, .. } => return Err(reverted(output.clone())),
            ExecutionResult::Halt { reason: HaltReason::OutOfGas(_), .. } => {
                return Err(Error::server(format!("gas required exceeds allowance ({enough})")));
            }
            ExecutionResult::Halt { reason, .. } => return Err(Error::server(evm::describe_halt(reason))),
        };
        // A transaction succeeds with no less than it uses in the end. It may need more on the way.
        let mut too_little = gas.tx_gas_used() - 1;
        // What it uses before refunds, and what calls keep back, suffices almost always.
        let likely = (gas.total_gas_spent() + CALL_STIPEND) * 64 / 63;
        for guess in [too_little + 1, likely] {
            if too_little < guess && guess < enough {
                if self.suffices(guess)? {
                    enough = guess;
                } else {
                    too_little = guess;
                }
            }
        }
        while too_little + 1 < enough && (enough - too_little) * 1000 > enough * 15 {
            let guess = too_little + (enough - too_little) / 2;
            if self.suffices(guess)? {
                enough = guess;
            } else {
                too_little = guess;
            }
        }
        Ok(enough)
    }

    fn suffices(&self, gas: u64) -> Result<bool, Error> {
        match self.try_run(Some(gas)) {
            Ok(result) => Ok(result.is_success()),
            Err(
                InvalidTransaction::CallGasCostMoreThanGasLimit { .. }
                | InvalidTransaction::GasFloorMoreThanGasLimit { .. },
            ) => Ok(false),
            Err(error) => Err(Error::server(evm::describe_invalid(&error, &self.task.caller))),
        }
    }

    /// The gas that the sender can pay for, if the call offers a price.
    fn affordable(&self) -> Option<u64> {
        use revm::DatabaseRef as _;
        if self.task.gas_price == 0 {
            return None;
        }
        let balance = match self.database.basic_ref(self.task.caller) {
            Ok(account) => account.unwrap_or_default().balance,
            Err(never) => match never {},
        };
        let left = balance.saturating_sub(self.task.value);
        u64::try_from(left / alloy::primitives::U256::from(self.task.gas_price)).ok().map(|gas| gas.max(TRANSFER_GAS))
    }
}

/// What a request asks of the EVM.
fn task(request: TransactionRequest, gas_cap: u64) -> Result<TxEnv, Error> {
    if request.gas_price.is_some() && (request.max_fee_per_gas.is_some() || request.max_priority_fee_per_gas.is_some())
    {
        return Err(Error::invalid_params("both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified"));
    }
    if request.blob_versioned_hashes.is_some() || request.sidecar.is_some() {
        return Err(Error::invalid_params("transaction type not supported"));
    }
    let data = input(&request)?;
    let gas_price = request.gas_price.or(request.max_fee_per_gas).unwrap_or_default();
    let mut task = TxEnv {
        tx_type: 0,
        caller: request.from.unwrap_or_default(),
        gas_limit: request.gas.map_or(gas_cap, |gas| gas.min(gas_cap)),
        gas_price,
        kind: request.to.unwrap_or(TxKind::Create),
        value: request.value.unwrap_or_default(),
        data,
        nonce: request.nonce.unwrap_or_default(),
        chain_id: None,
        access_list: request.access_list.unwrap_or_default(),
        gas_priority_fee: request.max_priority_fee_per_gas.filter(|_| gas_price > 0),
        blob_hashes: Vec::new(),
        max_fee_per_blob_gas: 0,
        authorization_list: request.authorization_list.unwrap_or_default().into_iter().map(Either::Left).collect(),
    };
    task.derive_tx_type().map_err(|error| Error::invalid_params(error.to_string()))?;
    if task.tx_type != 0 {
        task.chain_id = request.chain_id;
    }
    Ok(task)
}

/// The call data, which clients send under one of two names.
pub(super) fn input(request: &TransactionRequest) -> Result<Bytes, Error> {
    let unique = request.input.unique_input().map_err(|_| {
        Error::invalid_params(
            "both \"data\" and \"input\" are set and not equal. Please use \"input\" to pass transaction call data",
        )
    })?;
    Ok(unique.cloned().unwrap_or_default())
}

fn replace(database: &mut CacheDB<World>, address: Address, change: AccountOverride) -> Result<(), Error> {
    let AccountOverride { balance, nonce, code, state, state_diff, move_precompile_to } = change;
    if state.is_some() && state_diff.is_some() {
        return Err(Error::invalid_params(format!("account {address} has both 'state' and 'stateDiff'")));
    }
    if move_precompile_to.is_some() {
        return Err(Error::invalid_params("moving precompiles is not supported"));
    }
    let code = code
        .map(Bytecode::new_raw_checked)
        .transpose()
        .map_err(|error| Error::invalid_params(format!("code of account {address}: {error}")))?;
    let account = match database.load_account(address) {
        Ok(account) => account,
        Err(never) => match never {},
    };
    let mut info = account.info().unwrap_or_default();
    info.balance = balance.unwrap_or(info.balance);
    info.nonce = nonce.unwrap_or(info.nonce);
    if let Some(code) = code {
        info.set_code(code);
    }
    database.insert_account_info(address, info);
    let written = if let Some(state) = state {
        let words = state.into_iter().map(|(slot, value)| (slot.into(), value.into())).collect();
        database.replace_account_storage(address, words)
    } else {
        state_diff
            .into_iter()
            .flatten()
            .try_for_each(|(slot, value)| database.insert_account_storage(address, slot.into(), value.into()))
    };
    match written {
        Ok(()) => Ok(()),
        Err(never) => match never {},
    }
}

fn reverted(output: Bytes) -> Error {
    Error::reverted(reason(&output), output)
}

/// What a contract says in one of the two ways that the Solidity compiler knows.
fn reason(output: &[u8]) -> Option<String> {
    if let Ok(revert) = Revert::abi_decode(output) {
        return Some(revert.reason);
    }
    let panic = Panic::abi_decode(output).ok()?;
    Some(match panic.kind() {
        Some(kind) => format!("panic: {} ({:#x})", kind.as_str(), panic.code),
        None => format!("panic: unknown code ({:#x})", panic.code),
    })
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{U256, hex};

    use super::*;

    #[test]
    fn reasons_are_read_from_strings_and_panics() {
        let revert = Revert { reason: "no".to_owned() }.abi_encode();
        assert_eq!(reason(&revert).as_deref(), Some("no"));
        let panic = Panic { code: U256::from(0x12) }.abi_encode();
        assert_eq!(reason(&panic).as_deref(), Some("panic: division or modulo by zero (0x12)"));
        assert_eq!(reason(&hex!("deadbeef")), None);
        assert_eq!(reason(&[]), None);
    }
}
