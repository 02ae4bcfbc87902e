//! Creating, changing, deleting and reading subscriptions.

use photinus_model::{Uuid, event::Event, subscription::Subscription};
use photinus_query::{Condition, Filter, Operator, Query, Value, collection};
use photinus_store::{Change, ChangeSet, What};

use super::{
    Error, Input,
    attach::{OFFSETS, stored_offset},
    enrich::{Enriched, enrich},
    filter::Compiled,
    position::resolve,
    subscription::{check, start},
    webhooks,
};
use crate::{Namespace, certain, core::Core};

impl Namespace {
    /// Creates a subscription. Its start is settled when this returns: no event behind it is missed.
    ///
    /// # Errors
    /// When it is wrong, or its name is taken.
    pub async fn create_subscription(&self, input: Input) -> Result<Subscription, Error> {
        self.put_subscription(input, true).await
    }

    /// Creates or changes the subscription of a name. Id, time of creation and position stay.
    ///
    /// # Errors
    /// When it is wrong.
    pub async fn upsert_subscription(&self, input: Input) -> Result<Subscription, Error> {
        self.put_subscription(input, false).await
    }

    async fn put_subscription(&self, input: Input, new: bool) -> Result<Subscription, Error> {
        let core = self.core();
        let (ids, clock) = (&core.ports.ids, &core.ports.clock);
        let (defaults, calls) = (&core.options.subscriptions, core.ports.webhooks.as_deref());
        let mut subscription = check(input, ids.next(), core.name(), clock.now(), defaults, calls)?;
        let known = core.store.read(core.name()).subscription_by_name(&subscription.name).await?;
        match known {
            Some(_) if new => return Err(Error::Exists(subscription.name)),
            Some(old) => {
                subscription.id = old.id;
                subscription.created = old.created;
                subscription.options.first_event.clone_from(&old.options.first_event);
                let unchanged = Subscription { updated: old.updated, ..subscription.clone() } == old;
                subscription.updated = Some(clock.now());
                if unchanged {
                    // It may have come with a commit whose outcome was not known.
                    if core.events.registry.by_id(subscription.id).is_none() {
                        core.events.registry.put(old, Compiled::new(&subscription.filter)?);
                    }
                    return Ok(subscription);
                }
            }
            None => {
                let limit = core.options.subscriptions.max;
                if core.events.registry.len() >= limit {
                    return Err(Error::TooMany(limit));
                }
                let offset = resolve(core, start(subscription.options.first_event.as_deref())?).await?;
                subscription.options.first_event = Some(offset.to_string());
            }
        }
        let filter = Compiled::new(&subscription.filter)?;
        let mut changes = ChangeSet::new(core.name());
        changes.push(if new {
            Change::InsertSubscription(subscription.clone())
        } else {
            Change::UpsertSubscription(subscription.clone())
        });
        let read = core.store.read(core.name());
        let (read, wanted) = (&read, &subscription);
        let written = || async move {
            let stored = read.subscription(wanted.id).await?;
            Ok(stored.is_some_and(|stored| stored.updated == wanted.updated))
        };
        match certain::submit(core, changes, written).await {
            Ok(()) => {}
            Err(photinus_store::Error::Conflict(conflict)) if conflict.what == What::SubscriptionName => {
                return Err(Error::Exists(subscription.name));
            }
            Err(error) => return Err(error.into()),
        }
        core.events.registry.put(subscription.clone(), filter);
        Ok(subscription)
    }

    /// Deletes a subscription. Connections that had started it stay, and start one of the same name if it is created.
    ///
    /// # Errors
    /// When there is none.
    pub async fn delete_subscription(&self, id: Uuid) -> Result<(), Error> {
        let core = self.core();
        core.store.read(core.name()).subscription(id).await?.ok_or(Error::NotFound(id))?;
        core.events.registry.remove(id);
        let mut changes = ChangeSet::new(core.name());
        changes.push(Change::DeleteSubscription(id));
        changes.push(Change::DeleteOffset { kind: OFFSETS, name: id.to_string() });
        core.store.submit(changes).await?;
        webhooks::forget(core, id).await?;
        Ok(())
    }

    /// The last event that a subscription is done with.
    ///
    /// # Errors
    /// When there is no such subscription.
    pub async fn subscription_offset(&self, id: Uuid) -> Result<i64, Error> {
        let core = self.core();
        let active = core.events.registry.by_id(id).ok_or(Error::NotFound(id))?;
        match active.progress.offset() {
            Some(offset) => Ok(offset),
            None => Ok(stored_offset(core, id, &active.subscription.options).await?),
        }
    }

    /// The events that a subscription would deliver, out of those that a query selects. `from` and `to` are sequences, the
    /// second exclusive; with either, the query's limit counts what is delivered, from the end.
    ///
    /// # Errors
    /// When there is no such subscription, or the range is too large.
    pub async fn subscription_events(
        &self,
        id: Uuid,
        mut query: Query,
        from: Option<i64>,
        to: Option<i64>,
    ) -> Result<Vec<Enriched>, Error> {
        let core = self.core();
        let read = core.store.read(core.name());
        let subscription = read.subscription(id).await?.ok_or(Error::NotFound(id))?;
        let filter = Compiled::new(&subscription.filter)?;
        let scan = core.options.subscriptions.max_scan;
        let span = i64::try_from(scan).unwrap_or(i64::MAX);
        let wanted = query.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let range = match (from, to) {
            (Some(from), Some(to)) if to.saturating_sub(from) > span => return Err(Error::Scan(scan)),
            (Some(from), Some(to)) => Some((from, to)),
            (Some(from), None) => Some((from, from.saturating_add(span))),
            (None, Some(to)) => {
                let back = query.limit.map_or(span, |limit| i64::try_from(limit).unwrap_or(span).min(span));
                Some(((to - back).max(0), to))
            }
            (None, None) => None,
        };
        if let Some((from, to)) = range {
            query.limit = Some(scan);
            query = query.and(Filter::All(sequence_range(from, to)));
        }
        let events: Vec<Event> = read.find(&query).await?.items;
        let mut matching = enrich(&read, &events).await?;
        matching.retain(|enriched| filter.passes(enriched));
        let surplus = matching.len().saturating_sub(wanted);
        Ok(matching.split_off(surplus))
    }

    /// Adds their objects to events.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn enrich(&self, events: &[Event]) -> Result<Vec<Enriched>, Error> {
        let core = self.core();
        Ok(enrich(&core.store.read(core.name()), events).await?)
    }
}

fn sequence_range(from: i64, to: i64) -> Vec<Filter> {
    let Some(field) = collection::EVENTS.field("sequence") else { return Vec::new() };
    vec![
        Condition::new(field, Operator::GreaterOrEqual, Value::Integer(from)).into(),
        Condition::new(field, Operator::Less, Value::Integer(to)).into(),
    ]
}

/// Takes up the subscriptions that are stored. One that no longer validates is told and left alone, never fatal.
pub(super) async fn load(core: &Core) -> Result<(), photinus_store::Error> {
    let query = Query::filtered(Filter::everything());
    let stored: Vec<Subscription> = core.store.read(core.name()).find(&query).await?.items;
    for subscription in stored {
        match Compiled::new(&subscription.filter) {
            Ok(filter) => core.events.registry.put(subscription, filter),
            Err(error) => {
                tracing::error!(namespace = core.name(), subscription = subscription.name, %error, "a subscription is left out");
            }
        }
    }
    Ok(())
}
