//! Shapes of inputs and outputs, in a notation of words: `field:type`, with `[]` behind the type of an array.
//!
//! A type is `string`, `uuid`, `hash`, `time`, `int`, `number`, `bool`, `any`, `object`, `texts` (an object of them), or the name of an enumeration or a shape.

use serde_json::{Map, Value, json};

/// Every enumeration by name. Texts of peers may be others: they are kept as they came.
const ENUMERATIONS: &[(&str, &[&str])] = &[
    ("batchType", photinus_model::batch::Type::TEXTS),
    ("eventType", photinus_model::event::Type::TEXTS),
    ("identityType", photinus_model::identity::Type::TEXTS),
    ("messageState", photinus_model::message::State::TEXTS),
    ("messageType", photinus_model::message::Type::TEXTS),
    ("networkAction", &["terminate"]),
    ("operationStatus", photinus_model::operation::Status::TEXTS),
    ("operationType", photinus_model::operation::Type::TEXTS),
    ("txType", photinus_model::transaction::Type::TEXTS),
    ("validator", photinus_model::data::Validator::TEXTS),
    ("verifierType", photinus_model::verifier::Type::TEXTS),
];

/// Every shape by name.
const SHAPES: &[(&str, &str)] = &[
    ("Empty", ""),
    ("Value", ""),
    ("Namespace", "name:string networkName:string description:string created:time"),
    (
        "NamespaceWithInitStatus",
        "name:string networkName:string description:string created:time initializing:bool initializationError:string",
    ),
    (
        "NamespaceStatus",
        "namespace:Namespace node:NodeStatus org:OrgStatus plugins:Plugins multiparty:Multiparty exchange:ExchangeStatus \
         backlog:Backlog fetches:Fetches database:DatabaseStatus",
    ),
    ("Fetches", "missing:int sources:int underWay:int maxUnderWay:int"),
    ("Backlog", "messages:int bytes:int maxMessages:int maxBytes:int refused:int"),
    ("DatabaseStatus", "problem:string"),
    ("ExchangeStatus", "peers:ExchangePeer[] withoutRepair:ExchangeNode[] refused:ExchangeRefusal[]"),
    ("ExchangeNode", "node:uuid name:string"),
    ("ExchangePeer", "node:uuid name:string behind:int since:time lastError:string"),
    ("ExchangeRefusal", "peer:string reason:string time:time"),
    ("NodeStatus", "name:string registered:bool id:uuid"),
    ("OrgStatus", "name:string registered:bool did:string id:uuid verifiers:VerifierRef[]"),
    (
        "Plugins",
        "blockchain:Plugin[] database:Plugin[] dataExchange:Plugin[] events:Plugin[] identity:Plugin[] \
         sharedStorage:Plugin[] tokens:Plugin[]",
    ),
    ("Plugin", "name:string pluginType:string"),
    ("Multiparty", "enabled:bool contract:Contracts problem:string"),
    ("Contracts", "active:Contract terminated:Contract[]"),
    ("Contract", "index:int location:object firstEvent:string info:ContractInfo"),
    ("ContractInfo", "subscription:string finalEvent:string version:int"),
    ("MultipartyStatus", "enabled:bool org:Registration node:Registration contracts:ContractsStatus"),
    ("Registration", "status:string pendingRegistrationMessageId:uuid"),
    ("ContractsStatus", "active:ContractStatus terminated:Contract[]"),
    ("ContractStatus", "index:int location:object firstEvent:string info:ContractInfo status:string problem:string"),
    ("BatchManagerStatus", "processors:Processor[]"),
    ("Processor", "dispatcher:string name:string status:ProcessorStatus"),
    (
        "ProcessorStatus",
        "averageBatchBytes:int averageBatchData:number averageBatchMessages:number averageFlushTimeMS:int blocked:bool \
         cancelled:bool flushing:uuid lastFlushError:string lastFlushErrorTime:time lastFlushStartTime:time \
         totalBatches:int totalErrors:int",
    ),
    (
        "Header",
        "id:uuid cid:uuid type:messageType txtype:txType author:string key:string created:time namespace:string group:hash \
         topics:string[] tag:string datahash:hash txparent:TransactionRef",
    ),
    ("TransactionRef", "type:txType id:uuid"),
    ("BlockchainTransactionRef", "type:txType id:uuid blockchainId:string"),
    (
        "Message",
        "header:Header localNamespace:string hash:hash batch:uuid txid:uuid state:messageState confirmed:time \
         rejectReason:string data:DataRef[] pins:string[] idempotencyKey:string",
    ),
    ("DataRef", "id:uuid hash:hash"),
    (
        "MessageInOut",
        "header:Header localNamespace:string hash:hash batch:uuid txid:uuid state:messageState confirmed:time \
         rejectReason:string data:InlineData[] pins:string[] idempotencyKey:string group:GroupInput",
    ),
    ("InlineData", "id:uuid hash:hash validator:string datatype:DatatypeRef value:any blob:BlobRef"),
    ("MessageInput", "header:HeaderInput data:InlineData[] idempotencyKey:string"),
    (
        "HeaderInput",
        "cid:uuid type:messageType txtype:txType group:hash author:string key:string topics:string[] tag:string",
    ),
    ("PrivateMessageInput", "header:HeaderInput group:GroupInput data:InlineData[] idempotencyKey:string"),
    ("GroupInput", "name:string members:MemberInput[]"),
    ("MemberInput", "identity:string node:string"),
    ("DatatypeRef", "name:string version:string"),
    ("BlobRef", "hash:hash size:int name:string path:string public:string"),
    (
        "Data",
        "id:uuid validator:string namespace:string hash:hash created:time datatype:DatatypeRef value:any public:string \
         blob:BlobRef",
    ),
    ("DataRefOrValue", "id:uuid hash:hash validator:string datatype:DatatypeRef value:any blob:BlobRef"),
    ("PublishInput", "idempotencyKey:string"),
    (
        "Datatype",
        "id:uuid message:uuid validator:validator namespace:string name:string version:string hash:hash created:time value:any",
    ),
    ("DatatypeInput", "name:string version:string validator:validator value:any"),
    (
        "Event",
        "id:uuid sequence:int type:eventType namespace:string reference:uuid correlator:uuid tx:uuid topic:string created:time",
    ),
    (
        "EnrichedEvent",
        "id:uuid sequence:int type:eventType namespace:string reference:uuid correlator:uuid tx:uuid topic:string \
         created:time blockchainEvent:BlockchainEvent datatype:Datatype identity:Identity message:Message \
         operation:Operation transaction:Transaction",
    ),
    ("Transaction", "id:uuid namespace:string type:txType created:time idempotencyKey:string blockchainIds:string[]"),
    ("TransactionStatus", "status:string details:TransactionStatusDetails[]"),
    (
        "TransactionStatusDetails",
        "type:string subtype:string status:string timestamp:time id:uuid error:string info:object",
    ),
    (
        "Operation",
        "id:uuid namespace:string tx:uuid type:operationType status:string plugin:string input:object output:object error:string \
         created:time updated:time retry:uuid",
    ),
    (
        "OperationWithDetail",
        "id:uuid namespace:string tx:uuid type:operationType status:string plugin:string input:object output:object error:string \
         created:time updated:time retry:uuid detail:any",
    ),
    (
        "BlockchainEvent",
        "id:uuid source:string namespace:string name:string listener:uuid protocolId:string output:object info:object \
         timestamp:time tx:BlockchainTransactionRef",
    ),
    (
        "BatchPersisted",
        "id:uuid type:batchType namespace:string node:uuid group:hash created:time author:string key:string hash:hash \
         manifest:any tx:TransactionRef confirmed:time",
    ),
    (
        "Pin",
        "sequence:int namespace:string masked:bool hash:hash batch:uuid batchHash:hash index:int dispatched:bool \
         signer:string created:time",
    ),
    ("NextPin", "namespace:string context:hash identity:string hash:hash nonce:int"),
    (
        "Identity",
        "id:uuid did:string type:identityType parent:uuid namespace:string name:string description:string profile:object \
         messages:IdentityMessages created:time updated:time",
    ),
    (
        "IdentityWithVerifiers",
        "id:uuid did:string type:identityType parent:uuid namespace:string name:string description:string profile:object \
         messages:IdentityMessages created:time updated:time verifiers:VerifierRef[]",
    ),
    ("IdentityMessages", "claim:uuid verification:uuid update:uuid"),
    ("IdentityCreateDTO", "name:string type:string parent:string key:string description:string profile:object"),
    ("IdentityUpdateDTO", "description:string profile:object"),
    ("Verifier", "hash:hash identity:uuid type:verifierType value:string namespace:string created:time"),
    ("VerifierRef", "type:verifierType value:string"),
    ("DIDDocument", "@context:string[] id:string authentication:string[] verificationMethod:VerificationMethod[]"),
    (
        "VerificationMethod",
        "id:string type:string controller:string blockchainAcountId:string mspIdentityString:string dataExchangePeerID:string",
    ),
    (
        "Group",
        "namespace:string localNamespace:string message:uuid name:string members:Member[] hash:hash created:time",
    ),
    ("Member", "identity:string node:uuid"),
    (
        "Subscription",
        "id:uuid namespace:string name:string transport:string filter:SubscriptionFilter options:SubscriptionOptions \
         ephemeral:bool created:time updated:time",
    ),
    (
        "SubscriptionWithStatus",
        "id:uuid namespace:string name:string transport:string filter:SubscriptionFilter options:SubscriptionOptions \
         ephemeral:bool created:time updated:time status:SubscriptionStatus",
    ),
    ("SubscriptionStatus", "currentOffset:int webhook:WebhookHealth"),
    ("WebhookHealth", "failures:int lastError:string retrying:int nextTry:time parked:int"),
    (
        "ParkedEvent",
        "event:uuid sequence:int type:string topic:string reason:string tries:int first:time parked:time resumed:bool",
    ),
    ("ParkedCount", "count:int"),
    ("SeekInput", "firstEvent:string"),
    ("SecretInput", "grace:string"),
    ("Secret", "secret:string previousUntil:time"),
    (
        "SubscriptionInput",
        "namespace:string name:string transport:string filter:SubscriptionFilter options:SubscriptionOptions",
    ),
    (
        "SubscriptionFilter",
        "events:string topic:string message:MessageFilter transaction:TransactionFilter \
         blockchainevent:BlockchainEventFilter topics:string tag:string group:string author:string",
    ),
    ("MessageFilter", "tag:string group:string author:string"),
    ("TransactionFilter", "type:string"),
    ("BlockchainEventFilter", "name:string listener:string"),
    (
        "SubscriptionOptions",
        "firstEvent:string readAhead:int withData:bool batch:bool batchTimeout:string url:string method:string json:bool \
         headers:texts query:texts input:WebhookInput fastack:bool reply:bool replytag:string replytx:string \
         retry:WebhookRetry httpOptions:HttpOptions tlsConfigName:string",
    ),
    ("WebhookInput", "query:string headers:string body:string path:string replytx:string"),
    ("WebhookRetry", "enabled:bool count:int initialDelay:string maxDelay:string"),
    (
        "HttpOptions",
        "proxyURL:string connectionTimeout:string requestTimeout:string idleTimeout:string tlsHandshakeTimeout:string \
         expectContinueTimeout:string maxIdleConns:int",
    ),
    ("WebSocketStatus", "enabled:bool connections:WebSocketConnection[]"),
    ("WebSocketConnection", "id:uuid remoteAddress:string userAgent:string subscriptions:WebSocketStart[]"),
    ("WebSocketStart", "startTime:time ephemeral:bool namespace:string name:string filter:SubscriptionFilter"),
    (
        "Query",
        "equal:Comparison[] eq:Comparison[] neq:Comparison[] contains:Comparison[] startsWith:Comparison[] \
         endsWith:Comparison[] lessThan:Comparison[] lt:Comparison[] lessThanOrEqual:Comparison[] lte:Comparison[] \
         greaterThan:Comparison[] gt:Comparison[] greaterThanOrEqual:Comparison[] gte:Comparison[] in:OneOf[] nin:OneOf[] \
         null:IsNull[] or:Query[] sort:string[] skip:int limit:int count:bool",
    ),
    ("Comparison", "field:string value:any not:bool caseInsensitive:bool"),
    ("OneOf", "field:string values:any[] not:bool"),
    ("IsNull", "field:string not:bool"),
    (
        "MessageWhy",
        "id:uuid hash:hash state:messageState author:string topics:string[] created:time confirmed:time summary:string \
         waitsFor:Cause[] equivocations:Equivocation[]",
    ),
    (
        "Cause",
        "kind:string reason:string position:string from:string since:time tried:Attempt[] queued:int next:string",
    ),
    ("Attempt", "operation:uuid type:operationType status:operationStatus asked:string error:string updated:time"),
    (
        "BlockedTopic",
        "topic:string context:hash group:hash author:string since:time undecided:int position:string waitsFor:Cause \
         equivocation:Equivocation",
    ),
    (
        "Equivocation",
        "kind:string author:string group:hash topic:string differs:string[] one:Evidence other:Evidence seen:time",
    ),
    ("Evidence", "batch:uuid hash:hash message:uuid digest:hash from:string"),
    ("TopicPosition", "position:string"),
    ("TopicVote", "position:string forOthers:bool"),
    ("TopicRelease", "position:string batch:uuid undecided:int votes:string[] owner:string electorate:int"),
    ("ChartHistogram", "count:string timestamp:time types:ChartType[] isCapped:bool"),
    ("ChartType", "count:string type:string"),
    ("PinRewind", "sequence:int batch:uuid"),
    ("NetworkAction", "type:networkAction"),
    ("OperationUpdateDTO", "status:operationStatus output:object error:string"),
    ("Error", "error:string"),
];

