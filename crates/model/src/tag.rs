//! Message tags with a meaning of their own. Users are not prevented from setting them.

/// A datatype is published.
pub const DEFINE_DATATYPE: &str = "ff_define_datatype";
/// A group is created (private, type `groupinit`).
pub const DEFINE_GROUP: &str = "ff_define_group";
/// A token pool is published.
pub const DEFINE_POOL: &str = "ff_define_pool";
/// A contract interface is published.
pub const DEFINE_FFI: &str = "ff_define_ffi";
/// A contract API is published.
pub const DEFINE_CONTRACT_API: &str = "ff_define_contract_api";
/// An identity is claimed.
pub const IDENTITY_CLAIM: &str = "ff_identity_claim";
/// A parent vouches for a claimed identity.
pub const IDENTITY_VERIFICATION: &str = "ff_identity_verification";
/// An identity's profile changes.
pub const IDENTITY_UPDATE: &str = "ff_identity_update";
/// A cancelled private message is replaced, to use its nonce.
pub const GAP_FILL: &str = "ff_gap_fill";
/// An organisation is defined, in networks of contract version 1.
pub const DEPRECATED_DEFINE_ORGANIZATION: &str = "ff_define_organization";
/// A node is defined, in networks of contract version 1.
pub const DEPRECATED_DEFINE_NODE: &str = "ff_define_node";
