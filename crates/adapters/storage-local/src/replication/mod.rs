//! How contents get from member to member: pushed when they are published, pulled when they are missing.
//!
//! Pushes are a courtesy that saves time; pulls are what correctness rests on. So an announcement may be lost, a content
//! may not.

pub(crate) mod fetch;
pub(crate) mod flights;
pub(crate) mod hints;
pub(crate) mod outbox;
pub(crate) mod serve;
