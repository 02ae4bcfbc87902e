//! `/subscriptions`

use http::StatusCode;
use photinus_engine::events;
use photinus_model::subscription::Subscription;
use photinus_query::collection;
use serde::Serialize;

use crate::{
    failure::Failure,
    listing,
    reply::{self, Answer, Envelope, json, ok},
    request::Request,
    route::{Parameter, Route},
};

const FETCH: &[Parameter] = &[Parameter { name: "fetchstatus", about: "Show how far it was acknowledged" }];
const RANGE: &[Parameter] = &[
    Parameter { name: "startsequence", about: "Sequence of the first event to look at" },
    Parameter { name: "endsequence", about: "Sequence behind the last event to look at" },
];

pub(super) static ROUTES: &[Route] = &[
    Route::get("subscriptions", "getSubscriptions", |r| Box::pin(listing::list::<Subscription>(r)))
        .lists(&collection::SUBSCRIPTIONS)
        .gives("Subscription[]"),
    Route::post("subscriptions", "postNewSubscription", |r| Box::pin(create(r)))
        .status(201)
        .takes("SubscriptionInput")
        .gives("Subscription"),
    Route::put("subscriptions", "putSubscription", |r| Box::pin(put(r)))
        .takes("SubscriptionInput")
        .gives("Subscription"),
    Route::get("subscriptions/{subid}", "getSubscriptionByID", |r| Box::pin(one(r)))
        .with(FETCH)
        .gives("SubscriptionWithStatus"),
    Route::delete("subscriptions/{subid}", "deleteSubscription", |r| Box::pin(delete(r))),
    Route::get("subscriptions/{subid}/events", "getSubscriptionEventsFiltered", |r| Box::pin(matching(r)))
        .lists(&collection::EVENTS)
        .with(RANGE)
        .gives("EnrichedEvent[]"),
];

/// A subscription with its position, if that is asked for.
#[derive(Serialize)]
struct WithStatus {
    #[serde(flatten)]
    subscription: Subscription,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    /// Left out when it is 0, as clients know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    current_offset: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook: Option<events::Health>,
}

async fn create(mut request: Request) -> Answer {
    let input: events::Input = request.json().await?;
    json(StatusCode::CREATED, &request.namespace()?.create_subscription(input).await?)
}

async fn put(mut request: Request) -> Answer {
    let input: events::Input = request.json().await?;
    ok(&request.namespace()?.upsert_subscription(input).await?)
}

async fn one(request: Request) -> Answer {
    let id = request.id("subid")?;
    let subscription = request.read()?.subscription(id).await?.ok_or_else(Failure::absent)?;
    let status = if request.flag("fetchstatus") {
        let offset = request.namespace()?.subscription_offset(id).await?;
        let webhook = request.namespace()?.webhook_health(id).await?;
        Some(Status { current_offset: Some(offset).filter(|offset| *offset != 0), webhook })
    } else {
        None
    };
    ok(&WithStatus { subscription, status })
}

async fn delete(request: Request) -> Answer {
    request.namespace()?.delete_subscription(request.id("subid")?).await?;
    reply::empty()
}

async fn matching(request: Request) -> Answer {
    let id = request.id("subid")?;
    let (from, to) = (sequence(&request, "startsequence")?, sequence(&request, "endsequence")?);
    let events = request.namespace()?.subscription_events(id, request.listing()?, from, to).await?;
    ok(&Envelope { count: events.len(), total: u64::try_from(events.len()).ok(), items: &events })
}

fn sequence(request: &Request, name: &str) -> Result<Option<i64>, Failure> {
    let Some(text) = request.parameter(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    let wrong =
        || Failure::bad("FF10464", format_args!("parameter '{name}': '{text}' is not the sequence of an event"));
    text.parse().map(Some).map_err(|_| wrong())
}
