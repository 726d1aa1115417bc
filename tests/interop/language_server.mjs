// The language server, driven by the stock client of VS Code (vscode-languageserver-protocol).
//
// usage: node language_server.mjs ARCHGEN FOLDER     FOLDER is a copy of examples/slack that may be spoiled
// Prints one JSON object: what each request answered.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { createProtocolConnection, StreamMessageReader, StreamMessageWriter } from 'vscode-languageserver-protocol/node';

const [archgen, folder] = process.argv.slice(2);
const deadline = setTimeout(() => { console.error('the server took longer than 60 s'); process.exit(1); }, 60_000);
const child = spawn(archgen, ['lsp', '--stdio'], { stdio: ['pipe', 'pipe', 'inherit'] });
const ended = new Promise((resolve) => child.on('exit', resolve));
const server = createProtocolConnection(new StreamMessageReader(child.stdout), new StreamMessageWriter(child.stdin));

const published = new Map();
const waiting = [];
server.onNotification('textDocument/publishDiagnostics', (p) => {
  published.set(p.uri, p);
  for (const one of [...waiting]) if (one.holds()) { waiting.splice(waiting.indexOf(one), 1); one.done(); }
});
const until = (holds) => holds() ? Promise.resolve() : new Promise((done) => waiting.push({ holds, done }));
server.listen();

const out = {};
const hello = await server.sendRequest('initialize', { processId: process.pid, rootUri: pathToFileURL(folder).href, capabilities: {} });
out.capabilities = Object.keys(hello.capabilities).sort();
await server.sendNotification('initialized', {});

const base = { path: `${folder}/topology.yaml`, version: 1 };
base.uri = pathToFileURL(base.path).href;
base.text = readFileSync(base.path, 'utf8');
const overlay = { uri: pathToFileURL(`${folder}/env/dev.yaml`).href, text: readFileSync(`${folder}/env/dev.yaml`, 'utf8') };

const open = (file) => server.sendNotification('textDocument/didOpen', {
  textDocument: { uri: file.uri, languageId: 'yaml', version: 1, text: file.text } });
const position = (text, offset) => {
  const before = text.slice(0, offset).split('\n');
  return { line: before.length - 1, character: before.at(-1).length };
};
const where = (file, needle, shift = 1) => {
  const at = file.text.indexOf(needle);
  if (at < 0) throw new Error(`no ${needle}`);
  return { textDocument: { uri: file.uri }, position: position(file.text, at + shift) };
};
// Replaces text as an editor does, by one incremental change, and waits for the verdict on that version.
const change = async (file, from, to) => {
  const at = file.text.indexOf(from);
  if (at < 0) throw new Error(`no ${from}`);
  const range = { start: position(file.text, at), end: position(file.text, at + from.length) };
  file.text = file.text.slice(0, at) + to + file.text.slice(at + from.length);
  file.version += 1;
  await server.sendNotification('textDocument/didChange', {
    textDocument: { uri: file.uri, version: file.version }, contentChanges: [{ range, text: to }] });
  await until(() => published.get(file.uri)?.version === file.version);
  return published.get(file.uri).diagnostics;
};
const brief = (file) => (d) => `${d.code} ${d.range.start.line + 1}:${d.range.start.character + 1}-${d.range.end.character + 1} ${d.message.split('\n')[0]}`;

await open(base);
await until(() => published.has(base.uri));
out.clean = published.get(base.uri).diagnostics.length;

out.hover = (await server.sendRequest('textDocument/hover', where(base, 'bucket: auto'))).contents.value;
out.definition = (await server.sendRequest('textDocument/definition', where(base, 'chat.messages', 6)))
  .map((l) => `${l.uri.split('/').at(-1)}:${l.range.start.line + 1}`);
out.references = (await server.sendRequest('textDocument/references', { ...where(base, '  cache: { kind', 3), context: { includeDeclaration: true } }))
  .map((l) => `${l.uri.split('/').at(-1)}:${l.range.start.line + 1}`);
out.symbols = (await server.sendRequest('textDocument/documentSymbol', { textDocument: { uri: base.uri } })).map((s) => s.name);
out.hints = (await server.sendRequest('textDocument/inlayHint', { textDocument: { uri: base.uri },
  range: { start: { line: 0, character: 0 }, end: { line: 999, character: 0 } } })).map((h) => h.label);
