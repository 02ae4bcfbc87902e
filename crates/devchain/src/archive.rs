//! The chain on disk: every block, and the state after the newest one.
//!
//! One SQLite file. Each block is one transaction, on disk before anybody hears of the block. Readers have connections of
//! their own and see the last committed block, whatever the writer does. A chain in memory is the same database without a
//! file; there, readers and writer take turns.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use alloy::primitives::{Address, B256, U256};
use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, params};

use crate::Error;
use crate::block::{Block, Damage, Encoded};
use crate::state::{Account, Delta, State};

/// The version of the tables below; a file with a higher one is not touched.
const FORMAT: i64 = 1;

const TABLES: &str = "
    CREATE TABLE chain (id INTEGER NOT NULL);
    CREATE TABLE blocks (
        number INTEGER PRIMARY KEY,
        hash BLOB NOT NULL UNIQUE,
        header BLOB NOT NULL,
        transactions BLOB NOT NULL,
        receipts BLOB NOT NULL,
        senders BLOB NOT NULL
    );
    CREATE TABLE transactions (
        hash BLOB PRIMARY KEY,
        block INTEGER NOT NULL,
        position INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE logging (address BLOB NOT NULL, block INTEGER NOT NULL, PRIMARY KEY (address, block)) WITHOUT ROWID;
    CREATE INDEX logging_by_block ON logging (block);
    CREATE TABLE accounts (
        address BLOB PRIMARY KEY,
        nonce INTEGER NOT NULL,
        balance BLOB NOT NULL,
        code BLOB
    ) WITHOUT ROWID;
    CREATE TABLE storage (
        address BLOB NOT NULL,
        slot BLOB NOT NULL,
        value BLOB NOT NULL,
        PRIMARY KEY (address, slot)
    ) WITHOUT ROWID;
";

/// Why a read or a write failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("database: {0}")]
    Database(#[from] rusqlite::Error),
    #[error("block {number} is damaged: {damage}")]
    Block { number: i64, damage: Damage },
    #[error("stored state is damaged: {0}")]
    State(String),
}

/// What was in the database when it was opened.
pub(crate) struct Contents {
    pub(crate) state: State,
    /// The newest blocks' hashes, oldest first, at most 256.
    pub(crate) hashes: Vec<(u64, B256)>,
    pub(crate) head: Block,
}

/// Where a transaction is.
pub(crate) type Position = (u64, usize);

/// The database.
pub(crate) struct Archive {
    writer: Mutex<Connection>,
    readers: Option<Readers>,
}

struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

/// Held as long as anything may be written, so that no second process writes to the same chain.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Archive {
    /// An empty database that ends with the process.
    pub(crate) fn in_memory(chain_id: u64) -> Result<Self, Error> {
        let writer = Connection::open_in_memory().map_err(Failure::from)?;
        prepare(&writer, chain_id, Path::new(":memory:"))?;
        Ok(Self { writer: Mutex::new(writer), readers: None })
    }

    /// The database in a directory, made if it is not there.
    pub(crate) fn open(directory: &Path, chain_id: u64) -> Result<(Self, Lock), Error> {
        let io = |source| Error::Directory { path: directory.to_owned(), source };
        std::fs::create_dir_all(directory).map_err(io)?;
        let lock = File::create(directory.join("chain.lock")).map_err(io)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => Error::InUse { path: directory.to_owned() },
            TryLockError::Error(source) => io(source),
        })?;
        let path = directory.join("chain.sqlite");
        let writer = Connection::open(&path).map_err(Failure::from)?;
        // FULL makes a commit survive a power cut, not only the end of the process.
        writer
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000;
                 PRAGMA journal_size_limit = 67108864;",
            )
            .map_err(Failure::from)?;
        prepare(&writer, chain_id, directory)?;
        let readers = Readers { path, idle: Mutex::new(Vec::new()) };
        Ok((Self { writer: Mutex::new(writer), readers: Some(readers) }, Lock { _file: lock }))
    }

    /// Stores a block and what it changed, durably, before it returns.
    pub(crate) fn append(&self, block: &Block, delta: &Delta) -> Result<(), Failure> {
        let mut writer = self.writer.lock();
        let transaction = writer.transaction()?;
        write_block(&transaction, block)?;
        write_delta(&transaction, delta)?;
        transaction.commit()?;
        Ok(())
    }

    /// Everything that the chain needs to go on. Nothing if there is no block yet.
    pub(crate) fn load(&self) -> Result<Option<Contents>, Failure> {
        let connection = self.writer.lock();
        let Some(head) =
            connection.query_one("SELECT max(number) FROM blocks", [], |row| row.get::<_, Option<i64>>(0))?
        else {
            return Ok(None);
        };
        let head =
            read_block(&connection, head)?.ok_or_else(|| Failure::State("the newest block is missing".to_owned()))?;
        let mut statement = connection.prepare(
            "SELECT number, hash FROM (SELECT number, hash FROM blocks ORDER BY number DESC LIMIT 256) ORDER BY number",
        )?;
        let hashes = statement
            .query_map([], |row| Ok((row.get::<_, i64>(0)?.cast_unsigned(), B256::from(row.get::<_, [u8; 32]>(1)?))))?
            .collect::<Result<_, _>>()?;
        let state = read_state(&connection)?;
        if state.root() != head.header.state_root {
            return Err(Failure::State(format!("its root is not that of block {}", head.header.number)));
        }
        Ok(Some(Contents { state, hashes, head }))
    }

    pub(crate) fn block(&self, number: u64) -> Result<Option<Block>, Failure> {
        let Ok(number) = i64::try_from(number) else { return Ok(None) };
        self.read(|connection| read_block(connection, number))
    }

    pub(crate) fn number_of(&self, hash: &B256) -> Result<Option<u64>, Failure> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT number FROM blocks WHERE hash = ?1")?;
            let number = statement.query_row([hash.as_slice()], |row| row.get::<_, i64>(0)).optional()?;
            Ok(number.map(i64::cast_unsigned))
        })
    }

    pub(crate) fn position_of(&self, transaction: &B256) -> Result<Option<Position>, Failure> {
        self.read(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT block, position FROM transactions WHERE hash = ?1")?;
            let position = statement
                .query_row([transaction.as_slice()], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, u32>(1)?)))
                .optional()?;
            Ok(position.map(|(block, index)| (block.cast_unsigned(), index as usize)))
        })
    }

    /// The first block in a range, ends included, in which one of the contracts logged something; in which anybody did, if
    /// none is named.
    pub(crate) fn next_logging(&self, addresses: &[Address], from: u64, to: u64) -> Result<Option<u64>, Failure> {
        let (Ok(from), Ok(to)) = (i64::try_from(from), i64::try_from(to.min(i64::MAX.cast_unsigned()))) else {
            return Ok(None);
        };
        self.read(|connection| {
            if addresses.is_empty() {
                let mut statement =
                    connection.prepare_cached("SELECT min(block) FROM logging WHERE block BETWEEN ?1 AND ?2")?;
                let first: Option<i64> = statement.query_one([from, to], |row| row.get(0))?;
                return Ok(first.map(i64::cast_unsigned));
            }
            let mut statement = connection
                .prepare_cached("SELECT min(block) FROM logging WHERE address = ?1 AND block BETWEEN ?2 AND ?3")?;
            let mut first = None;
            for address in addresses {
                let found: Option<i64> =
                    statement.query_one(params![address.as_slice(), from, to], |row| row.get(0))?;
                first = match (first, found) {
                    (Some(first), Some(found)) => Some(std::cmp::min::<i64>(first, found)),
                    (first, found) => first.or(found),
                };
            }
            Ok(first.map(i64::cast_unsigned))
        })
    }

    fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T, Failure>) -> Result<T, Failure> {
        let Some(readers) = &self.readers else { return read(&self.writer.lock()) };
        let idle = readers.idle.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => Connection::open_with_flags(
                &readers.path,
                OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
            )?,
        };
        let answer = read(&connection);
        readers.idle.lock().push(connection);
        answer
    }
}

