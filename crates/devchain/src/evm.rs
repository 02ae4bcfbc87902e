//! Running transactions.

use std::convert::Infallible;

use alloy::consensus::{Receipt, ReceiptEnvelope, Transaction as _, TxEnvelope, TxType, Typed2718};
use alloy::primitives::{Address, B256, U256};
use revm::context::either::Either;
use revm::context::result::{EVMError, ExecutionResult, HaltReason, InvalidTransaction};
use revm::context::{BlockEnv, CfgEnv, Context, TxEnv};
use revm::context_interface::block::BlobExcessGasAndPrice;
use revm::database_interface::WrapDatabaseRef;
use revm::handler::validation;
use revm::primitives::hardfork::SpecId;
use revm::state::EvmState;
use revm::{DatabaseCommit, DatabaseRef, ExecuteCommitEvm, ExecuteEvm, MainBuilder, MainContext};

use crate::block::{Frame, Transaction};
use crate::state::{Delta, World};

/// The rules of the chain: Ethereum's Osaka, save that one transaction may use the whole block.
pub(crate) fn rules(chain_id: u64) -> CfgEnv {
    let mut rules = CfgEnv::new().with_spec_and_mainnet_gas_params(SpecId::OSAKA).with_chain_id(chain_id);
    rules.tx_gas_limit_cap = Some(u64::MAX);
    rules
}

/// A block frame as the EVM reads it.
pub(crate) fn surroundings(frame: &Frame) -> BlockEnv {
    BlockEnv {
        number: U256::from(frame.number),
        beneficiary: Address::ZERO,
        timestamp: U256::from(frame.timestamp),
        gas_limit: frame.gas_limit,
        basefee: frame.base_fee,
        difficulty: U256::ZERO,
        prevrandao: Some(frame.randomness()),
        blob_excess_gas_and_price: Some(BlobExcessGasAndPrice { excess_blob_gas: 0, blob_gasprice: 1 }),
        slot_num: 0,
    }
}

/// What a transaction asks of the EVM.
fn task(transaction: &Transaction) -> TxEnv {
    TxEnv {
        tx_type: transaction.ty(),
        caller: transaction.signer(),
        gas_limit: transaction.gas_limit(),
        gas_price: transaction.max_fee_per_gas(),
        kind: transaction.kind(),
        value: transaction.value(),
        data: transaction.input().clone(),
        nonce: transaction.nonce(),
        chain_id: transaction.chain_id(),
        access_list: transaction.access_list().cloned().unwrap_or_default(),
        gas_priority_fee: transaction.max_priority_fee_per_gas(),
        blob_hashes: Vec::new(),
        max_fee_per_blob_gas: 0,
        authorization_list: transaction
            .authorization_list()
            .unwrap_or_default()
            .iter()
            .cloned()
            .map(Either::Left)
            .collect(),
    }
}

/// Checks what can be checked of a transaction without its sender's account: type, fees, chain, gas limit and size.
pub(crate) fn check(transaction: &Transaction, chain_id: u64, frame: &Frame) -> Result<(), InvalidTransaction> {
    if transaction.is_eip4844() {
        return Err(InvalidTransaction::Eip4844NotSupported);
    }
    if transaction.nonce() == u64::MAX {
        return Err(InvalidTransaction::NonceOverflowInTransaction);
    }
    let mut context =
        Context::mainnet().with_cfg(rules(chain_id)).with_block(surroundings(frame)).with_tx(task(transaction));
    validation::validate_tx_env(&mut context, SpecId::OSAKA)?;
    validation::validate_initial_tx_gas(&context.tx, SpecId::OSAKA, false, false, u64::MAX, None)?;
    Ok(())
}

/// The state of a block in the making.
struct Draft {
    world: World,
    delta: Delta,
}

impl DatabaseRef for Draft {
    type Error = Infallible;

