//! `/messages`

use std::collections::HashMap;

use http::StatusCode;
use photinus_model::{
    Uuid,
    data::Data,
    message::{Inline, InlineData, Input, Message},
};
use photinus_query::{Condition, Filter, Operator, Value, collection};
use photinus_store::{Page, Read};

use crate::{
    failure::Failure,
    listing,
    reply::{self, Answer, ok, submitted},
    request::Request,
    route::{Parameter, Route},
};

const FETCH: &[Parameter] = &[Parameter { name: "fetchdata", about: "Show the values of data within the messages" }];

pub(super) static ROUTES: &[Route] = &[
    Route::post("messages/broadcast", "postNewMessageBroadcast", |r| Box::pin(broadcast(r)))
        .submits()
        .takes("MessageInput")
        .gives("Message"),
    Route::post("messages/private", "postNewMessagePrivate", |r| Box::pin(private(r)))
        .submits()
        .takes("PrivateMessageInput")
        .gives("Message"),
    Route::post("messages/requestreply", "postNewMessageRequestReply", |r| Box::pin(request_reply(r)))
        .takes("PrivateMessageInput")
        .gives("MessageInOut"),
    Route::get("messages", "getMsgs", |r| Box::pin(list(r)))
        .lists(&collection::MESSAGES)
        .with(FETCH)
        .gives("MessageInOut[]"),
    Route::get("messages/{msgid}", "getMsgByID", |r| Box::pin(one(r))).with(FETCH).gives("MessageInOut"),
    Route::get("messages/{msgid}/data", "getMsgData", |r| Box::pin(data(r))).gives("Data[]"),
    Route::get("messages/{msgid}/events", "getMsgEvents", |r| Box::pin(events(r)))
        .lists(&collection::EVENTS)
        .gives("Event[]"),
    Route::get("messages/{msgid}/why", "getMsgWhy", |r| Box::pin(why(r))).gives("MessageWhy"),
    Route::get("messages/{msgid}/transaction", "getMsgTxn", |r| Box::pin(transaction(r))).gives("Transaction"),
];

async fn broadcast(mut request: Request) -> Answer {
    let input: Input = request.json().await?;
    let wait = request.wait();
    let namespace = request.namespace()?;
    let message = namespace.broadcast(input, wait).await?;
    submitted(wait.is_some(), &message)
}

async fn private(mut request: Request) -> Answer {
    let input: Input = request.json().await?;
    let wait = request.wait();
    let namespace = request.namespace()?;
    let message = namespace.send_private(input, wait).await?;
    submitted(wait.is_some(), &message)
}

async fn request_reply(mut request: Request) -> Answer {
    let input: Input = request.json().await?;
    let reply = request.namespace()?.request_reply(input, request.timeout).await?;
    match inline(&request.read()?, vec![reply]).await?.pop() {
        Some(reply) => ok(&reply),
        None => Err(Failure::absent()),
    }
}

async fn list(request: Request) -> Answer {
    if !request.flag("fetchdata") {
        return listing::list::<Message>(request).await;
    }
    let read = request.read()?;
    let page: Page<Message> = read.find(&request.listing()?).await?;
    let items = inline(&read, page.items).await?;
    reply::page(&Page { items, total: page.total })
}

async fn one(request: Request) -> Answer {
    let message = wanted(&request).await?;
    if !request.flag("fetchdata") {
        return ok(&message);
    }
    match inline(&request.read()?, vec![message]).await?.pop() {
        Some(message) => ok(&message),
        None => Err(Failure::not_found()),
    }
}

async fn data(request: Request) -> Answer {
    let message = wanted(&request).await?;
    let known = values(&request.read()?, std::slice::from_ref(&message)).await?;
    let data: Vec<&Data> = message.data.iter().filter_map(|reference| known.get(&reference.id)).collect();
    ok(&data)
}

async fn events(request: Request) -> Answer {
    let message = wanted(&request).await?;
    let Some(field) = collection::EVENTS.field("reference") else {
        return Err(Failure::internal("events have no reference"));
    };
    let subjects = std::iter::once(message.header.id).chain(message.data.iter().map(|reference| reference.id));
    let subjects =
        subjects.map(|id| Condition::new(field, Operator::Equal, Value::Text(id.to_string())).into()).collect();
    let query = request.listing()?.and(Filter::Any(subjects));
    listing::found::<photinus_model::event::Event>(&request, &query).await
}

async fn why(request: Request) -> Answer {
    let id = request.id("msgid")?;
    match request.namespace()?.why(id).await? {
        Some(why) => ok(&why),
        None => Err(Failure::not_found()),
    }
}

async fn transaction(request: Request) -> Answer {
    let message = wanted(&request).await?;
    let read = request.read()?;
    let unassigned = || {
        let sentence = "the message has no transaction yet: it has one once its batch is sealed";
        Failure::new(StatusCode::NOT_FOUND, "FF10210", sentence)
    };
    let id = match (message.tx_id, message.batch) {
        (Some(id), _) => id,
        (None, Some(batch)) => read.batch(batch).await?.and_then(|batch| batch.tx.id).ok_or_else(unassigned)?,
        (None, None) => return Err(unassigned()),
    };
    match read.transaction(id).await? {
        Some(transaction) => ok(&transaction),
        None => Err(Failure::not_found()),
    }
}

async fn wanted(request: &Request) -> Result<Message, Failure> {
    let id = request.id("msgid")?;
    request.read()?.message(id).await?.ok_or_else(Failure::not_found)
}

/// The data of messages by id.
async fn values(read: &Read<'_>, messages: &[Message]) -> Result<HashMap<Uuid, Data>, Failure> {
    let mut ids: Vec<Uuid> = messages.iter().flat_map(|message| &message.data).map(|reference| reference.id).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut known = HashMap::with_capacity(ids.len());
    for data in read.data_by_ids(&ids).await? {
        // The oldest of several with one id.
        known.entry(data.id).or_insert(data);
    }
    Ok(known)
}

/// Messages with their data in line.
async fn inline(read: &Read<'_>, messages: Vec<Message>) -> Result<Vec<Inline>, Failure> {
    let known = values(read, &messages).await?;
    let join = |message: Message| {
        let data = message.data.iter().map(|reference| match known.get(&reference.id) {
            Some(data) => InlineData::from(data.clone()),
            None => InlineData { id: Some(reference.id), hash: Some(reference.hash), ..InlineData::default() },
        });
        let data = data.collect();
        Inline::new(message, data)
    };
    Ok(messages.into_iter().map(join).collect())
}
