// The rest of the FireFly SDK from npm, unchanged, as far as it is not about tokens and contracts: node sdk-rest.mjs URL0 URL1
//
// With sdk-check.mjs and sdk-events.mjs every such method is called. Exits with 0 if every check holds.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import sdk from "@hyperledger/firefly-sdk";

const FireFly = sdk.default;
const [host, otherHost] = process.argv.slice(2);
const options = { namespace: "default", logLevel: 0 };
const firefly = new FireFly({ host, ...options });
const other = new FireFly({ host: otherHost, ...options });
const run = `rest-${Date.now()}`;
// An account of a local network that its members can sign with and that nobody has claimed.
const spare = "0x9965507d1a55bcc2695c58ba16fb37d819b0a4dc";

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

/** A call fails with this code. */
const fails = (call, code) => assert.rejects(call, (error) => error.message.includes(code));

const [{ org }, { org: otherOrg }] = [await firefly.getStatus(), await other.getStatus()];

// Keys, and who they belong to.
const resolved = await firefly.resolveVerifier({ type: "ethereum_address", value: spare.toUpperCase().replace("0X", "0x") });
assert.deepEqual(resolved, { type: "ethereum_address", value: spare });
await fails(firefly.resolveVerifier({ value: "nonsense" }), "FF10141");

// A custom identity: claimed, seen by the other member, updated by its owner and by nobody else.
const name = run;
const claimed = await firefly.createIdentity({ name, key: spare, parent: org.id, description: "one", profile: { kind: "desk" } }, { confirm: true });
assert.deepEqual([claimed.did, claimed.type, claimed.parent], [`did:firefly:${name}`, "custom", org.id]);
const seen = await until("the identity at the other member", () => other.getIdentity(claimed.id));
assert.equal(seen.description, "one");
assert.deepEqual((await other.getVerifiers("default")).filter(({ identity }) => identity === claimed.id).map(({ value }) => value), [spare]);
assert.deepEqual((await firefly.getIdentities({ name }))[0].profile, { kind: "desk" });
const updated = await firefly.updateIdentity(claimed.id, { description: "two", profile: { kind: "quay" } }, { confirm: true });
assert.deepEqual([updated.description, updated.profile.kind], ["two", "quay"]);
await until("the update at the other member", async () => (await other.getIdentity(claimed.id)).description === "two");
await fails(other.updateIdentity(claimed.id, { profile: {} }), "FF10206");
await fails(firefly.createIdentity({ name, key: spare, parent: org.id }), "FF10407");
await fails(firefly.createIdentity({ name: `${name}-x`, parent: org.id }), "FF10352");
await fails(firefly.createIdentity({ name: `${name}-x`, key: spare, parent: "nobody" }), "FF10214");
await fails(firefly.createIdentity({ name: "not a name", key: spare, parent: org.id }), "FF00140");
const asDesk = await firefly.sendBroadcast({ header: { author: claimed.did, topics: [run] }, data: [{ value: 1 }] }, { confirm: true });
assert.deepEqual([asDesk.header.author, asDesk.header.key], [claimed.did, spare]);

// Private messages, their group, and a request with its reply.
const group = { members: [{ identity: org.did }, { identity: otherOrg.did }] };
const sent = await firefly.sendPrivateMessage({ header: { tag: "offer", topics: [run] }, group, data: [{ value: { price: 5 } }] }, { confirm: true });
assert.deepEqual([sent.state, sent.header.type], ["confirmed", "private"]);
const known = await firefly.getGroup(sent.header.group);
assert.deepEqual(known.members.map((member) => member.identity).sort(), group.members.map((member) => member.identity).sort());
await until("the message at the other member", async () => (await other.getMessage(sent.header.id))?.state === "confirmed");
assert.equal(await firefly.getGroup("0".repeat(64)), undefined);
const filter = { events: "^message_confirmed$", message: { tag: `^${run}-ask$` } };
await other.replaceSubscription({ name: `${run}-answers`, transport: "websockets", filter, options: { firstEvent: "newest" } });
const answering = other.listen(`${run}-answers`, async (_socket, event) => {
  const { id, group } = event.message.header;
  await other.sendPrivateMessage({ header: { cid: id, group, tag: "answer", topics: [run] }, data: [{ value: "yes" }] });
});
const reply = await firefly.sendPrivateMessage(
  { header: { tag: `${run}-ask`, topics: [run] }, group, data: [{ value: "yes?" }] },
  { requestReply: true },
);
assert.deepEqual([reply.header.tag, reply.data[0].value], ["answer", "yes"]);
answering.close();

// Data that is published, and deleted.
const value = await firefly.uploadData({ value: { run } });
const published = await firefly.publishData(value.id);
assert.match(published.public, /^(Qm|baf)/);
const file = await firefly.uploadDataBlob(Buffer.from(readFileSync(process.argv[1])), { filename: "script.mjs" });
assert.match((await firefly.publishDataBlob(file.id)).blob.public, /^(Qm|baf)/);
const doomed = await firefly.uploadData({ value: 1 });
await firefly.deleteData(doomed.id);
assert.equal(await firefly.getData(doomed.id), undefined);

// What was done, and done again.
const [upload] = await until("the upload", async () => {
  const found = await firefly.getOperations({ type: "sharedstorage_upload_value", status: "Succeeded", limit: 1 });
  return found.length && found;
});
const again = await firefly.retryOperation(upload.id);
assert.notEqual(again.id, upload.id);
await until("the repetition", async () => (await firefly.getOperation(again.id)).status === "Succeeded");
assert.equal((await firefly.getOperation(upload.id)).retry, again.id);
assert.ok((await firefly.getTransactions({ type: "data_publish", limit: 5 })).some(({ id }) => id === upload.tx));
await fails(firefly.retryOperation("11111111-1111-4111-8111-111111111111"), "FF00164");

console.log("every check holds");
process.exit(0);