    fn basic_ref(&self, address: Address) -> Result<Option<revm::state::AccountInfo>, Infallible> {
        self.world.basic_ref(address)
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<revm::bytecode::Bytecode, Infallible> {
        self.world.code_by_hash_ref(code_hash)
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, Infallible> {
        self.world.storage_ref(address, slot)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Infallible> {
        self.world.block_hash_ref(number)
    }
}

impl DatabaseCommit for Draft {
    fn commit(&mut self, changes: EvmState) {
        self.world.state.apply(changes, &mut self.delta);
    }
}

/// What became of the transactions that were to share a block.
pub(crate) struct Outcome {
    /// State after the block.
    pub(crate) world: World,
    /// What changed.
    pub(crate) delta: Delta,
    /// The transactions that are in the block, and their receipts.
    pub(crate) transactions: Vec<Transaction>,
    pub(crate) receipts: Vec<ReceiptEnvelope>,
    /// The transactions that can be in no block, by hash, and why.
    pub(crate) refused: Vec<(B256, String)>,
}

/// Runs transactions one after the other. One whose gas limit does not fit into what is left of the block is passed over,
/// and with it later ones of the same sender.
pub(crate) fn execute<'a>(
    world: World,
    chain_id: u64,
    frame: &Frame,
    transactions: impl Iterator<Item = &'a Transaction>,
) -> Outcome {
    let draft = Draft { world, delta: Delta::default() };
    let mut evm = Context::mainnet()
        .with_db(WrapDatabaseRef(draft))
        .with_cfg(rules(chain_id))
        .with_block(surroundings(frame))
        .build_mainnet();
    let mut included = Vec::new();
    let mut receipts = Vec::new();
    let mut refused = Vec::new();
    let mut passed_over = Vec::new();
    let mut gas_used = 0;
    for transaction in transactions {
        if passed_over.contains(&transaction.signer()) {
            continue;
        }
        if transaction.gas_limit() > frame.gas_limit - gas_used {
            passed_over.push(transaction.signer());
            continue;
        }
        match evm.transact_commit(task(transaction)) {
            Ok(result) => {
                gas_used += result.tx_gas_used();
                receipts.push(receipt(transaction, &result, gas_used));
                included.push(transaction.clone());
            }
            Err(error) => {
                let why = describe_invalid(&reason(error), &transaction.signer());
                tracing::warn!(hash = %transaction.tx_hash(), why, "a waiting transaction can be in no block");
                refused.push((*transaction.tx_hash(), why));
                // What follows from this sender has a nonce too high now; it stays in the pool.
                passed_over.push(transaction.signer());
            }
        }
    }
    let Draft { world, delta } = evm.ctx.journaled_state.database.0;
    Outcome { world, delta, transactions: included, receipts, refused }
}

fn receipt(transaction: &Transaction, result: &ExecutionResult, gas_used: u64) -> ReceiptEnvelope {
    let logs = if result.is_success() { result.logs().to_vec() } else { Vec::new() };
    let receipt = Receipt { status: result.is_success().into(), cumulative_gas_used: gas_used, logs };
    let kind = match transaction.inner() {
        TxEnvelope::Legacy(_) => TxType::Legacy,
        TxEnvelope::Eip2930(_) => TxType::Eip2930,
        TxEnvelope::Eip1559(_) => TxType::Eip1559,
        TxEnvelope::Eip4844(_) => TxType::Eip4844,
        TxEnvelope::Eip7702(_) => TxType::Eip7702,
    };
    ReceiptEnvelope::from_typed(kind, receipt.with_bloom())
}

/// Runs one call on top of a state that it leaves as it is. Nonces are not checked.
pub(crate) fn simulate<D>(
    database: D,
    chain_id: u64,
    surroundings: BlockEnv,
    task: TxEnv,
) -> Result<ExecutionResult, InvalidTransaction>
where
    D: DatabaseRef<Error = Infallible>,
{
    let mut rules = rules(chain_id);
    rules.disable_nonce_check = true;
    rules.disable_eip3607 = true;
    let mut evm =
        Context::mainnet().with_db(WrapDatabaseRef(database)).with_cfg(rules).with_block(surroundings).build_mainnet();
    evm.transact_one(task).map_err(reason)
}

/// A transaction is all that can be wrong: the state is in memory, and there is no header to check.
fn reason(error: EVMError<Infallible>) -> InvalidTransaction {
    match error {
        EVMError::Transaction(error) => error,
        EVMError::Database(never) => match never {},
        EVMError::Header(error) => InvalidTransaction::Str(error.to_string().into()),
        EVMError::Custom(error) => InvalidTransaction::Str(error.into()),
        EVMError::CustomAny(error) => InvalidTransaction::Str(error.to_string().into()),
    }
}

/// A validation failure in the words of the most used Ethereum node, which clients look for.
pub(crate) fn describe_invalid(error: &InvalidTransaction, sender: &Address) -> String {
    match error {
        InvalidTransaction::LackOfFundForMaxFee { fee, balance } => {
            format!("insufficient funds for gas * price + value: address {sender} have {balance} want {fee}")
        }
        InvalidTransaction::NonceTooLow { tx, state } => {
            format!("nonce too low: next nonce {state}, tx nonce {tx}")
        }
        InvalidTransaction::NonceTooHigh { tx, state } => {
            format!("nonce too high: next nonce {state}, tx nonce {tx}")
        }
        InvalidTransaction::CallGasCostMoreThanGasLimit { initial_gas, gas_limit } => {
            format!("intrinsic gas too low: have {gas_limit}, want {initial_gas}")
        }
        InvalidTransaction::GasFloorMoreThanGasLimit { gas_floor, gas_limit } => {
            format!("insufficient gas for floor data gas cost: have {gas_limit}, want {gas_floor}")
        }
        InvalidTransaction::GasPriceLessThanBasefee => "max fee per gas less than block base fee".to_owned(),
        InvalidTransaction::PriorityFeeGreaterThanMaxFee => {
            "max priority fee per gas higher than max fee per gas".to_owned()
        }
        InvalidTransaction::CallerGasLimitMoreThanBlock => "exceeds block gas limit".to_owned(),
        InvalidTransaction::CreateInitCodeSizeLimit => "max initcode size exceeded".to_owned(),
        InvalidTransaction::InvalidChainId => "invalid chain id for signer".to_owned(),
        InvalidTransaction::Eip4844NotSupported => "transaction type not supported".to_owned(),
        InvalidTransaction::NonceOverflowInTransaction => "nonce has max value".to_owned(),
        InvalidTransaction::RejectCallerWithCode => format!("sender not an eoa: address {sender}"),
        other => other.to_string(),
    }
}

/// Why a call stopped without a result, likewise.
pub(crate) fn describe_halt(reason: &HaltReason) -> String {
    match reason {
        HaltReason::OutOfGas(_) => "out of gas".to_owned(),
        HaltReason::OpcodeNotFound | HaltReason::InvalidFEOpcode | HaltReason::NotActivated => {
            "invalid opcode".to_owned()
        }
        HaltReason::StackOverflow => "stack limit reached 1024".to_owned(),
        HaltReason::OutOfFunds => "insufficient balance for transfer".to_owned(),
        HaltReason::CallTooDeep => "max call depth exceeded".to_owned(),
        HaltReason::StateChangeDuringStaticCall | HaltReason::CallNotAllowedInsideStatic => {
            "write protection".to_owned()
        }
        HaltReason::CreateCollision => "contract address collision".to_owned(),
        HaltReason::CreateContractSizeLimit => "max code size exceeded".to_owned(),
        other => other.to_string(),
    }
}
