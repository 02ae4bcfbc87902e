//! DID documents: an identity and its verifiers, as resolvers of decentralised identifiers read them.

use photinus_model::{
    identity::Identity,
    verifier::{Type, Verifier},
};
use serde::Serialize;

/// A DID document, spelt as FireFly spells it (one member lacks a `c`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// Vocabularies.
    #[serde(rename = "@context")]
    pub context: [&'static str; 2],
    /// The DID.
    pub id: String,
    /// References to the methods below.
    pub authentication: Vec<String>,
    /// One method for each verifier.
    pub verification_method: Vec<Method>,
}

/// How a signature or connection of the identity is verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Method {
    /// Hash of the verifier.
    pub id: String,
    /// Kind of key.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The DID.
    pub controller: String,
    /// Address on the ledger.
    #[serde(rename = "blockchainAcountId", skip_serializing_if = "Option::is_none")]
    pub blockchain_account: Option<String>,
    /// Membership identity on Fabric.
    #[serde(rename = "mspIdentityString", skip_serializing_if = "Option::is_none")]
    pub msp_identity: Option<String>,
    /// Peer id in the data exchange.
    #[serde(rename = "dataExchangePeerID", skip_serializing_if = "Option::is_none")]
    pub exchange_peer: Option<String>,
}

impl Document {
    /// The document of an identity with these verifiers.
    #[must_use]
    pub fn new(identity: &Identity, verifiers: &[Verifier]) -> Self {
        let methods: Vec<_> = verifiers.iter().map(|verifier| Method::new(identity, verifier)).collect();
        Self {
            context: ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/suites/ed25519-2020/v1"],
            id: identity.did.clone(),
            authentication: methods.iter().map(|method| format!("#{}", method.id)).collect(),
            verification_method: methods,
        }
    }
}

impl Method {
    fn new(identity: &Identity, verifier: &Verifier) -> Self {
        let mut method = Self {
            id: verifier.hash.map(|hash| hash.to_string()).unwrap_or_default(),
            kind: "",
            controller: identity.did.clone(),
            blockchain_account: None,
            msp_identity: None,
            exchange_peer: None,
        };
        let (kind, place) = match verifier.kind {
            Type::EthereumAddress => ("EcdsaSecp256k1VerificationKey2019", &mut method.blockchain_account),
            Type::TezosAddress => ("Ed25519VerificationKey2020", &mut method.blockchain_account),
            Type::CardanoAddress => ("PaymentVerificationKeyShelley_ed25519", &mut method.blockchain_account),
            Type::FabricMspId => ("HyperledgerFabricMSPIdentity", &mut method.msp_identity),
            Type::DxPeerId => ("FireFlyDataExchangePeerIdentity", &mut method.exchange_peer),
        };
        *place = Some(verifier.value.clone());
        method.kind = kind;
        method
    }
}

#[cfg(test)]
mod tests {
    use photinus_model::{Uuid, did, identity, verifier};

    use super::*;

    #[test]
    fn document_of_an_organisation() {
        let (kind, name) = (identity::Type::Org, "org_0");
        let identity = Identity {
            id: Uuid::from_u128(1),
            did: did::of(kind, name),
            kind,
            parent: None,
            namespace: "default".into(),
            name: name.into(),
            description: String::new(),
            profile: None,
            messages: Default::default(),
            created: None,
            updated: None,
        };
        let value = "0xd7320c76a2efc1909196dea876c4c7dabe49c0f4";
        let verifier = Verifier {
            hash: Some(verifier::hash("default", Type::EthereumAddress, value)),
            identity: Some(identity.id),
            namespace: "default".into(),
            kind: Type::EthereumAddress,
            value: value.into(),
            created: None,
        };
        let hash = "3fe0eb142b191ed3c8696c979434c96688eda5b52b161e61ea0ec4f258adfb16";
        let expected = serde_json::json!({
            "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/suites/ed25519-2020/v1"],
            "id": "did:firefly:org/org_0",
            "authentication": [format!("#{hash}")],
            "verificationMethod": [{
                "id": hash,
                "type": "EcdsaSecp256k1VerificationKey2019",
                "controller": "did:firefly:org/org_0",
                "blockchainAcountId": value,
            }],
        });
        assert_eq!(serde_json::to_value(Document::new(&identity, &[verifier])).unwrap(), expected);
    }
}
