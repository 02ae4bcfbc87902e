//! How a part of a node says that it works.

/// State of a part, for `/status` and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It works.
    Up,
    /// It does not, with the reason that an operator reads. The part goes on trying.
    Down(String),
}
