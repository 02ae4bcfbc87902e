//! `/data`, `/datatypes` and `/groups`

use axum::body::Body;
use http::{HeaderValue, StatusCode, header};
use photinus_engine::data;
use photinus_model::{Hash, data::Data, datatype::Datatype, group::Group, message::InlineData};
use photinus_query::collection;

use crate::{
    failure::Failure,
    listing,
    reply::{self, Answer, found, json, ok, submitted},
    request::{Request, media_type},
    route::Route,
    upload,
};

/// Most folders that are listed at once.
const MAX_FOLDERS: usize = 1_000;

pub(super) static ROUTES: &[Route] = &[
    Route::get("data", "getData", |r| Box::pin(listing::list::<Data>(r))).lists(&collection::DATA).gives("Data[]"),
    Route::post("data", "postData", |r| Box::pin(create(r))).status(201).takes("DataRefOrValue").gives("Data"),
    Route::get("data/{dataid}", "getDataByID", |r| Box::pin(one(r))).gives("Data"),
    Route::delete("data/{dataid}", "deleteData", |r| Box::pin(delete(r))),
    Route::get("data/{dataid}/value", "getDataValue", |r| Box::pin(value(r))).gives("Value"),
    Route::get("data/{dataid}/blob", "getDataBlob", |r| Box::pin(blob(r))).gives("Blob"),
    Route::get("data/{dataid}/messages", "getDataMsgs", |r| Box::pin(messages(r)))
        .lists(&collection::MESSAGES)
        .gives("Message[]"),
    Route::get("datasubpaths/{parent*}", "getDataSubPaths", |r| Box::pin(folders(r))).gives("string[]"),
    Route::post("data/{dataid}/value/publish", "postDataValuePublish", |r| Box::pin(publish_value(r)))
        .takes("PublishInput")
        .gives("Data"),
    Route::post("data/{dataid}/blob/publish", "postDataBlobPublish", |r| Box::pin(publish_blob(r)))
        .takes("PublishInput")
        .gives("Data"),
    Route::get("datatypes", "getDatatypes", |r| Box::pin(listing::list::<Datatype>(r)))
        .lists(&collection::DATATYPES)
        .gives("Datatype[]"),
    Route::post("datatypes", "postNewDatatype", |r| Box::pin(publish_datatype(r)))
        .submits()
        .takes("DatatypeInput")
        .gives("Datatype"),
    Route::get("datatypes/{name}/{version}", "getDatatypeByName", |r| Box::pin(datatype(r))).gives("Datatype"),
    Route::get("groups", "getGroups", |r| Box::pin(listing::list::<Group>(r)))
        .lists(&collection::GROUPS)
        .gives("Group[]"),
    Route::get("groups/{hash}", "getGroupByHash", |r| Box::pin(group(r))).gives("Group"),
];

async fn create(mut request: Request) -> Answer {
    if media_type(&request.headers) == "multipart/form-data" {
        return json(StatusCode::CREATED, &upload::receive(request).await?);
    }
    let input: InlineData = request.json().await?;
    json(StatusCode::CREATED, &request.namespace()?.create_data(input).await?)
}

async fn one(request: Request) -> Answer {
    let id = request.id("dataid")?;
    found(request.read()?.data(id).await?)
}

async fn delete(request: Request) -> Answer {
    request.namespace()?.delete_data(request.id("dataid")?).await?;
    reply::empty()
}

async fn value(request: Request) -> Answer {
    let id = request.id("dataid")?;
    let data = request.read()?.data(id).await?.ok_or_else(Failure::absent)?;
    ok(&data.value)
}

async fn blob(request: Request) -> Answer {
    let id = request.id("dataid")?;
    let (data, size, content) = match request.namespace()?.open_blob(id).await {
        Ok(opened) => opened,
        // The reference to it is here, the file is not: for who asks that is "not found".
        Err(error @ data::Error::BlobUnknown(_)) => {
            return Err(Failure::new(StatusCode::NOT_FOUND, error.code(), error));
        }
        Err(error) => return Err(error.into()),
    };
    let mut response = reply::of(StatusCode::OK, "application/octet-stream", Body::from_stream(content));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, size.into());
    let hash: Option<Hash> = data.blob.as_ref().and_then(|blob| blob.hash);
    if let Some(hash) = hash.and_then(|hash| HeaderValue::from_str(&hash.to_string()).ok()) {
        headers.insert("x-ff-blob-hash-sha256", hash);
    }
    if size > 0 {
        headers.insert("x-ff-blob-size", size.into());
    }
    Ok(response)
}

async fn messages(request: Request) -> Answer {
    let id = request.id("dataid")?;
    let page = request.read()?.messages_of_data(id, &request.listing()?).await?;
    reply::page(&page)
}

async fn folders(request: Request) -> Answer {
    let parent = request.variable("parent").trim_matches('/');
    let parent = if parent.is_empty() { String::new() } else { format!("/{parent}") };
    ok(&request.read()?.data_folders(&parent, MAX_FOLDERS).await?)
}

async fn publish_value(mut request: Request) -> Answer {
    let id = request.id("dataid")?;
    let input: data::PublishInput = request.json_or_default().await?;
    ok(&request.namespace()?.publish_value(id, input).await?)
}

async fn publish_blob(mut request: Request) -> Answer {
    let id = request.id("dataid")?;
    let input: data::PublishInput = request.json_or_default().await?;
    ok(&request.namespace()?.publish_blob(id, input).await?)
}

async fn publish_datatype(mut request: Request) -> Answer {
    let input = request.json().await?;
    let wait = request.wait();
    submitted(wait.is_some(), &request.namespace()?.publish_datatype(input, wait).await?)
}

async fn datatype(request: Request) -> Answer {
    let (name, version) = (request.name("name")?, request.name("version")?);
    found(request.read()?.datatype(name, version).await?)
}

async fn group(request: Request) -> Answer {
    let hash = request.hash("hash")?;
    found(request.read()?.group(hash).await?)
}
