// Sends with nodemailer over nodemailer-mailgun-transport: {url, key, domain, messages}; prints for each {messageId} or {error}.
import nodemailer from "nodemailer";
import mailgun from "nodemailer-mailgun-transport";

const { url, key, domain, messages } = JSON.parse(process.argv.at(-1));
const transport = nodemailer.createTransport(mailgun({ auth: { api_key: key, domain }, url }));
const outcomes = [];
for (const message of messages) {
  try {
    outcomes.push({ messageId: (await transport.sendMail(message)).messageId });
  } catch (error) {
    outcomes.push({ error: { status: error.status, details: error.details ?? String(error) } });
  }
}
console.log(JSON.stringify(outcomes));
