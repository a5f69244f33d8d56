// Manages with sparkpost: {url, key, calls: [[resource, method, ...arguments]]}; prints for each the answer or {error}.
import SparkPost from "sparkpost";

const { url, key, calls } = JSON.parse(process.argv.at(-1));
const client = new SparkPost(key, { origin: url });
const outcomes = [];
for (const [resource, method, ...given] of calls) {
  try {
    outcomes.push((await client[resource][method](...given)) ?? null);
  } catch (error) {
    outcomes.push({ error: { status: error.statusCode, message: error.message, errors: error.errors } });
  }
}
console.log(JSON.stringify(outcomes));
