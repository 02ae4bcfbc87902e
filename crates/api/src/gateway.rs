//! What a namespace without a network does not offer. As in FireFly its routes answer 400 `FF10414` there; all others work.

use photinus_engine::Namespace;

use crate::{failure::Failure, route::Route};

/// Operations that need other members, a ledger, or a place for files.
const OF_NETWORKS: &[&str] = &[
    "getDataBlob",
    "getDataMsgs",
    "getGroupByHash",
    "getGroups",
    "getStatusBatchManager",
    "patchUpdateIdentity",
    "postBatchCancel",
    "postDataBlobPublish",
    "postDataValuePublish",
    "postNetworkAction",
    "postNewDatatype",
    "postNewIdentity",
    "postNewMessageBroadcast",
    "postNewMessagePrivate",
    "postNewMessageRequestReply",
    "postNewOrganization",
    "postNewOrganizationSelf",
    "postNodesSelf",
    "postPinsRewind",
    "postStatusTopicsAbandon",
    "postStatusTopicsRelease",
    "postVerifiersResolve",
];

/// `FF10414`.
fn unsupported() -> Failure {
    Failure::bad("FF10414", "this action is not supported in this namespace: it is not part of a multiparty network")
}

/// Refuses what a namespace does not offer.
pub(crate) fn check(namespace: &Namespace, route: &Route, upload: bool) -> Result<(), Failure> {
    if namespace.is_multiparty() || !(OF_NETWORKS.contains(&route.operation) || upload) {
        return Ok(());
    }
    Err(unsupported())
}

#[cfg(test)]
mod tests {
    use super::OF_NETWORKS;
    use crate::routes::API;

    #[test]
    fn every_name_is_of_a_route() {
        for name in OF_NETWORKS {
            assert!(API.routes().any(|route| route.operation == *name), "{name}");
        }
    }
}