/// Makes the tables in a new file, and refuses one that belongs to another chain or to a later version.
fn prepare(connection: &Connection, chain_id: u64, path: &Path) -> Result<(), Error> {
    let found: i64 = connection.query_one("PRAGMA user_version", [], |row| row.get(0)).map_err(Failure::from)?;
    if found > FORMAT {
        return Err(Error::Format { path: path.to_owned(), found, known: FORMAT });
    }
    if found == 0 {
        connection
            .execute_batch(&format!(
                "BEGIN; {TABLES} INSERT INTO chain (id) VALUES ({chain_id}); PRAGMA user_version = {FORMAT}; COMMIT;"
            ))
            .map_err(Failure::from)?;
        return Ok(());
    }
    let found: i64 = connection.query_one("SELECT id FROM chain", [], |row| row.get(0)).map_err(Failure::from)?;
    if found.cast_unsigned() == chain_id {
        Ok(())
    } else {
        Err(Error::OtherChain { path: path.to_owned(), found: found.cast_unsigned(), wanted: chain_id })
    }
}

fn write_block(transaction: &Transaction<'_>, block: &Block) -> Result<(), Failure> {
    let number = block.header.number.cast_signed();
    let Encoded { header, transactions, receipts, senders } = block.encode();
    transaction
        .prepare_cached(
            "INSERT INTO blocks (number, hash, header, transactions, receipts, senders) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![number, block.hash.as_slice(), header, transactions, receipts, senders])?;
    let mut statement =
        transaction.prepare_cached("INSERT INTO transactions (hash, block, position) VALUES (?1, ?2, ?3)")?;
    for (position, transaction) in (0_u32..).zip(&block.transactions) {
        statement.execute(params![transaction.tx_hash().as_slice(), number, position])?;
    }
    let mut statement = transaction.prepare_cached("INSERT INTO logging (address, block) VALUES (?1, ?2)")?;
    for address in block.logging_addresses() {
        statement.execute(params![address.as_slice(), number])?;
    }
    Ok(())
}

fn write_delta(transaction: &Transaction<'_>, delta: &Delta) -> Result<(), Failure> {
    let mut clear_account = transaction.prepare_cached("DELETE FROM accounts WHERE address = ?1")?;
    let mut clear_storage = transaction.prepare_cached("DELETE FROM storage WHERE address = ?1")?;
    let mut set_account = transaction
        .prepare_cached("INSERT OR REPLACE INTO accounts (address, nonce, balance, code) VALUES (?1, ?2, ?3, ?4)")?;
    let mut clear_slot = transaction.prepare_cached("DELETE FROM storage WHERE address = ?1 AND slot = ?2")?;
    let mut set_slot =
        transaction.prepare_cached("INSERT OR REPLACE INTO storage (address, slot, value) VALUES (?1, ?2, ?3)")?;
    for (address, change) in &delta.accounts {
        let address = address.as_slice();
        if change.cleared {
            clear_account.execute([address])?;
            clear_storage.execute([address])?;
        }
        if let Some(account) = &change.account {
            let code = account.has_code().then(|| account.code.original_byte_slice());
            let balance = account.balance.to_be_bytes::<32>();
            set_account.execute(params![address, account.nonce.cast_signed(), balance, code])?;
        }
        for (slot, value) in &change.slots {
            let slot = slot.to_be_bytes::<32>();
            if value.is_zero() {
                clear_slot.execute(params![address, slot])?;
            } else {
                set_slot.execute(params![address, slot, value.to_be_bytes::<32>()])?;
            }
        }
    }
    Ok(())
}

fn read_block(connection: &Connection, number: i64) -> Result<Option<Block>, Failure> {
    let mut statement = connection
        .prepare_cached("SELECT hash, header, transactions, receipts, senders FROM blocks WHERE number = ?1")?;
    let stored = statement
        .query_row([number], |row| {
            let encoded =
                Encoded { header: row.get(1)?, transactions: row.get(2)?, receipts: row.get(3)?, senders: row.get(4)? };
            Ok((B256::from(row.get::<_, [u8; 32]>(0)?), encoded))
        })
        .optional()?;
    stored
        .map(|(hash, encoded)| Block::decode(hash, &encoded).map_err(|damage| Failure::Block { number, damage }))
        .transpose()
}

fn read_state(connection: &Connection) -> Result<State, Failure> {
    let mut state = State::default();
    let mut statement = connection.prepare("SELECT address, nonce, balance, code FROM accounts")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let address = Address::from(row.get::<_, [u8; 20]>(0)?);
        let nonce = row.get::<_, i64>(1)?.cast_unsigned();
        let balance = U256::from_be_bytes(row.get::<_, [u8; 32]>(2)?);
        let code = row.get::<_, Option<Vec<u8>>>(3)?.map(Into::into);
        let account = Account::new(nonce, balance, code)
            .map_err(|error| Failure::State(format!("the code of {address}: {error}")))?;
        state.restore(&address, account);
    }
    let mut statement = connection.prepare("SELECT address, slot, value FROM storage")?;
    let mut rows = statement.query([])?;
    let mut slots = Slots::default();
    while let Some(row) = rows.next()? {
        let address = Address::from(row.get::<_, [u8; 20]>(0)?);
        if slots.address != address {
            std::mem::take(&mut slots).restore(&mut state);
            slots.address = address;
        }
        slots
            .words
            .push((U256::from_be_bytes(row.get::<_, [u8; 32]>(1)?), U256::from_be_bytes(row.get::<_, [u8; 32]>(2)?)));
    }
    slots.restore(&mut state);
    Ok(state)
}

