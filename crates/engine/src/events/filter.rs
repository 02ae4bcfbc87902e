//! Which events a subscription wants. All patterns must match; each is searched for in one text, which is empty for events that
//! do not have it.

use photinus_model::subscription::Filter;
use regex::Regex;

use super::{enrich::Enriched, regexp};

/// A pattern that cannot be used, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("filter '{field}': {error}")]
pub struct Error {
    /// Path of the pattern, such as `filter.message.tag`.
    pub field: &'static str,
    /// What is wrong with it.
    #[source]
    pub error: regexp::Error,
}

/// The text that a pattern is searched in.
#[derive(Clone, Copy)]
enum Subject {
    Type,
    Topic,
    Tag,
    Author,
    Group,
    TransactionType,
    BlockchainEventName,
    Listener,
}

/// A compiled filter.
#[derive(Clone, Default)]
pub(super) struct Compiled {
    patterns: Vec<(Subject, Regex)>,
}

impl Compiled {
    /// Compiles a filter. Deprecated members are compiled too; where a newer one is given it counts in their place.
    pub(super) fn new(filter: &Filter) -> Result<Self, Error> {
        let message = &filter.message;
        let patterns = [
            (Subject::Type, "filter.events", &filter.events, None),
            (Subject::Topic, "filter.topic", &filter.topic, None),
            (Subject::Topic, "filter.topics", &filter.topics, Some(&filter.topic)),
            (Subject::Tag, "filter.message.tag", &message.tag, None),
            (Subject::Tag, "filter.tag", &filter.tag, Some(&message.tag)),
            (Subject::Author, "filter.message.author", &message.author, None),
            (Subject::Author, "filter.author", &filter.author, Some(&message.author)),
            (Subject::Group, "filter.message.group", &message.group, None),
            (Subject::Group, "filter.group", &filter.group, Some(&message.group)),
            (Subject::TransactionType, "filter.transaction.type", &filter.transaction.kind, None),
            (Subject::BlockchainEventName, "filter.blockchain.name", &filter.blockchainevent.name, None),
            (Subject::Listener, "filter.blockchain.listener", &filter.blockchainevent.listener, None),
        ];
        let mut compiled = Vec::new();
        for (subject, field, pattern, instead) in patterns {
            let regex = regexp::compile(pattern).map_err(|error| Error { field, error })?;
            if let Some(regex) = regex
                && instead.is_none_or(|newer| newer.is_empty())
            {
                compiled.push((subject, regex));
            }
        }
        Ok(Self { patterns: compiled })
    }

    /// Whether an event passes.
    pub(super) fn passes(&self, enriched: &Enriched) -> bool {
        self.patterns.iter().all(|(subject, regex)| match subject {
            Subject::Listener => {
                let listener = enriched.blockchain_event.as_ref().and_then(|event| event.listener);
                regex.is_match(&listener.map(|listener| listener.to_string()).unwrap_or_default())
            }
            Subject::Group => {
                let group = enriched.message.as_ref().and_then(|message| message.header.group);
                regex.is_match(&group.map(|group| group.to_string()).unwrap_or_default())
            }
            subject => regex.is_match(text(*subject, enriched)),
        })
    }
}

fn text(subject: Subject, enriched: &Enriched) -> &str {
    let header = enriched.message.as_ref().map(|message| &message.header);
    match subject {
        Subject::Type => enriched.event.kind.as_str(),
        Subject::Topic => &enriched.event.topic,
        Subject::Tag => header.map_or("", |header| &header.tag),
        Subject::Author => header.map_or("", |header| &header.author),
        Subject::TransactionType => enriched.transaction.as_ref().map_or("", |transaction| transaction.kind.as_str()),
        Subject::BlockchainEventName => enriched.blockchain_event.as_ref().map_or("", |event| &event.name),
        Subject::Group | Subject::Listener => "",
    }
}
