// Takes an AsyncAPI document with the stock parser; its complaints end the program.
//
// usage: node asyncapi.mjs FILE
import { readFileSync } from 'node:fs';
import { Parser } from '@asyncapi/parser';

const { document, diagnostics } = await new Parser().parse(readFileSync(process.argv[2], 'utf8'));
const bad = diagnostics.filter((d) => d.severity === 0);
if (!document || bad.length) { console.error(JSON.stringify(bad.length ? bad : diagnostics, null, 2)); process.exit(1); }
const events = document.allMessages().all().length;
if (events < 20) { console.error(`only ${events} messages`); process.exit(1); }
console.log(`${events} messages, ${document.allOperations().all().length} operations`);
