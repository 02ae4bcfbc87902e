//! `/events`

use photinus_model::event::Event;
use photinus_query::collection;
use photinus_store::Page;

use crate::{
    failure::Failure,
    listing,
    reply::{self, Answer, ok},
    request::Request,
    route::{Parameter, Route},
};

const FETCH: &[Parameter] = &[Parameter { name: "fetchreference", about: "Show what the event is about" }];
const FETCH_ALL: &[Parameter] = &[
    Parameter { name: "fetchreferences", about: "Show what the events are about" },
    Parameter { name: "fetchreference", about: "Show what the events are about" },
];

pub(super) static ROUTES: &[Route] = &[
    Route::get("events", "getEvents", |r| Box::pin(list(r)))
        .lists(&collection::EVENTS)
        .with(FETCH_ALL)
        .gives("EnrichedEvent[]"),
    Route::get("events/{eid}", "getEventByID", |r| Box::pin(one(r))).with(FETCH).gives("EnrichedEvent"),
];

async fn list(request: Request) -> Answer {
    if !request.flag("fetchreferences") && !request.flag("fetchreference") {
        return listing::list::<Event>(request).await;
    }
    let page: Page<Event> = request.read()?.find(&request.listing()?).await?;
    let items = request.namespace()?.enrich(&page.items).await?;
    reply::page(&Page { items, total: page.total })
}

async fn one(request: Request) -> Answer {
    let id = request.id("eid")?;
    let event = request.read()?.event(id).await?.ok_or_else(Failure::absent)?;
    if !request.flag("fetchreference") {
        return ok(&event);
    }
    match request.namespace()?.enrich(&[event]).await?.pop() {
        Some(event) => ok(&event),
        None => Err(Failure::absent()),
    }
}
