// Drives the stock yaml-language-server over stdio with a schema: node yaml_language_server.mjs SCHEMA prints what it says about
// a misspelt key and what it offers to complete.
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const require = createRequire(import.meta.url);
const rpc = require("vscode-jsonrpc/node");
const here = path.dirname(fileURLToPath(import.meta.url));
const schema = pathToFileURL(path.resolve(process.argv[2])).href;
const server = spawn(process.execPath, [path.join(here, "node_modules/yaml-language-server/bin/yaml-language-server"), "--stdio"], {
  stdio: ["pipe", "pipe", "inherit"],
});
const connection = rpc.createMessageConnection(
  new rpc.StreamMessageReader(server.stdout),
  new rpc.StreamMessageWriter(server.stdin),
);
const settings = { yaml: { validate: true, completion: true, hover: true, schemas: { [schema]: ["*.yaml"] }, schemaStore: { enable: false } } };
const waiting = new Map();
connection.onNotification("textDocument/publishDiagnostics", ({ uri, diagnostics }) => waiting.get(uri)?.(diagnostics));
connection.onRequest("workspace/configuration", ({ items }) => items.map((item) => settings[item.section] ?? {}));
connection.onRequest("client/registerCapability", () => null);
connection.listen();
await connection.sendRequest("initialize", {
  processId: process.pid,
  rootUri: null,
  capabilities: { workspace: { configuration: true, didChangeConfiguration: {} }, textDocument: { completion: {}, hover: {} } },
});
await connection.sendNotification("initialized", {});
await connection.sendNotification("workspace/didChangeConfiguration", { settings });

async function open(name, text) {
  const uri = `file:///${name}`;
  const told = new Promise((resolve) => waiting.set(uri, resolve));
  await connection.sendNotification("textDocument/didOpen", { textDocument: { uri, languageId: "yaml", version: 1, text } });
  return { uri, diagnostics: await told };
}
async function complete(name, text, line, character) {
  const { uri } = await open(name, text);
  const found = await connection.sendRequest("textDocument/completion", { textDocument: { uri }, position: { line, character } });
  return (found.items ?? found).map((item) => item.label);
}

const misspelt = await open("misspelt.yaml", "archgen: v1\nname: a\nservices:\n  user: { prot: 9300, port: 9300 }\n");
const sound = await open("sound.yaml", "archgen: v1\nname: a\nservices:\n  user: { port: 9300 }\n");
const keys = await complete("keys.yaml", "archgen: v1\nname: a\nservices:\n  user:\n    \n", 4, 4);
const values = await complete("values.yaml", "archgen: v1\nname: a\nstores:\n  cache:\n    kind: \n", 4, 10);
const hover = await connection.sendRequest("textDocument/hover", { textDocument: { uri: sound.uri }, position: { line: 3, character: 11 } });
console.log(
  JSON.stringify({
    misspelt: misspelt.diagnostics.map((d) => ({ line: d.range.start.line, message: d.message })),
    sound: sound.diagnostics.map((d) => d.message),
    keys,
    values,
    hover: hover?.contents?.value ?? "",
  }),
);
connection.end();
server.kill();
process.exit(0);
