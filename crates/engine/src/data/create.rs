//! New data: completed, hashed and checked against its datatype.

use photinus_model::{
    JsonText,
    data::{BlobRef, Data, DatatypeRef, Validator, blob_name, blob_path},
    message::InlineData,
};

use super::Error;
use crate::core::Core;

/// The contents of data that is to be created.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    pub(super) validator: Validator,
    pub(super) datatype: Option<DatatypeRef>,
    pub(super) value: Option<JsonText>,
    pub(super) blob: Option<BlobRef>,
}

impl From<InlineData> for Draft {
    fn from(input: InlineData) -> Self {
        Self { validator: input.validator, datatype: input.datatype, value: input.value, blob: input.blob }
    }
}

/// Completes data with id, time and hash, and checks it. A blob must be one that this node holds.
pub(super) async fn create(core: &Core, draft: Draft) -> Result<Data, Error> {
    let blob = match draft.blob {
        Some(blob) => Some(held(core, blob, draft.value.as_ref()).await?),
        None => None,
    };
    finish(core, Draft { blob, ..draft }).await
}

/// As [`create`], for a blob that was just stored.
pub(super) async fn finish(core: &Core, draft: Draft) -> Result<Data, Error> {
    let mut data = Data {
        id: core.ports.ids.next(),
        validator: draft.validator,
        namespace: core.name().to_owned(),
        hash: None,
        created: Some(core.ports.clock.now()),
        datatype: draft.datatype.filter(|datatype| *datatype != DatatypeRef::default()),
        value: draft.value.filter(|value| !value.is_null()),
        public: String::new(),
        blob: draft.blob,
    };
    data.seal()?;
    check(core, &data.validator, data.datatype.as_ref(), data.value.as_ref(), data.blob.is_some()).await?;
    Ok(data)
}

/// The reference to a blob, completed from what this node holds.
async fn held(core: &Core, blob: BlobRef, value: Option<&JsonText>) -> Result<BlobRef, Error> {
    let Some(hash) = blob.hash else { return Err(photinus_model::data::Error::Empty.into()) };
    let held = core.store.read(core.name()).blobs_by_hash(hash).await?;
    let held = held.first().ok_or(Error::BlobUnknown(hash))?;
    let name = value.and_then(blob_name).unwrap_or(blob.name);
    Ok(BlobRef { hash: Some(hash), size: held.size, path: blob_path(&name), name, public: String::new() })
}

/// Checks a value against its datatype, if it has one. With the validator `none` a datatype is only a label.
pub(super) async fn check(
    core: &Core,
    validator: &Validator,
    datatype: Option<&DatatypeRef>,
    value: Option<&JsonText>,
    has_blob: bool,
) -> Result<(), Error> {
    let Some(datatype) = datatype.filter(|_| *validator != Validator::None) else { return Ok(()) };
    let unknown = || Error::Datatype { name: datatype.name.clone(), version: datatype.version.clone() };
    if datatype.name.is_empty() || datatype.version.is_empty() {
        return Err(unknown());
    }
    let known = core.store.read(core.name()).datatype(&datatype.name, &datatype.version).await?;
    let schema = known.and_then(|known| known.value).ok_or_else(unknown)?;
    let value = value.filter(|value| !value.is_null()).ok_or(Error::NullValue)?;
    let invalid = |reason| Error::Invalid { name: datatype.name.clone(), version: datatype.version.clone(), reason };
    if has_blob {
        // Members that run FireFly compare hash of value and blob with that of the value alone, and stop for good.
        return Err(invalid("data with a blob cannot be checked by all members: use validator none".to_owned()));
    }
    let schema = core.schemas.compile(&schema.hash(), schema.as_str()).map_err(Error::Schema)?;
    schema.check(value.as_str()).map_err(invalid)
}