/// The slots of one account on their way from the database: its rows lie together.
#[derive(Default)]
struct Slots {
    address: Address,
    words: Vec<(U256, U256)>,
}

impl Slots {
    fn restore(self, state: &mut State) {
        if !self.words.is_empty() {
            state.restore_storage(&self.address, self.words);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::Frame;
    use crate::state::AccountDelta;

    fn frame(number: u64) -> Frame {
        Frame { parent: B256::ZERO, number, timestamp: number, gas_limit: 30_000_000, base_fee: 0 }
    }

    fn change(account: Option<Account>, cleared: bool, slots: &[(u64, u64)]) -> AccountDelta {
        let slots = slots.iter().map(|(slot, value)| (U256::from(*slot), U256::from(*value))).collect();
        AccountDelta { cleared, account, slots }
    }

    fn stored(archive: &Archive) -> State {
        read_state(&archive.writer.lock()).unwrap()
    }

    #[test]
    fn state_follows_the_changes() {
        let archive = Archive::in_memory(1).unwrap();
        let address = Address::repeat_byte(3);
        let code = alloy::primitives::Bytes::from_static(&[0x5f]);
        let contract = Account::new(1, U256::from(9), Some(code)).unwrap();
        let mut delta = Delta::default();
        delta.accounts.insert(address, change(Some(contract.clone()), true, &[(1, 5), (2, 6)]));
        archive.append(&frame(0).seal(vec![], vec![], B256::ZERO), &delta).unwrap();
        let mut expected = State::default();
        expected.restore(&address, contract.clone());
        expected.restore_storage(&address, [(U256::from(1), U256::from(5)), (U256::from(2), U256::from(6))]);
        assert_eq!(stored(&archive).root(), expected.root());

        // A slot set to zero is gone, and so is everything when the account is cleared.
        let mut delta = Delta::default();
        delta.accounts.insert(address, change(Some(contract), false, &[(1, 0)]));
        archive.append(&frame(1).seal(vec![], vec![], B256::ZERO), &delta).unwrap();
        assert_eq!(stored(&archive).storage(&address, U256::from(1)), U256::ZERO);
        assert_eq!(stored(&archive).storage(&address, U256::from(2)), U256::from(6));
        let mut delta = Delta::default();
        delta.accounts.insert(address, change(None, true, &[]));
        archive.append(&frame(2).seal(vec![], vec![], B256::ZERO), &delta).unwrap();
        assert_eq!(stored(&archive).root(), State::default().root());
    }

    #[test]
    fn a_state_that_is_not_the_heads_is_refused() {
        let archive = Archive::in_memory(1).unwrap();
        assert!(archive.load().unwrap().is_none());
        archive.append(&frame(0).seal(vec![], vec![], State::default().root()), &Delta::default()).unwrap();
        assert!(archive.load().unwrap().is_some());
        archive.append(&frame(1).seal(vec![], vec![], B256::repeat_byte(1)), &Delta::default()).unwrap();
        assert!(matches!(archive.load(), Err(Failure::State(_))));
    }

    #[test]
    fn a_commit_on_disk_waits_for_the_disk() {
        let directory = tempfile::tempdir().unwrap();
        let (archive, _lock) = Archive::open(directory.path(), 5).unwrap();
        let writer = archive.writer.lock();
        let setting = |name: &str| writer.query_one(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0)).unwrap();
        let full = 2;
        assert_eq!(setting("synchronous"), full);
        let mode: String = writer.query_one("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
    }

    #[test]
    fn a_directory_belongs_to_one_process_and_one_chain() {
        let directory = tempfile::tempdir().unwrap();
        let archive = Archive::open(directory.path(), 5).unwrap();
        assert!(matches!(Archive::open(directory.path(), 5), Err(Error::InUse { .. })));
        drop(archive);
        assert!(matches!(Archive::open(directory.path(), 6), Err(Error::OtherChain { found: 5, wanted: 6, .. })));
        let archive = Archive::open(directory.path(), 5).unwrap();
        archive.0.writer.lock().execute_batch("PRAGMA user_version = 2").unwrap();
        drop(archive);
        assert!(matches!(Archive::open(directory.path(), 5), Err(Error::Format { found: 2, known: 1, .. })));
    }
}
