// Validates a JSON file by a JSON schema (2020-12), with ajv from the directory where install.sh put it.
//
//   node validate.cjs DIRECTORY SCHEMA FILE
const fs = require("fs");
const path = require("path");

const [directory, schema, file] = process.argv.slice(2);
const Ajv = require(path.resolve(directory, "node_modules/ajv/dist/2020.js")).default;
const read = (name) => JSON.parse(fs.readFileSync(name, "utf8"));

// Not strict: the schema is not ours, and has what ajv would have written otherwise.
const validate = new Ajv({ strict: false }).compile(read(schema));
if (!validate(read(file))) {
	console.error(file, JSON.stringify(validate.errors.slice(-5), null, 1));
	process.exit(1);
}
