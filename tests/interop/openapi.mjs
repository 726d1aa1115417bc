// Takes an OpenAPI document with a stock validator; its complaints end the program.
//
// usage: node openapi.mjs FILE
import { readFileSync } from 'node:fs';
import { Validator } from '@seriousme/openapi-schema-validator';

const document = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const result = await new Validator().validate(document);
if (!result.valid) { console.error(JSON.stringify(result.errors, null, 2)); process.exit(1); }
const routes = Object.values(document.paths).flatMap((path) => Object.keys(path)).length;
if (routes < 30) { console.error(`only ${routes} routes`); process.exit(1); }
console.log(`${routes} routes`);
