// Follows events with mailgun.js page by page: {url, key, domain, query}; prints the items of each page until an empty one.
import FormData from "form-data";
import Mailgun from "mailgun.js";

const { url, key, domain, query } = JSON.parse(process.argv.at(-1));
const client = new Mailgun(FormData).client({ username: "api", key, url });
const pages = [];
let page = await client.events.get(domain, query);
while (page.items.length && pages.length < 20) {
  pages.push(page.items);
  page = await client.events.get(domain, { page: page.pages.next.page });
}
console.log(JSON.stringify(pages));
