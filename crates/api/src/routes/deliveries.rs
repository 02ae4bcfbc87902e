//! `/subscriptions/{id}/…`, what FireFly does not have: moving a subscription, what its webhook did not take, and its secret.

use std::time::Duration;

use photinus_engine::events::Parked;
use photinus_model::Duration as DurationText;
use serde::{Deserialize, Serialize};

use crate::{
    failure::Failure,
    reply::{self, Answer, ok},
    request::Request,
    route::{Parameter, Route},
};

const PAGE: &[Parameter] = &[
    Parameter { name: "after", about: "Sequence behind which parked events are listed" },
    Parameter { name: "limit", about: "Most events, at most 1000" },
];

pub(super) static ROUTES: &[Route] = &[
    Route::post("subscriptions/{subid}/seek", "postSubscriptionSeek", |r| Box::pin(seek(r)))
        .takes("SeekInput")
        .gives("SubscriptionStatus"),
    Route::get("subscriptions/{subid}/parked", "getSubscriptionParked", |r| Box::pin(parked(r)))
        .with(PAGE)
        .gives("ParkedEvent[]"),
    Route::delete("subscriptions/{subid}/parked", "deleteSubscriptionParked", |r| Box::pin(drop_all(r))),
    Route::post("subscriptions/{subid}/parked/resume", "postSubscriptionParkedResume", |r| Box::pin(resume_all(r)))
        .takes("Empty")
        .gives("ParkedCount"),
    Route::post("subscriptions/{subid}/parked/{eventid}/resume", "postSubscriptionParkedResumeByID", |r| {
        Box::pin(resume_one(r))
    })
    .takes("Empty")
    .gives("ParkedCount"),
    Route::delete("subscriptions/{subid}/parked/{eventid}", "deleteSubscriptionParkedByID", |r| Box::pin(drop_one(r))),
    Route::post("subscriptions/{subid}/secret", "postSubscriptionSecret", |r| Box::pin(rotate(r)))
        .takes("SecretInput")
        .gives("Secret"),
    Route::delete("subscriptions/{subid}/secret", "deleteSubscriptionSecret", |r| Box::pin(remove_secret(r))),
];

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SeekInput {
    first_event: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sought {
    current_offset: i64,
}

async fn seek(mut request: Request) -> Answer {
    let input: SeekInput = request.json().await?;
    if input.first_event.is_empty() {
        let sentence = "say in 'firstEvent' where to go on: oldest, newest, the sequence of an event, or a time";
        return Err(Failure::bad("FF10191", sentence));
    }
    let offset = request.namespace()?.seek(request.id("subid")?, &input.first_event).await?;
    ok(&Sought { current_offset: offset })
}

async fn parked(request: Request) -> Answer {
    let (after, limit) = (number(&request, "after", -1)?, number(&request, "limit", 25)?);
    let limit = usize::try_from(limit).unwrap_or_default();
    let parked: Vec<Parked> = request.namespace()?.parked(request.id("subid")?, after, limit).await?;
    ok(&parked)
}

#[derive(Serialize)]
struct Count {
    count: usize,
}

async fn resume_all(request: Request) -> Answer {
    let count = request.namespace()?.resume_parked(request.id("subid")?, None).await?;
    ok(&Count { count })
}

async fn resume_one(request: Request) -> Answer {
    let (subscription, event) = (request.id("subid")?, request.id("eventid")?);
    let count = request.namespace()?.resume_parked(subscription, Some(event)).await?;
    ok(&Count { count })
}

async fn drop_all(request: Request) -> Answer {
    request.namespace()?.drop_parked(request.id("subid")?, None).await?;
    reply::empty()
}

async fn drop_one(request: Request) -> Answer {
    let (subscription, event) = (request.id("subid")?, request.id("eventid")?);
    request.namespace()?.drop_parked(subscription, Some(event)).await?;
    reply::empty()
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SecretInput {
    /// How long the secret before it signs too.
    grace: Option<DurationText>,
}

async fn rotate(mut request: Request) -> Answer {
    let input: SecretInput = request.json_or_default().await?;
    let grace: Option<Duration> = input.grace.map(|grace| grace.0);
    ok(&request.namespace()?.rotate_secret(request.id("subid")?, grace).await?)
}

async fn remove_secret(request: Request) -> Answer {
    request.namespace()?.remove_secret(request.id("subid")?).await?;
    reply::empty()
}

fn number(request: &Request, name: &str, default: i64) -> Result<i64, Failure> {
    let Some(text) = request.parameter(name).filter(|text| !text.is_empty()) else { return Ok(default) };
    text.parse()
        .map_err(|_| Failure::bad("FF00143", format_args!("parameter '{name}': '{text}' is not a whole number")))
}
