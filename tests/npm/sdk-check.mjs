// Uses two members through the FireFly SDK from npm, unchanged: node sdk-check.mjs URL0 URL1
//
// Exits with 0 if every check holds.

import assert from "node:assert/strict";
import sdk from "@hyperledger/firefly-sdk";

const FireFly = sdk.default;
const [host, otherHost] = process.argv.slice(2);
const quiet = { logLevel: 0 };
const firefly = new FireFly({ host, namespace: "default", ...quiet });
const other = new FireFly({ host: otherHost, namespace: "default", ...quiet });

/** Waits until `look` finds something, for at most half a minute. */
async function until(what, look) {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const found = await look();
    if (found) return found;
    assert.ok(Date.now() < deadline, `${what} did not happen in time`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

/** The text of a stream. */
async function text(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

const status = await firefly.getStatus();
assert.equal(status.multiparty.enabled, true);
assert.equal(status.org.registered, true);
assert.equal((await firefly.getNamespaces())[0].name, "default");
assert.equal((await firefly.getNamespace("default")).name, "default");
assert.equal((await firefly.getOrganizations()).length, 2);
assert.equal((await firefly.getNodes()).length, 2);
assert.equal((await firefly.getOrganization(status.org.name)).did, status.org.did);
assert.equal((await firefly.getNode(status.node.name)).id, status.node.id);
assert.ok((await firefly.getIdentities()).length >= 4);
assert.ok((await firefly.getVerifiers("default")).some((verifier) => verifier.identity === status.org.id));

// A durable subscription, and one that leaves no trace.
const name = `sdk-${Date.now()}`;
const topic = `${name}-topic`;
const subscription = await firefly.replaceSubscription({
  name,
  transport: "websockets",
  filter: { events: "message_confirmed", message: { tag: "^sdk$" } },
  options: { firstEvent: "newest" },
});
const [seen, passing] = [[], []];
const durable = firefly.listen(name, async (_socket, event) => seen.push(event));
const ephemeral = other.listen({ filter: { events: "^message_confirmed$" } }, async (_socket, event) => passing.push(event));
// An ephemeral subscription tells of what happens after it began: messages are sent until one comes.
await until("an ephemeral event", async () => {
  await other.sendBroadcast({ header: { tag: "warm", topics: [topic] }, data: [{ value: "warm" }] }, { confirm: true });
  return passing.length > 0;
});

// A datatype, values and a file.
const version = "1.0";
await firefly.createDatatype(
  { name, version, value: { type: "object", properties: { id: { type: "string" } }, required: ["id"] } },
  { confirm: true },
);
assert.equal((await firefly.getDatatype(name, version)).name, name);
assert.ok((await firefly.getDatatypes({ name })).length === 1);
const uploaded = await firefly.uploadData({ value: { later: true } });
const file = await firefly.uploadDataBlob(Buffer.from("a file"), { filename: "file.txt" });
assert.equal(file.blob.name, "file.txt");
assert.equal(await text(await firefly.getDataBlob(file.id)), "a file");

const sent = await firefly.sendBroadcast(
  {
    header: { tag: "sdk", topics: [topic] },
    data: [{ datatype: { name, version }, value: { id: "w1" } }, { id: uploaded.id }, { id: file.id }],
    idempotencyKey: name,
  },
  { confirm: true },
);
assert.equal(sent.state, "confirmed");
await assert.rejects(
  firefly.sendBroadcast({ header: { topics: [topic] }, data: [{ value: 1 }], idempotencyKey: name }),
  (error) => error.name === "FireFlyIdempotencyError" || /FF10430/.test(error.message),
);
await assert.rejects(
  firefly.sendBroadcast({ data: [{ datatype: { name, version }, value: { id: 5 } }] }),
  (error) => /FF10198/.test(error.message),
);

const event = await until("the durable event", () => seen.find((event) => event.reference === sent.header.id));
assert.equal(event.type, "message_confirmed");
assert.equal(event.message.header.tag, "sdk");
assert.equal(event.subscription.name, name);
await until("the acknowledgement", async () => {
  const { status } = await (await fetch(`${host}/api/v1/namespaces/default/subscriptions/${subscription.id}?fetchstatus`)).json();
  return status.currentOffset >= event.sequence;
});

// The other member has the same.
const received = await until("the message at the other member", async () => {
  const message = await other.getMessage(sent.header.id);
  return message?.state === "confirmed" && message;
});
assert.equal(received.hash, sent.hash);
assert.equal(await text(await other.getDataBlob(file.id)), "a file");
assert.deepEqual((await other.getData(uploaded.id)).value, { later: true });

// Queries, and what is not there.
const [found] = await firefly.getMessages({ topics: topic, tag: "sdk" });
assert.equal(found.header.id, sent.header.id);
assert.ok((await firefly.findData({ limit: 2 })).length === 2);
const [batch] = await firefly.getBatches({ id: sent.batch });
assert.equal(batch.tx.id, sent.txid);
const transaction = await firefly.getTransaction(sent.txid);
assert.equal(transaction.type, "batch_pin");
const [operation] = await firefly.getOperations({ tx: sent.txid, type: "blockchain_pin_batch" });
assert.equal((await firefly.getOperation(operation.id)).status, "Succeeded");
const [pinned] = await firefly.getBlockchainEvents({ "tx.id": sent.txid });
assert.equal((await firefly.getBlockchainEvent(pinned.id)).name, "BatchPin");
assert.equal(await firefly.getMessage("11111111-1111-4111-8111-111111111111"), undefined);

durable.close();
ephemeral.close();
await firefly.deleteSubscription(subscription.id);
assert.ok(!(await firefly.getSubscriptions({ name })).length);
console.log("every check holds");
process.exit(0);
