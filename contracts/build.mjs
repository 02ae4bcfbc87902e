// Compiles the contracts and writes their artefacts, or, with --check, compares them with the ones that are committed.
//
// The settings leave nothing to the machine: the compiler is a pinned WebAssembly build, the optimiser's runs are fixed and no
// metadata hash is appended. The EVM version is an old one, so that a private chain with an old configuration runs the code;
// the compiler is the last line that supports it without a deprecation warning.

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { dirname, join } from "node:path";
import solc from "solc";

const here = dirname(fileURLToPath(import.meta.url));

const contracts = [
  { source: "src/Firefly.sol", name: "Firefly", artifact: "artifacts/Firefly.json" },
  { source: "test/Ledger.sol", name: "Ledger", artifact: "test/artifacts/Ledger.json" },
];

const settings = {
  evmVersion: "constantinople",
  optimizer: { enabled: true, runs: 10000 },
  metadata: { bytecodeHash: "none", appendCBOR: false },
};

function compile({ source, name }) {
  const input = {
    language: "Solidity",
    sources: { [source]: { content: readFileSync(join(here, source), "utf8") } },
    settings: {
      ...settings,
      outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
    },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  for (const problem of output.errors ?? []) {
    throw new Error(problem.formattedMessage);
  }
  const contract = output.contracts[source][name];
  return {
    contractName: name,
    source,
    compiler: solc.version(),
    settings,
    abi: contract.abi,
    bytecode: `0x${contract.evm.bytecode.object}`,
    deployedBytecode: `0x${contract.evm.deployedBytecode.object}`,
  };
}

const check = process.argv.includes("--check");
let stale = 0;
for (const contract of contracts) {
  const text = `${JSON.stringify(compile(contract), null, 2)}\n`;
  const path = join(here, contract.artifact);
  if (!check) {
    writeFileSync(path, text);
    console.log(`wrote ${contract.artifact}`);
    continue;
  }
  let committed = null;
  try {
    committed = readFileSync(path, "utf8");
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
  }
  if (committed === text) {
    console.log(`${contract.artifact} is current`);
  } else {
    console.error(`${contract.artifact} differs from what ${contract.source} compiles to; run: npm run build`);
    stale += 1;
  }
}
process.exitCode = stale === 0 ? 0 : 1;
