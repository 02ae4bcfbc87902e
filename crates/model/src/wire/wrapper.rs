//! What data exchange carries between nodes: a batch, and with a batch that is not pinned the group that it is for.

use serde::Serialize;

use super::{Batch, Error, decode::decode_object, read};
use crate::{batch, definition::received::GroupText, group::Group, json};

/// A wrapper as a peer wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrapper {
    /// The group, if there is one that can be read. Neither its hash nor its members are checked.
    pub group: Option<Group>,
    /// The batch.
    pub batch: Batch,
}

#[derive(Default)]
struct Text {
    group: Option<GroupText>,
    batch: Option<Batch>,
}

decode_object!(Text { group = "group", batch = "batch", });

/// Reads what a peer sent. Total: any text ends in a wrapper or an error, in time and memory linear in its length. `None` if
/// there is no batch in it.
///
/// # Errors
/// When the text is too long, is not JSON, or has another shape.
pub fn parse_wrapper(text: &str, limit: usize) -> Result<Option<Wrapper>, Error> {
    if text.len() >= limit {
        return Err(Error::TooLong { length: text.len(), limit });
    }
    let Text { group, batch } = read(text)?;
    Ok(batch.map(|batch| Wrapper { group: group.and_then(GroupText::group), batch }))
}

/// The text that data exchange carries.
#[must_use]
pub fn wrap(group: Option<&Group>, batch: &batch::Batch) -> String {
    #[derive(Serialize)]
    struct Out<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        group: Option<&'a Group>,
        batch: &'a batch::Batch,
    }
    json::own(&Out { group, batch })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrappers_are_read_as_go_reads_them() {
        let text = r#"{"Group":{"namespace":"ns","members":[{"identity":"a"}]},"batch":{"namespace":"ns"},"more":1}"#;
        let wrapper = parse_wrapper(text, 1_000).unwrap().unwrap();
        assert_eq!(wrapper.batch.namespace(), "ns");
        assert_eq!(wrapper.group.unwrap().members[0].identity, "a");
        assert_eq!(parse_wrapper("{}", 1_000).unwrap(), None);
        assert_eq!(parse_wrapper(r#"{"batch":null}"#, 1_000).unwrap(), None);
        assert_eq!(parse_wrapper(r#"{"group":{"members":[null]},"batch":{}}"#, 1_000).unwrap().unwrap().group, None);
        assert!(parse_wrapper("[]", 1_000).is_err());
        assert!(matches!(parse_wrapper(text, 10), Err(Error::TooLong { .. })));
    }
}
