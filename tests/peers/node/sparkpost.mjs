// Sends with sparkpost: {url, key, calls: [{transmission, options}], shown: [id]}; prints for each the answer or {error}.
import SparkPost from "sparkpost";

const { url, key, calls = [], shown = [] } = JSON.parse(process.argv.at(-1));
const client = new SparkPost(key, { origin: url });
const outcomes = [];

async function note(call) {
  try {
    outcomes.push(await call());
  } catch (error) {
    outcomes.push({ error: { status: error.statusCode, name: error.name, message: error.message, errors: error.errors } });
  }
}

for (const { transmission, options = {} } of calls) {
  await note(() => client.transmissions.send(transmission, options));
}
for (const id of shown) {
  await note(() => client.transmissions.get(id));
}
console.log(JSON.stringify(outcomes));
