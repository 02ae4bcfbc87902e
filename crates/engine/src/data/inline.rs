//! Data of a message: references to what is stored, and new data in line.

use std::collections::{HashMap, HashSet};

use photinus_model::{Uuid, data::Data, message::InlineData};

use super::{Error, create};
use crate::{core::Core, messaging::Entry};

/// Resolves references and creates what is new, in the order of the message.
pub(crate) async fn resolve(core: &Core, input: Vec<InlineData>) -> Result<Vec<Entry>, Error> {
    let limit = core.options.limits.data_per_message;
    if input.len() > limit {
        return Err(Error::TooMany(limit));
    }
    let wanted = references(&input)?;
    let mut stored = stored(core, &wanted).await?;
    let mut entries = Vec::with_capacity(input.len());
    for (index, item) in input.into_iter().enumerate() {
        entries.push(match item.id {
            Some(id) => {
                let unknown = |hash| Error::Unknown { index, id, hash };
                let data = stored.remove(&id).ok_or_else(|| unknown(false))?;
                if item.hash.is_some() && item.hash != data.hash {
                    return Err(unknown(true));
                }
                Entry { data, stored: true }
            }
            None => Entry { data: create::create(core, item.into()).await?, stored: false },
        });
    }
    Ok(entries)
}

/// The ids that a message refers to, once it is clear that every entry says one thing.
fn references(input: &[InlineData]) -> Result<Vec<Uuid>, Error> {
    let mut seen = HashSet::new();
    for (index, item) in input.iter().enumerate() {
        let content = item.value.as_ref().is_some_and(|value| !value.is_null()) || item.blob.is_some();
        match item.id {
            Some(_) if content => return Err(Error::Ambiguous(index)),
            Some(id) if !seen.insert(id) => return Err(Error::Duplicate(id)),
            None if !content => return Err(Error::Empty(index)),
            _ => {}
        }
    }
    Ok(seen.into_iter().collect())
}

/// Stored data by id. Blobs that belong to it must be held here, or nobody could be given them.
async fn stored(core: &Core, ids: &[Uuid]) -> Result<HashMap<Uuid, Data>, Error> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let read = core.store.read(core.name());
    let found = read.data_by_ids(ids).await?;
    for hash in found.iter().filter_map(|data| data.blob.as_ref()?.hash) {
        if read.blobs_by_hash(hash).await?.is_empty() {
            return Err(Error::BlobUnknown(hash));
        }
    }
    Ok(found.into_iter().map(|data| (data.id, data)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn code(input: &str) -> Option<&'static str> {
        let input: Vec<InlineData> = serde_json::from_str(input).unwrap();
        references(&input).err().map(|error| error.code())
    }

    #[test]
    fn entries_say_one_thing() {
        let id = "9dbaf94a-aa6b-40e3-bb65-c1eb39c1af4d";
        assert_eq!(code(r#"[{"value":null}]"#), Some("FF10205"));
        assert_eq!(code("[{}]"), Some("FF10205"));
        assert_eq!(code(r#"[{"value":0},{"value":""}]"#), None);
        assert_eq!(code(&format!(r#"[{{"id":"{id}","value":1}}]"#)), Some("FF10205"));
        assert_eq!(code(&format!(r#"[{{"id":"{id}","value":null}}]"#)), None);
        assert_eq!(code(&format!(r#"[{{"id":"{id}"}},{{"id":"{id}"}}]"#)), Some("FF00129"));
    }
}
