//! Two things where an author should have said one: kept as evidence, and decided by it is nothing.
//!
//! The hash on the ledger does not cover everything in a payload. Under one hash an author can send different members different
//! names of datatypes, say, and they judge its message differently; or it pins two messages under one value. Whoever sees both
//! keeps the digests of both, and tells. A member that serves a payload can change what the hash does not cover as well, so
//! each evidence says whom it came from.

use photinus_model::{Hash, Time, Uuid, batch::Batch};
use photinus_sequencing::{
    decision::{Alarm, Claimed, TwoMessages},
    facts::Source,
    reason::Lane,
};
use photinus_store::Change;
use serde::{Deserialize, Serialize};

use super::{
    driver::{Error, Turn},
    group::Group,
    inbox::Content,
};
use crate::{Namespace, batching, core::Core, space};

/// Most entries that are kept; whoever makes more has been found out.
const MOST: usize = 1_000;
/// Messages of one batch under which its evidence is found.
const MESSAGES: usize = 50;

/// Two things where there should be one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Equivocation {
    /// `payload`: two payloads under one hash. `value`: two messages under one value on the ledger.
    pub kind: String,
    /// Who wrote it.
    pub author: String,
    /// The group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Hash>,
    /// The topic, the first one if there are several.
    pub topic: String,
    /// What differs, of two payloads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differs: Vec<String>,
    /// What came first.
    pub one: Evidence,
    /// What came then.
    pub other: Evidence,
    /// When that was noticed.
    pub seen: Time,
}

/// One of two things.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The batch.
    pub batch: Uuid,
    /// Its hash.
    pub hash: Hash,
    /// The message, of two messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Uuid>,
    /// The digest of what the hash does not cover, or of the message.
    pub digest: Hash,
    /// Whom it came from, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

impl Equivocation {
    fn is_same(&self, other: &Self) -> bool {
        (&self.kind, &self.one, &self.other) == (&other.kind, &other.one, &other.other)
    }

    fn key(&self, message: Uuid) -> Vec<u8> {
        let pair = Hash::concat(&[
            self.one.batch.as_bytes(),
            self.one.digest.as_bytes(),
            self.other.batch.as_bytes(),
            self.other.digest.as_bytes(),
        ]);
        [message.as_bytes().as_slice(), pair.as_bytes()].concat()
    }
}

/// What somebody looks at and the hash does not cover. Members who compare their digests of it find out more.
#[derive(PartialEq, Eq, Serialize)]
struct Uncovered<'a> {
    node: Option<Uuid>,
    group: Option<Hash>,
    #[serde(rename = "type")]
    kind: &'a str,
    pins: Vec<&'a [String]>,
    validators: Vec<&'a str>,
    datatypes: Vec<Option<(&'a str, &'a str)>>,
    files: Vec<Option<(&'a str, i64)>>,
}

impl<'a> Uncovered<'a> {
    fn of(batch: &'a Batch) -> Self {
        let data = || batch.payload.data.iter();
        Self {
            node: batch.node,
            group: batch.group,
            kind: batch.kind.as_str(),
            pins: batch.payload.messages.iter().map(|message| &message.pins[..]).collect(),
            validators: data().map(|data| data.validator.as_str()).collect(),
            datatypes: data()
                .map(|data| data.datatype.as_ref().map(|named| (named.name.as_str(), named.version.as_str())))
                .map(|named| named.filter(|(name, version)| !(name.is_empty() && version.is_empty())))
                .collect(),
            files: data().map(|data| data.blob.as_ref().map(|blob| (blob.name.as_str(), blob.size))).collect(),
        }
    }

    fn digest(&self) -> Hash {
        Hash::of(serde_json::to_vec(self).unwrap_or_default())
    }

    /// What differs.
    fn differences(&self, other: &Self) -> Vec<String> {
        let found = [
            ("node", self.node != other.node),
            ("group", self.group != other.group),
            ("type", self.kind != other.kind),
            ("pins", self.pins != other.pins),
            ("validator", self.validators != other.validators),
            ("datatype", self.datatypes != other.datatypes),
            ("file", self.files != other.files),
        ];
        found.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name.to_owned()).collect()
    }
}

/// What is known of a batch.
fn evidence(batch: &Batch, from: Option<String>) -> Evidence {
    let digest = Uncovered::of(batch).digest();
    Evidence { batch: batch.id, hash: batch.hash, message: None, digest, from }
}

fn source(source: &Source) -> Option<String> {
    match source {
        Source::Peer(peer) => Some(peer.clone()),
        Source::Storage => Some("shared storage".to_owned()),
        Source::Repair => Some("a member that was asked for it".to_owned()),
        Source::Own => None,
    }
}

