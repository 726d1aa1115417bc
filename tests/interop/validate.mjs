// Validates YAML or JSON files against a JSON Schema with ajv: node validate.mjs SCHEMA FILE... prints {file: [error, ...]}.
import fs from "node:fs";
import Ajv from "ajv";
import Ajv2020 from "ajv/dist/2020.js";
import YAML from "yaml";

const [schemaPath, ...files] = process.argv.slice(2);
const schema = JSON.parse(fs.readFileSync(schemaPath, "utf8"));
const options = { allErrors: true, strict: false, validateFormats: false };
const validator = String(schema.$schema).includes("2020-12") ? new Ajv2020(options) : new Ajv(options);
const validate = validator.compile(schema);
// Overlays say `!unset`, `!replace`, `!add`; a validator sees the values only.
const tags = ["!unset", "!replace", "!add"].flatMap((tag) => [
  { tag, resolve: (text) => YAML.parse(text) },
  { tag, collection: "map", resolve: (map) => map },
  { tag, collection: "seq", resolve: (seq) => seq },
]);
const report = {};
for (const file of files) {
  const value = YAML.parse(fs.readFileSync(file, "utf8"), { customTags: tags, logLevel: "silent" });
  report[file] = validate(value) ? [] : validate.errors.map((e) => `${e.instancePath} ${e.message} ${JSON.stringify(e.params)}`);
}
console.log(JSON.stringify(report));
