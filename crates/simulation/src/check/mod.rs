//! What must be true when a network has come to rest.

pub(crate) mod models;
pub(crate) mod own;
pub(crate) mod shared;
pub(crate) mod view;

pub(crate) use view::View;