/// All shapes as schemas by name.
pub(super) fn all() -> Map<String, Value> {
    let shape = |(name, fields): &(&str, &str)| ((*name).to_owned(), of_fields(name, fields));
    SHAPES.iter().map(shape).collect()
}

/// A type by its words.
pub(super) fn of(words: &str) -> Value {
    if let Some(item) = words.strip_suffix("[]") {
        return json!({ "type": "array", "items": of(item) });
    }
    if let Some((_, texts)) = ENUMERATIONS.iter().find(|(name, _)| *name == words) {
        return json!({ "type": "string", "enum": texts });
    }
    match words {
        "string" => json!({ "type": "string" }),
        "uuid" => json!({ "type": "string", "format": "uuid", "nullable": true }),
        "hash" => json!({ "type": "string", "format": "byte", "nullable": true }),
        "time" => json!({ "type": "string", "format": "date-time", "nullable": true }),
        "int" => json!({ "type": "integer", "format": "int64" }),
        "number" => json!({ "type": "number", "format": "double" }),
        "bool" => json!({ "type": "boolean" }),
        "texts" => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        "object" => json!({ "type": "object", "additionalProperties": true }),
        "any" => json!({}),
        name => json!({ "$ref": format!("#/components/schemas/{name}") }),
    }
}

/// What a listing gives: an array, or with `count` an object around it.
pub(super) fn listing(words: &str) -> Value {
    let count = json!({ "type": "integer", "format": "int64" });
    let properties = json!({ "count": count, "total": count, "items": of(words) });
    json!({ "anyOf": [of(words), { "type": "object", "properties": properties, "required": ["count", "items"] }] })
}

fn of_fields(name: &str, fields: &str) -> Value {
    if name == "Value" {
        return json!({});
    }
    let field = |field: &str| field.rsplit_once(':').map(|(name, words)| (name.to_owned(), of(words)));
    let properties: Map<String, Value> = fields.split_whitespace().filter_map(field).collect();
    json!({ "type": "object", "properties": properties })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes;

    #[test]
    fn every_reference_leads_somewhere() {
        let schemas = all();
        let text = serde_json::to_string(&schemas).unwrap();
        for part in text.split("#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(schemas.contains_key(name), "{name}");
        }
        for route in routes::API.routes() {
            for words in [route.takes, route.gives].into_iter().flatten().filter(|words| *words != "Blob") {
                let words = words.trim_end_matches("[]");
                assert!(words == "string" || schemas.contains_key(words), "{}: {words}", route.operation);
            }
        }
    }
}
