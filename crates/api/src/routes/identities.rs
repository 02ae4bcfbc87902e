//! `/identities`, `/verifiers` and `/network`

use http::StatusCode;
use photinus_engine::{identity, operations::NetworkAction};
use photinus_model::{
    Uuid,
    identity::{Identity, Type, VerifierRef},
    name,
    verifier::Verifier,
};
use photinus_query::{Condition, collection};
use photinus_store::{Page, Read};
use serde::Serialize;

use super::EmptyInput;
use crate::{
    failure::Failure,
    listing,
    reply::{self, Answer, json, ok, submitted},
    request::Request,
    route::{Parameter, Route},
};

const FETCH: &[Parameter] = &[Parameter { name: "fetchverifiers", about: "Show the keys of the identities" }];

pub(super) static ROUTES: &[Route] = &[
    Route::get("network/organizations", "getNetworkOrgs", |r| Box::pin(of_type(r, Type::Org)))
        .lists(&collection::IDENTITIES)
        .gives("Identity[]"),
    Route::post("network/organizations", "postNewOrganization", |r| Box::pin(claim_org(r)))
        .submits()
        .takes("IdentityCreateDTO")
        .gives("Identity"),
    Route::post("network/action", "postNetworkAction", |r| Box::pin(action(r)))
        .status(202)
        .takes("NetworkAction")
        .gives("NetworkAction"),
    Route::post("network/organizations/self", "postNewOrganizationSelf", |r| Box::pin(register_org(r)))
        .submits()
        .takes("Empty")
        .gives("Identity"),
    Route::get("network/organizations/{nameOrId}", "getNetworkOrg", |r| Box::pin(named(r, Type::Org)))
        .gives("Identity"),
    Route::get("network/nodes", "getNetworkNodes", |r| Box::pin(of_type(r, Type::Node)))
        .lists(&collection::IDENTITIES)
        .gives("Identity[]"),
    Route::post("network/nodes/self", "postNodesSelf", |r| Box::pin(register_node(r)))
        .submits()
        .takes("Empty")
        .gives("Identity"),
    Route::get("network/nodes/{nameOrId}", "getNetworkNode", |r| Box::pin(named(r, Type::Node))).gives("Identity"),
    Route::get("network/identities", "getNetworkIdentities", |r| Box::pin(list(r)))
        .lists(&collection::IDENTITIES)
        .with(FETCH)
        .gives("IdentityWithVerifiers[]"),
    Route::get("network/identities/{did*}", "getNetworkIdentityByDID", |r| Box::pin(by_did(r)))
        .with(FETCH)
        .gives("IdentityWithVerifiers"),
    Route::get("network/identities/{name}", "getNetworkIdentityByName", |r| Box::pin(by_name(r)))
        .with(FETCH)
        .gives("IdentityWithVerifiers"),
    Route::get("network/diddocs/{did*}", "getNetworkDIDDocByDID", |r| Box::pin(document_of_did(r)))
        .gives("DIDDocument"),
    Route::get("identities", "getIdentities", |r| Box::pin(list(r)))
        .lists(&collection::IDENTITIES)
        .with(FETCH)
        .gives("IdentityWithVerifiers[]"),
    Route::post("identities", "postNewIdentity", |r| Box::pin(claim(r)))
        .submits()
        .takes("IdentityCreateDTO")
        .gives("Identity"),
    Route::get("identities/{did*}", "getIdentityByDID", |r| Box::pin(by_did(r)))
        .with(FETCH)
        .gives("IdentityWithVerifiers"),
    Route::get("identities/{iid}", "getIdentityByID", |r| Box::pin(by_id(r)))
        .with(FETCH)
        .gives("IdentityWithVerifiers"),
    Route::patch("identities/{iid}", "patchUpdateIdentity", |r| Box::pin(update(r)))
        .submits()
        .takes("IdentityUpdateDTO")
        .gives("Identity"),
    Route::get("identities/{iid}/did", "getIdentityDID", |r| Box::pin(document(r))).gives("DIDDocument"),
    Route::get("identities/{iid}/verifiers", "getIdentityVerifiers", |r| Box::pin(verifiers_of(r)))
        .lists(&collection::VERIFIERS)
        .gives("Verifier[]"),
    Route::get("verifiers", "getVerifiers", |r| Box::pin(listing::list::<Verifier>(r)))
        .lists(&collection::VERIFIERS)
        .gives("Verifier[]"),
    Route::post("verifiers/resolve", "postVerifiersResolve", |r| Box::pin(resolve(r)))
        .takes("VerifierRef")
        .gives("VerifierRef"),
    Route::get("verifiers/{hash}", "getVerifierByID", |r| Box::pin(verifier(r))).gives("Verifier"),
];

/// An identity with its keys, if they are asked for.
#[derive(Serialize)]
struct WithVerifiers {
    #[serde(flatten)]
    identity: Identity,
    #[serde(skip_serializing_if = "Option::is_none")]
    verifiers: Option<Vec<VerifierRef>>,
}

