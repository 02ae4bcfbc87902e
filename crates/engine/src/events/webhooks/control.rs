//! What operators can see of webhooks, and do with what is parked.

use std::time::Duration;

use parking_lot::Mutex;
use photinus_model::{Time, Uuid};
use serde::Serialize;

use super::records::{Parked, Records};
use crate::{Namespace, events::Error, events::subscription::WEBHOOKS};

/// How a webhook is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// Calls that failed since the last one that succeeded.
    pub failures: u64,
    /// Why the last call failed; empty when it did not.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_error: String,
    /// The event that is tried again, by its sequence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retrying: Option<i64>,
    /// When it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_try: Option<Time>,
    /// Events that are parked.
    pub parked: usize,
}

/// A secret, as it is shown once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Secret {
    /// The secret. `whsec_` stands before its base64.
    pub secret: String,
    /// Until when the secret before it signs too.
    pub previous_until: Time,
}

/// How long an old secret signs beside a new one when nobody says.
const GRACE: Duration = Duration::from_secs(24 * 60 * 60);
/// Parked events given at once.
const PAGE: usize = 1_000;

impl Namespace {
    /// Events that a webhook did not take, behind a sequence, in order, at most 1 000.
    ///
    /// # Errors
    /// When there is no such webhook.
    pub async fn parked(&self, subscription: Uuid, behind: i64, limit: usize) -> Result<Vec<Parked>, Error> {
        self.webhook(subscription)?;
        Ok(Records::new(self.core(), subscription).parked(behind, limit.min(PAGE)).await?)
    }

    /// Has parked events tried again: one, or all. Gives how many.
    ///
    /// # Errors
    /// When there is no such webhook, or the event is not parked.
    pub async fn resume_parked(&self, subscription: Uuid, event: Option<Uuid>) -> Result<usize, Error> {
        let resumed = |parked: &Parked| Some(Parked { resumed: true, ..parked.clone() });
        let count = self.change_parked(subscription, event, resumed).await?;
        if let Some(active) = self.core().events.registry.by_id(subscription) {
            active.progress.resumed.notify_one();
        }
        Ok(count)
    }

    /// Drops parked events for good: one, or all. Gives how many.
    ///
    /// # Errors
    /// When there is no such webhook, or the event is not parked.
    pub async fn drop_parked(&self, subscription: Uuid, event: Option<Uuid>) -> Result<usize, Error> {
        let count = self.change_parked(subscription, event, |_| None).await?;
        if let Some(active) = self.core().events.registry.by_id(subscription) {
            active.progress.resumed.notify_one();
        }
        Ok(count)
    }

    async fn change_parked(
        &self,
        subscription: Uuid,
        event: Option<Uuid>,
        change: impl Fn(&Parked) -> Option<Parked>,
    ) -> Result<usize, Error> {
        self.webhook(subscription)?;
        let core = self.core();
        let records = Records::new(core, subscription);
        let (mut count, mut behind) = (0, -1);
        if let Some(event) = event {
            let found = core.store.read(core.name()).event(event).await?.ok_or(Error::NotParked(event))?;
            let parked = records.one_parked(found.sequence).await?.ok_or(Error::NotParked(event))?;
            return Ok(usize::from(records.replace(&parked, change(&parked).as_ref()).await?));
        }
        loop {
            let page = records.parked(behind, PAGE).await?;
            let Some(last) = page.last() else { return Ok(count) };
            behind = last.sequence;
            for parked in &page {
                count += usize::from(records.replace(parked, change(parked).as_ref()).await?);
            }
        }
    }

    /// Gives a webhook a new secret to sign its calls with. The one before it signs too for a while, a day if nobody says.
    ///
    /// # Errors
    /// When there is no such webhook.
    pub async fn rotate_secret(&self, subscription: Uuid, grace: Option<Duration>) -> Result<Secret, Error> {
        self.webhook(subscription)?;
        let core = self.core();
        let records = Records::new(core, subscription);
        let mut secrets = records.secrets().await?.unwrap_or_default();
        let now = core.ports.clock.now();
        let previous_until = later(now, grace.unwrap_or(GRACE));
        let randomness = [core.ports.ids.secret(), core.ports.ids.secret(), core.ports.ids.secret()];
        let secret = secrets.rotate(&randomness, now, previous_until);
        records.set_secrets(Some(&secrets)).await?;
        Ok(Secret { secret, previous_until })
    }

    /// Ends the signing of a webhook's calls.
    ///
    /// # Errors
    /// When there is no such webhook.
    pub async fn remove_secret(&self, subscription: Uuid) -> Result<(), Error> {
        self.webhook(subscription)?;
        Ok(Records::new(self.core(), subscription).set_secrets(None).await?)
    }

    /// How a webhook is doing; `None` for subscriptions of other transports.
    ///
    /// # Errors
    /// When there is no such subscription.
    pub async fn webhook_health(&self, subscription: Uuid) -> Result<Option<Health>, Error> {
        let registry = &self.core().events.registry;
        let active = registry.by_id(subscription).ok_or(Error::NotFound(subscription))?;
        if active.subscription.transport != WEBHOOKS {
            return Ok(None);
        }
        let mut health = active.progress.health.lock().clone();
        health.parked = Records::new(self.core(), subscription).parked_count().await?;
        Ok(Some(health))
    }

    fn webhook(&self, id: Uuid) -> Result<(), Error> {
        let active = self.core().events.registry.by_id(id).ok_or(Error::NotFound(id))?;
        if active.subscription.transport == WEBHOOKS { Ok(()) } else { Err(Error::NoWebhook(id)) }
    }
}

/// A time after another.
pub(super) fn later(time: Time, wait: Duration) -> Time {
    let nanos = i64::try_from(wait.as_nanos()).unwrap_or(i64::MAX);
    Time::from_unix_nanos(time.as_unix_nanos().saturating_add(nanos))
}

/// Where a worker tells how it is doing.
pub(in crate::events) type Shown = Mutex<Health>;
