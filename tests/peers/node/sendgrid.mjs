// Sends with @sendgrid/mail: {url, key, calls: [{message, isMultiple}], requests: […]}; prints for each the answer or {error}.
// `requests` go through @sendgrid/client as they are given.
import client from "@sendgrid/client";
import mail from "@sendgrid/mail";

const { url, key, calls = [], requests = [] } = JSON.parse(process.argv.at(-1));
mail.setApiKey(key);
mail.client.setDefaultRequest("baseUrl", url);
client.setApiKey(key);
client.setDefaultRequest("baseUrl", url);
const outcomes = [];

async function note(call) {
  try {
    const [response] = await call();
    outcomes.push({ status: response.statusCode, body: response.body, id: response.headers["x-message-id"] });
  } catch (error) {
    outcomes.push({ error: { status: error.code, message: error.message, errors: error.response?.body?.errors } });
  }
}

for (const { message, isMultiple = false } of calls) {
  await note(() => mail.send(message, isMultiple));
}
for (const request of requests) {
  await note(() => client.request(request));
}
console.log(JSON.stringify(outcomes));