impl WithVerifiers {
    async fn of(request: &Request, read: &Read<'_>, identity: Identity) -> Result<Self, Failure> {
        let verifiers = if request.flag("fetchverifiers") {
            let verifiers = read.verifiers_of(identity.id).await?.into_iter();
            let refs: Vec<_> =
                verifiers.map(|verifier| VerifierRef { kind: verifier.kind, value: verifier.value }).collect();
            Some(refs).filter(|refs| !refs.is_empty())
        } else {
            None
        };
        Ok(Self { identity, verifiers })
    }
}

async fn register_org(mut request: Request) -> Answer {
    let EmptyInput {} = request.json_or_default().await?;
    let wait = request.wait();
    submitted(wait.is_some(), &request.namespace()?.register_organization(wait).await?)
}

async fn register_node(mut request: Request) -> Answer {
    let EmptyInput {} = request.json_or_default().await?;
    let wait = request.wait();
    submitted(wait.is_some(), &request.namespace()?.register_node(wait).await?)
}

async fn claim(mut request: Request) -> Answer {
    let input = request.json().await?;
    let wait = request.wait();
    submitted(wait.is_some(), &request.namespace()?.claim(input, wait).await?)
}

async fn update(mut request: Request) -> Answer {
    let id = request.id("iid")?;
    let input = request.json().await?;
    let wait = request.wait();
    submitted(wait.is_some(), &request.namespace()?.update_identity(id, input, wait).await?)
}

async fn claim_org(mut request: Request) -> Answer {
    let mut input: identity::Input = request.json().await?;
    input.kind = Some(Type::Org.as_str().to_owned());
    let wait = request.wait();
    submitted(wait.is_some(), &request.namespace()?.claim(input, wait).await?)
}

async fn action(mut request: Request) -> Answer {
    let action: NetworkAction = request.json().await?;
    json(StatusCode::ACCEPTED, &request.namespace()?.network_action(action).await?)
}

async fn list(request: Request) -> Answer {
    let read = request.read()?;
    let page: Page<Identity> = read.find(&request.listing()?).await?;
    let mut items = Vec::with_capacity(page.items.len());
    for identity in page.items {
        items.push(WithVerifiers::of(&request, &read, identity).await?);
    }
    reply::page(&Page { items, total: page.total })
}

async fn of_type(request: Request, kind: Type) -> Answer {
    let Some(field) = collection::IDENTITIES.field("type") else {
        return Err(Failure::internal("identities have no type"));
    };
    let query = request.listing()?.and(Condition::text(field, kind.as_str()));
    listing::found::<Identity>(&request, &query).await
}

async fn named(request: Request, kind: Type) -> Answer {
    let text = request.variable("nameOrId");
    let read = request.read()?;
    if let Some(id) = name::read_uuid(text) {
        return match read.identity(id).await? {
            Some(identity) if identity.kind == kind => ok(&identity),
            Some(_) => Err(Failure::absent()),
            None => Err(Failure::not_found()),
        };
    }
    let text = request.name("nameOrId")?;
    match read.identity_by_name(kind, text).await? {
        Some(identity) => ok(&identity),
        None => Err(Failure::not_found()),
    }
}

async fn by_did(request: Request) -> Answer {
    let identity = request.namespace()?.identity(request.variable("did")).await?;
    ok(&WithVerifiers::of(&request, &request.read()?, Identity::clone(&identity)).await?)
}

async fn by_name(request: Request) -> Answer {
    let identity = request.namespace()?.identity(request.name("name")?).await?;
    ok(&WithVerifiers::of(&request, &request.read()?, Identity::clone(&identity)).await?)
}

async fn wanted(request: &Request) -> Result<Option<Identity>, Failure> {
    let id: Uuid = request.id("iid")?;
    Ok(request.read()?.identity(id).await?)
}

async fn by_id(request: Request) -> Answer {
    let identity = wanted(&request).await?.ok_or_else(Failure::not_found)?;
    ok(&WithVerifiers::of(&request, &request.read()?, identity).await?)
}

async fn document(request: Request) -> Answer {
    let identity = wanted(&request).await?.ok_or_else(Failure::not_found)?;
    ok(&request.namespace()?.did_document(&identity).await?)
}

async fn document_of_did(request: Request) -> Answer {
    let namespace = request.namespace()?;
    let identity = namespace.identity(request.variable("did")).await?;
    ok(&namespace.did_document(&identity).await?)
}

async fn verifiers_of(request: Request) -> Answer {
    let identity = wanted(&request).await?.ok_or_else(Failure::not_found)?;
    let Some(field) = collection::VERIFIERS.field("identity") else {
        return Err(Failure::internal("verifiers have no identity"));
    };
    let query = request.listing()?.and(Condition::text(field, identity.id.to_string()));
    listing::found::<Verifier>(&request, &query).await
}

async fn verifier(request: Request) -> Answer {
    let hash = request.hash("hash")?;
    match request.read()?.verifier_by_hash(hash).await? {
        Some(verifier) => ok(&verifier),
        None => Err(Failure::not_found()),
    }
}

async fn resolve(mut request: Request) -> Answer {
    let input = request.json().await?;
    ok(&request.namespace()?.resolve_verifier(input).await?)
}
