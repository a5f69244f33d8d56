// Manages with mailgun.js: {url, key, calls: [["domains.domainCredentials.list", ...arguments]]}; prints for each the answer or {error}.
// An argument `{"$": [2, "id"]}` stands for what the third answer has by that name.
import FormData from "form-data";
import Mailgun from "mailgun.js";

const { url, key, calls } = JSON.parse(process.argv.at(-1));
const quiet = { ...console, warn: () => {} };
globalThis.console = quiet;
const client = new Mailgun(FormData).client({ username: "api", key, url });
const outcomes = [];
const filled = (value) => (value?.$ ? value.$.slice(1).reduce((at, name) => at[name], outcomes[value.$[0]]) : value);
for (const [path, ...given] of calls) {
  const names = path.split(".");
  const method = names.pop();
  const of = names.reduce((at, name) => at[name], client);
  try {
    outcomes.push((await of[method](...given.map(filled))) ?? null);
  } catch (error) {
    outcomes.push({ error: { status: error.status, message: error.message, details: error.details } });
  }
}
process.stdout.write(JSON.stringify(outcomes));