out.prepared = await server.sendRequest('textDocument/prepareRename', where(base, '  cache: { kind', 3));
const renamed = await server.sendRequest('textDocument/rename', { ...where(base, '  cache: { kind', 3), newName: 'hot' });
out.rename = Object.fromEntries(renamed.documentChanges.map((d) => [d.textDocument.uri.split('/').at(-1), d.edits.length]));
out.refused = await server.sendRequest('textDocument/rename', { ...where(base, '  cache: { kind', 3), newName: 'blobs' })
  .then(() => 'renamed', (error) => error.message);

// Completion on a half-typed line, with text beyond the basic plane before it on the line.
out.half = (await change(base, 'needs: [users.accounts, cache]', 'needs: [users.accounts, ca')).map(brief());
out.completion = (await server.sendRequest('textDocument/completion', where(base, 'needs: [users.accounts, ca', 26))).map((c) => c.label);
await change(base, 'needs: [users.accounts, ca', 'needs: [users.accounts, cache]');
out.kinds = (await server.sendRequest('textDocument/completion', where(base, 'kind: redis', 6))).map((c) => c.label);
await change(base, 'connections_per_ip: 50', 'connections_per_ip: 50, ');
out.keys = (await server.sendRequest('textDocument/completion', where(base, 'connections_per_ip: 50, ', 24))).map((c) => c.label);
await change(base, 'connections_per_ip: 50, ', 'connections_per_ip: 50');

// A slip behind a character of two UTF-16 units: the place counts units, and the fix mends the text.
const slip = await change(base, 'cache: { kind: redis, version: "7.2", nodes: 6, memory', 'cache: { kind: redis, version: "7.2𝄞", nodes: 6, memroy');
out.slip = slip.map(brief());
const actions = await server.sendRequest('textDocument/codeAction', { textDocument: { uri: base.uri }, range: slip.at(-1).range, context: { diagnostics: slip } });
out.actions = actions.map((a) => a.title);
const edit = actions[0].edit.documentChanges[0].edits[0];
const lines = base.text.split('\n');
const line = lines[edit.range.start.line];
out.mended = line.slice(0, edit.range.start.character) + edit.newText + line.slice(edit.range.end.character);
await change(base, 'version: "7.2𝄞", nodes: 6, memroy', 'version: "7.2", nodes: 6, memory');

// Two half-typed lines do not hide a slip elsewhere.
out.tolerant = (await change(base, '  user:\n    port: 9300', '  user:\n    por\n    port 9300\n    prot: 1')).map(brief());

// A slip in an overlay that is open is shown in the overlay.
await change(base, '  user:\n    por\n    port 9300\n    prot: 1', '  user:\n    port: 9300');
overlay.version = 1;
await open(overlay);
await until(() => published.has(overlay.uri));
out.overlay = (await change(overlay, '  search: { replicas: 1 }', '  serach: { replicas: 1 }')).map(brief());

// Formatting gives back the text that spacing and order have been spoilt of, and leaves a formatted text alone.
const format = async () => {
  const edits = await server.sendRequest('textDocument/formatting', { textDocument: { uri: base.uri }, options: { tabSize: 2, insertSpaces: true } });
  let text = base.text;
  for (const edit of edits) {
    const offset = (p) => text.split('\n').slice(0, p.line).reduce((sum, l) => sum + l.length + 1, 0) + p.character;
    text = text.slice(0, offset(edit.range.start)) + edit.newText + text.slice(offset(edit.range.end));
  }
  return { edits: edits.length, text };
};
const tidy = base.text;
out.formatted = (await format()).edits;
await change(base, 'registry: { kind: consul, datacenter: eu, servers: 3', 'registry: {servers:   3, datacenter: eu,kind: consul');
await change(base, '    port: 9300\n', '    port:   9300   # é𝄞\n\n\n');
const again = await format();
out.formatting = { edits: again.edits, mended: again.text === tidy.replace('    port: 9300\n', '    port: 9300     # é𝄞\n\n') };

await server.sendRequest('shutdown');
await server.sendNotification('exit');
out.exit = await ended;
clearTimeout(deadline);
console.log(JSON.stringify(out));
process.exit(0);