/// The batch that is here under the id and hash of another, if they say something differently.
pub(crate) async fn other_payload(
    core: &Core,
    batch: &Batch,
) -> Result<Option<(Batch, Vec<String>)>, photinus_store::Error> {
    let Some(record) = core.store.read(core.name()).batch_with_hash(batch.id, batch.hash).await? else {
        return Ok(None);
    };
    let held = match batching::rebuild_record(core, record).await {
        Ok(held) => held.batch,
        Err(batching::RecoveryError::Store(error)) => return Err(error),
        Err(_) => return Ok(None),
    };
    let differs = Uncovered::of(&held).differences(&Uncovered::of(batch));
    Ok((!differs.is_empty()).then(|| (Batch::clone(&held), differs)))
}

impl Turn<'_> {
    /// Compares content with what is here under the same id and hash.
    pub(super) async fn compare(&mut self, content: &Content) -> Result<(), Error> {
        let batch = &content.batch;
        let Some((held, differs)) = other_payload(self.core, batch).await? else { return Ok(()) };
        let topics = batch.payload.messages.iter().flat_map(|message| &message.header.topics);
        let found = Equivocation {
            kind: "payload".to_owned(),
            author: batch.author.clone(),
            group: batch.payload.messages.iter().find_map(|message| message.header.group),
            topic: topics.clone().next().cloned().unwrap_or_default(),
            differs,
            one: evidence(&held, None),
            other: evidence(batch, source(&content.source)),
            seen: self.group.now,
        };
        let ids = batch.payload.messages.iter().take(MESSAGES).map(|message| message.header.id).collect();
        Ok(keep(self.core, &mut self.group, &found, ids).await?)
    }
}

/// Keeps what an alarm tells of, if it is of this kind.
pub(super) async fn alarmed(core: &Core, group: &mut Group<'_>, alarm: &Alarm) -> Result<bool, super::apply::Error> {
    let Alarm::TwoMessages(found) = alarm else { return Ok(false) };
    let TwoMessages { lane, one, other, .. } = &**found;
    let Lane { group: hash, topic, author } = lane;
    let evidence = |claimed: &Claimed| Evidence {
        batch: claimed.batch.id,
        hash: claimed.batch.hash,
        message: Some(claimed.message.id),
        digest: claimed.message.hash,
        from: None,
    };
    let found = Equivocation {
        kind: "value".to_owned(),
        author: author.as_str().to_owned(),
        group: Some(*hash),
        topic: topic.clone(),
        differs: Vec::new(),
        one: evidence(one),
        other: evidence(other),
        seen: group.now,
    };
    keep(core, group, &found, vec![one.message.id, other.message.id]).await?;
    Ok(true)
}

async fn keep(
    core: &Core,
    group: &mut Group<'_>,
    found: &Equivocation,
    messages: Vec<Uuid>,
) -> Result<(), super::apply::Error> {
    let Equivocation { kind, author, one, other, .. } = found;
    let told = format!(
        "{author} said two things where there should be one ({kind}): {} in batch {}, {} in batch {}",
        one.digest, one.batch, other.digest, other.batch
    );
    if core.aggregation.raise(told.clone()) {
        tracing::error!(namespace = core.name(), told, "equivocation");
    }
    let kept = core.store.kv_range(core.name(), space::EQUIVOCATIONS, &[], None, MOST).await?.len();
    for message in messages.into_iter().take(MOST.saturating_sub(kept)) {
        let key = found.key(message);
        // What was seen first stays.
        if core.store.kv_get(core.name(), space::EQUIVOCATIONS, &key).await?.is_none() {
            group.push(Change::PutKv { space: space::EQUIVOCATIONS, key, value: serde_json::to_vec(found)? });
        }
    }
    Ok(())
}

/// What was noticed about a message.
pub(super) async fn of_message(core: &Core, message: Uuid) -> Result<Vec<Equivocation>, photinus_store::Error> {
    let found = core.store.kv_scan(core.name(), space::EQUIVOCATIONS, message.as_bytes(), None, 16).await?;
    Ok(found.into_iter().filter_map(|(_, value)| serde_json::from_slice(&value).ok()).collect())
}

impl Namespace {
    /// What authors said twice where there should be one thing, as far as it is kept.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn equivocations(&self) -> Result<Vec<Equivocation>, photinus_store::Error> {
        let core = self.core();
        let mut found: Vec<Equivocation> = Vec::new();
        for (_, value) in core.store.kv_range(core.name(), space::EQUIVOCATIONS, &[], None, MOST).await? {
            let Ok(one) = serde_json::from_slice::<Equivocation>(&value) else { continue };
            if !found.iter().any(|known| known.is_same(&one)) {
                found.push(one);
            }
        }
        Ok(found)
    }
}
