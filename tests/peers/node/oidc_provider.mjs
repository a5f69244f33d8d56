// A certified OpenID provider on one loopback port, whose sign-in page signs in at once whoever the test says.
//
// Argument: JSON {port, issuer, certificate, key, clients}. POST /test/person says who signs in next, with the claims
// that the provider gives of them; POST /test/rotate gives the provider other keys, and the old ones are gone.

import { generateKeyPairSync, randomUUID } from "node:crypto";
import { createServer } from "node:https";

import Provider from "oidc-provider";

const facts = JSON.parse(process.argv.at(-1));
let person = {};
let serve;

function signingKey() {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { ...privateKey.export({ format: "jwk" }), kid: randomUUID(), use: "sig", alg: "RS256" };
}

function renew() {
  const provider = new Provider(facts.issuer, {
    clients: facts.clients,
    jwks: { keys: [signingKey()] },
    cookies: { keys: ["of a test"] },
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
    // Claims of scopes are at the place for user information, as the specification has it.
    conformIdTokenClaims: facts.conformIdTokenClaims ?? true,
    pkce: { required: () => true },
    features: { devInteractions: { enabled: false }, rpInitiatedLogout: { enabled: false } },
    interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_context, sub) => ({ accountId: sub, claims: () => ({ ...person, sub }) }),
    loadExistingGrant: async (context) => {
      const grant = new provider.Grant({ clientId: context.oidc.client.clientId, accountId: context.oidc.session.accountId });
      grant.addOIDCScope("openid email profile");
      await grant.save();
      return grant;
    },
    renderError: (context, out) => { context.type = "text"; context.body = `${out.error}: ${out.error_description}`; },
  });
  provider.on("server_error", (_context, error) => console.error(error));
  const others = provider.callback();
  serve = async (request, response) => {
    if (!request.url.startsWith("/interaction/")) return others(request, response);
    const result = person.refuses ? { error: "access_denied" } : { login: { accountId: person.sub } };
    return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  };
}

async function control(request, response) {
  const parts = [];
  for await (const part of request) parts.push(part);
  if (request.url === "/test/person") person = JSON.parse(Buffer.concat(parts).toString());
  if (request.url === "/test/rotate") renew();
  response.end();
}

renew();
createServer({ cert: facts.certificate, key: facts.key }, (request, response) => {
  const done = request.url.startsWith("/test/") ? control(request, response) : serve(request, response);
  Promise.resolve(done).catch((error) => { console.error(error); response.destroy(); });
}).listen(facts.port, "127.0.0.1");
