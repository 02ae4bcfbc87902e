// Subscriptions, sockets and webhooks through the FireFly SDK from npm, unchanged: node sdk-events.mjs URL0 URL1
//
// Exits with 0 if every check holds.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import { once } from "node:events";
import sdk from "@hyperledger/firefly-sdk";

const FireFly = sdk.default;
const [host, otherHost] = process.argv.slice(2);
const options = { namespace: "default", logLevel: 0, websocket: { reconnectDelay: 100 } };
const firefly = new FireFly({ host, ...options });
const other = new FireFly({ host: otherHost, ...options });
const run = `events-${Date.now()}`;
const filter = { events: "^message_confirmed$", message: { tag: `^${run}$` } };

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

/** A call that the SDK has no method for. */
async function call(method, path, body) {
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(`${host}/api/v1/namespaces/default/subscriptions/${path}`, { method, headers, body: body && JSON.stringify(body) });
  assert.ok(response.ok, `${method} ${path}: ${response.status}`);
  return response.status === 204 ? undefined : response.json();
}

/** Confirms a message with this value. */
async function send(n, tag = run) {
  const message = await firefly.sendBroadcast({ header: { tag, topics: [run] }, data: [{ value: { n } }] }, { confirm: true });
  return message.header.id;
}

// Subscriptions.
const durable = await firefly.replaceSubscription({ name: `${run}-durable`, transport: "websockets", filter, options: { firstEvent: "newest", readAhead: 10 } });
assert.match(durable.options.firstEvent, /^-?\d+$/);
const replaced = await firefly.replaceSubscription({ name: `${run}-durable`, transport: "websockets", filter, options: { readAhead: 5 } });
assert.deepEqual([replaced.id, replaced.options.firstEvent, replaced.options.readAhead], [durable.id, durable.options.firstEvent, 5]);
assert.equal((await firefly.getSubscriptions({ name: `${run}-durable` }))[0].id, durable.id);
await assert.rejects(
  firefly.replaceSubscription({ name: "not a name", transport: "websockets" }),
  (error) => /FF00140/.test(error.message),
);

// A durable one on two sockets: one is served, and the other takes over.
const [first, second] = [[], []];
const primary = firefly.listen(`${run}-durable`, async (_socket, event) => first.push(event));
await send(0);
await until("the first event", () => first.length === 1);
const standby = firefly.listen(`${run}-durable`, async (_socket, event) => second.push(event));
await send(1);
await until("the second event", () => first.length === 2);
assert.equal(second.length, 0);
await until("both acknowledgements", async () => (await call("GET", `${durable.id}?fetchstatus`)).status.currentOffset >= first[1].sequence);
primary.close();
const third = await send(2);
await until("the third event at the other socket", () => second.some((event) => event.reference === third));
standby.close();

// Moved back, it delivers again.
await call("POST", `${durable.id}/seek`, { firstEvent: String(first[0].sequence - 1) });
const again = [];
const replay = firefly.listen(`${run}-durable`, async (_socket, event) => again.push(event));
await until("all three again", () => again.length === 3);
assert.equal(again[0].id, first[0].id);
replay.close();

// Batches.
await firefly.replaceSubscription({ name: `${run}-batch`, transport: "websockets", filter, options: { firstEvent: "oldest", batch: true, readAhead: 50, batchTimeout: "100ms" } });
const batched = [];
const batches = firefly.listen(`${run}-batch`, async (_socket, batch) => batched.push(...batch.events));
await until("three events in batches", () => batched.length === 3);
assert.deepEqual(batched.map((event) => event.id), again.map((event) => event.id));
batches.close();

// An ephemeral one, at the other member.
const passing = [];
const ephemeral = other.listen({ filter: { events: "^message_confirmed$" } }, async (_socket, event) => passing.push(event));
await until("an ephemeral event", async () => {
  await send(0, "other");
  return passing.length > 0;
});
ephemeral.close();

// A webhook that fails once, is signed, and answers.
const calls = [];
let status = 200;
const app = createServer(async (request, response) => {
  let body = "";
  for await (const piece of request) body += piece;
  calls.push({ url: request.url, headers: request.headers, body, status });
  response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify({ taken: status === 200 }));
}).listen(0, "127.0.0.1");
await once(app, "listening");
const url = `http://127.0.0.1:${app.address().port}`;
const hook = await firefly.replaceSubscription({
  name: `${run}-hook`,
  transport: "webhooks",
  filter,
  options: { url: `${url}/hook`, firstEvent: "newest", withData: true, query: { from: "node" }, headers: { "X-Own": "yes" }, retry: { enabled: true, count: 1, initialDelay: "10ms" } },
});
const { secret } = await call("POST", `${hook.id}/secret`);
await send(7);
const taken = await until("a call", () => calls[0]);
assert.deepEqual([taken.url, taken.headers["x-own"], JSON.parse(taken.body)], ["/hook?from=node", "yes", { n: 7 }]);
const signed = `${taken.headers["webhook-id"]}.${taken.headers["webhook-timestamp"]}.${taken.body}`;
const key = Buffer.from(secret.slice("whsec_".length), "base64");
assert.equal(taken.headers["webhook-signature"], `v1,${createHmac("sha256", key).update(signed).digest("base64")}`);

status = 503;
await send(8);
const [parked] = await until("a parked event", async () => {
  const all = await call("GET", `${hook.id}/parked`);
  return all.length === 1 && all;
});
assert.deepEqual([parked.tries, calls.length], [2, 3]);
status = 200;
assert.equal((await call("POST", `${hook.id}/parked/${parked.event}/resume`)).count, 1);
await until("the event again", () => JSON.parse(calls[3]?.body ?? "{}").n === 8);
await until("nothing parked", async () => (await call("GET", `${hook.id}/parked`)).length === 0);

// One that replies to whoever asks, over the ledger.
const asked = `${run}-ask`;
await firefly.replaceSubscription({
  name: `${run}-reply`,
  transport: "webhooks",
  filter: { events: "^message_confirmed$", message: { tag: `^${asked}$` } },
  options: { url, reply: true, replytag: `${run}-answer`, firstEvent: "newest" },
});
const question = await send(9, asked);
const [reply] = await until("a reply at the other member", async () => {
  const found = await other.getMessages({ cid: question, tag: `${run}-answer`, state: "confirmed" });
  return found.length && found;
});
const answer = await other.getData(reply.data[0].id);
assert.deepEqual([answer.value.status, answer.value.body], [200, { taken: true }]);

for (const { id, name } of await firefly.getSubscriptions()) {
  if (name.startsWith(run)) await firefly.deleteSubscription(id);
}
assert.equal((await firefly.getSubscriptions()).filter(({ name }) => name.startsWith(run)).length, 0);
console.log("every check holds");
process.exit(0);
