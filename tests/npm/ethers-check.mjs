// Uses a development chain through ethers.js, as an application would: node ethers-check.mjs URL WS_URL PRIVATE_KEY
//
// The account must hold ether. Exits with 0 if every check holds.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { ethers } from "ethers";

const [url, wsUrl, privateKey] = process.argv.slice(2);
const artifact = (path) => JSON.parse(readFileSync(new URL(`../../contracts/${path}`, import.meta.url), "utf8"));
const firefly = artifact("artifacts/Firefly.json");
const ledger = artifact("test/artifacts/Ledger.json");
const word = (value) => ethers.zeroPadValue(ethers.toBeHex(value), 32);

// Blocks come faster than ethers expects: without this it answers from what it knew 250 ms ago.
const options = { cacheTimeout: -1, pollingInterval: 50 };
const http = new ethers.JsonRpcProvider(url, undefined, options);
const ws = new ethers.WebSocketProvider(wsUrl, undefined, options);
const wallet = new ethers.Wallet(privateKey, http);

const network = await http.getNetwork();
assert.equal(network.chainId, 31337n);
assert.ok((await http.getBalance(wallet.address)) > 0n);

// Deploy, call, pin, and find what was pinned.
const deployed = await new ethers.ContractFactory(firefly.abi, firefly.bytecode, wallet).deploy();
await deployed.waitForDeployment();
const address = await deployed.getAddress();
assert.equal(await deployed.networkVersion(), 2n);
assert.notEqual(await http.getCode(address), "0x");

const listening = new ethers.Contract(address, firefly.abi, ws);
const heard = [];
const heardAll = new Promise((resolve) => {
  listening.on("BatchPin", (author, timestamp, action, uuids) => {
    heard.push([author, action, uuids]);
    if (heard.length === 3) resolve();
  });
});
const heads = [];
const headsSeen = new Promise((resolve) => {
  ws.on("block", (number) => {
    heads.push(number);
    if (heads.length === 3) resolve();
  });
});
// The subscriptions are made in the background; an answer on the same connection says that they are there.
await ws.send("eth_chainId", []);

for (let seed = 1; seed <= 3; seed += 1) {
  const sent = await deployed.pinBatch(word(seed), word(seed + 1), "", [word(seed + 2), word(seed + 3)]);
  const receipt = await sent.wait();
  assert.equal(receipt.status, 1);
  assert.equal(receipt.logs.length, 1);
  const event = deployed.interface.parseLog(receipt.logs[0]);
  assert.equal(event.args.author, wallet.address);
  assert.deepEqual([...event.args.contexts], [word(seed + 2), word(seed + 3)]);
}
await heardAll;
assert.deepEqual(heard, [1, 2, 3].map((seed) => [wallet.address, "firefly:batch_pin", word(seed)]));
await headsSeen;
assert.deepEqual(heads, [...heads].sort((a, b) => a - b));
const found = await deployed.queryFilter("BatchPin", 0, "latest");
assert.equal(found.length, 3);

// What ethers makes of reverts, blocks and a transaction of an account that the chain signs for.
const store = await new ethers.ContractFactory(ledger.abi, ledger.bytecode, wallet).deploy(9);
await store.waitForDeployment();
await assert.rejects(store.failWithReason("closed"), (error) => error.code === "CALL_EXCEPTION" && error.reason === "closed");
await assert.rejects(
  store.failWithError.staticCall("late", 7),
  (error) => error.revert?.name === "Refused" && error.revert.args[1] === 7n,
);
await (await store.put(1, 2)).wait();
assert.equal(await store.get(1), 2n);
const block = await http.getBlock("latest", true);
assert.equal(block.prefetchedTransactions[0].from, wallet.address);
const signer = await http.getSigner(0);
const transfer = await signer.sendTransaction({ to: wallet.address, value: 5n });
assert.equal((await transfer.wait()).status, 1);
const fees = await http.getFeeData();
assert.equal(fees.gasPrice, 0n);
const nonce = await http.getTransactionCount(wallet.address, "pending");
await assert.rejects(
  wallet.sendTransaction({ to: wallet.address, nonce: nonce - 1, gasLimit: 21000 }),
  (error) => error.code === "NONCE_EXPIRED",
);
assert.equal(ethers.verifyMessage("hello", await signer.signMessage("hello")), await signer.getAddress());

await ws.destroy();
http.destroy();
console.log("all checks passed");
