// Renders templates with handlebars.js: {cases: path} names a file with a JSON array, and one of outcomes is printed.
// A case is {template, data, partials?, noEscape?}; an outcome {output} or {error}.
import { readFileSync } from "node:fs";

import Handlebars from "handlebars";

// What it warns of would stand among the outcomes.
Handlebars.logger.log = () => {};

const isTrue = (value) => !Handlebars.Utils.isEmpty(value) && value !== 0;

// What helper libraries commonly do: the value inline, one side or the other at the head of a block.
function condition(test) {
  return function (...given) {
    const options = given.pop();
    const value = test(...given);
    if (!options.fn) return value;
    return isTrue(value) ? options.fn(this) : options.inverse(this);
  };
}

const helpers = {
  eq: condition((a, b) => a === b),
  ne: condition((a, b) => a !== b),
  lt: condition((a, b) => a < b),
  gt: condition((a, b) => a > b),
  lte: condition((a, b) => a <= b),
  gte: condition((a, b) => a >= b),
  and: condition((...all) => all.find((one) => !isTrue(one)) ?? all.at(-1)),
  or: condition((...all) => all.find(isTrue) ?? all.at(-1)),
  not: condition((a) => !isTrue(a)),
  contains: condition((text, part) => text.includes(part)),
  add: (a, b) => a + b,
  subtract: (a, b) => a - b,
  multiply: (a, b) => a * b,
  divide: (a, b) => a / b,
  mod: (a, b) => a % b,
  floor: (a) => Math.floor(a),
  ceil: (a) => Math.ceil(a),
  abs: (a) => Math.abs(a),
  upper: (text) => text.toUpperCase(),
  lower: (text) => text.toLowerCase(),
  trim: (text) => text.trim(),
  concat: (...all) => all.slice(0, -1).join(""),
  replace: (text, old, put) => text.replaceAll(old, put),
  split: (text, separator) => text.split(separator),
  urlencode: (text) => encodeURIComponent(text),
  default: (value, other) => value ?? other,
  join: (items, separator) => items.join(separator),
  json: (value) => JSON.stringify(value),
  raw: (options) => options.fn(),
};

function outcome({ template, data, partials = {}, noEscape = false }) {
  const environment = Handlebars.create();
  environment.log = () => {};
  environment.registerHelper(helpers);
  environment.registerPartial(partials);
  try {
    return { output: environment.compile(template, { noEscape })(data) };
  } catch (error) {
    return { error: String(error.message) };
  }
}

const { cases } = JSON.parse(process.argv.at(-1));
process.stdout.write(JSON.stringify(JSON.parse(readFileSync(cases, "utf8")).map(outcome)));
