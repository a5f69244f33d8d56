// Sends with mailgun.js: {url, key, calls: [{domain, data, files}]}; prints for each the answer or {error}.
// `files` are given by field as [{filename, contentType, base64}]; they and what `data` has go in as the library wants it.
import FormData from "form-data";
import Mailgun from "mailgun.js";

const { url, key, calls } = JSON.parse(process.argv.at(-1));
const client = new Mailgun(FormData).client({ username: "api", key, url });
const outcomes = [];
for (const { domain, data, files = {} } of calls) {
  const attached = Object.fromEntries(
    Object.entries(files).map(([field, listed]) => [
      field,
      listed.map(({ base64, ...rest }) => ({ data: Buffer.from(base64, "base64"), ...rest })),
    ]),
  );
  try {
    outcomes.push(await client.messages.create(domain, { ...data, ...attached }));
  } catch (error) {
    outcomes.push({ error: { status: error.status, message: error.message, details: error.details } });
  }
}
console.log(JSON.stringify(outcomes));
