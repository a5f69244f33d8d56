// Submits messages with nodemailer: {port, user, pass, messages}; prints for each the server's {response} or its {error}.
import nodemailer from "nodemailer";

const { port, user, pass, messages } = JSON.parse(process.argv.at(-1));
const transport = nodemailer.createTransport({
  host: "127.0.0.1",
  port,
  secure: false,
  tls: { rejectUnauthorized: false },
  auth: { user, pass },
});
const outcomes = [];
for (const message of messages) {
  try {
    outcomes.push({ response: (await transport.sendMail(message)).response });
  } catch (error) {
    outcomes.push({ error: error.response ?? String(error) });
  }
}
transport.close();
console.log(JSON.stringify(outcomes));
