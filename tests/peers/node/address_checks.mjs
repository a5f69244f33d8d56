// Checks addresses with mailgun.js, @sendgrid/client and sparkpost: {url, key, addresses}; prints the answers of each.
import client from "@sendgrid/client";
import FormData from "form-data";
import Mailgun from "mailgun.js";
import SparkPost from "sparkpost";

const { url, key, addresses } = JSON.parse(process.argv.at(-1));
const mailgun = new Mailgun(FormData).client({ username: "api", key, url });
const sparkpost = new SparkPost(key, { origin: url });
client.setApiKey(key);
client.setDefaultRequest("baseUrl", url);
const outcomes = { mailgun: [], sendgrid: [], sparkpost: [] };
for (const address of addresses) {
  outcomes.mailgun.push(await mailgun.validate.get(address));
  const [response] = await client.request({ method: "POST", url: "/v3/validations/email", body: { email: address } });
  outcomes.sendgrid.push(response.body.result);
  const uri = `recipient-validation/single/${encodeURIComponent(address)}`;
  outcomes.sparkpost.push((await sparkpost.get({ uri })).results);
}
console.log(JSON.stringify(outcomes));
