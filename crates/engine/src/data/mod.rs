//! Data: values and blobs, checked and hashed before they are stored, and sent by reference.
//!
//! Blobs flow: their bytes are never held in memory as a whole. Deliberately not here: how blobs and batches of other members
//! are fetched, and multipart forms.

pub(crate) mod blob;
mod create;
mod error;
pub(crate) mod held;
pub(crate) mod inline;
mod publish;
pub(crate) mod schema;
mod upload;

pub use blob::Received;
pub use error::Error;
pub use publish::Input as PublishInput;
pub(crate) use publish::{upload_blob, upload_value};
pub use upload::Fields;
