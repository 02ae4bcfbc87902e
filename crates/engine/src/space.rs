//! Who owns which part of the store's ordered key-value table.

/// Rows of the sequencing machine.
pub(crate) const SEQUENCING: u8 = 1;
/// Where the ledger stream resumes, per contract.
pub(crate) const LEDGER_CURSOR: u8 = 2;
/// The ledger adapter's journal of submissions.
pub(crate) const JOURNAL: u8 = 3;
/// What the namespace knows of its network: the contracts.
pub(crate) const NETWORK: u8 = 5;
/// Deliveries of webhooks that failed, and their secrets.
pub(crate) const WEBHOOKS: u8 = 12;
/// The next nonces of this node's authors, by topic and group.
pub(crate) const NONCES: u8 = 6;
/// What is owed to other members' nodes, in order, per node.
pub(crate) const OUTBOX: u8 = 7;
/// Bytes of files that came from each peer.
pub(crate) const RECEIVED: u8 = 8;
/// Bytes of those that were deleted with their data.
pub(crate) const FREED: u8 = 18;
/// Batches without a pin that wait for files, by file.
pub(crate) const UNPINNED: u8 = 9;
/// Private payloads that the ledger names and that nobody delivered.
pub(crate) const REPAIRS: u8 = 10;
/// Files of private messages that nobody delivered.
pub(crate) const FILE_REPAIRS: u8 = 13;
/// Batches that came ahead of their pin.
pub(crate) const EARLY: u8 = 14;
/// Files that came ahead of the message that names them.
pub(crate) const EARLY_FILES: u8 = 15;
/// Groups that somebody wrote to and that are not known.
pub(crate) const GROUP_REPAIRS: u8 = 16;
/// Evidence of two things where there should be one.
pub(crate) const EQUIVOCATIONS: u8 = 17;
/// Contents and blobs that shared storage should have and we do not.
pub(crate) const FETCHES: u8 = 4;
