// Passkeys: asks the device by way of the browser, and sends what it answers in an ordinary form of ours.

const octetsOf = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (sign) => sign.charCodeAt(0));
const textOf = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

const reasons = {
  NotAllowedError: "Nothing was done: it was cancelled, took too long, or this device has no passkey for here.",
  InvalidStateError: "This device has a passkey of yours already.",
  SecurityError: "Passkeys cannot be used under this address.",
  NotSupportedError: "This device cannot make such a passkey.",
};

async function optionsFor(form) {
  const headers = { "X-CSRF-Token": form.elements.csrf.value };
  const body = new URLSearchParams();
  if (form.elements.password) body.set("password", form.elements.password.value);
  const reply = await fetch(form.dataset.options, { method: "POST", headers, body });
  const options = await reply.json();
  if (!reply.ok) throw new Error(options.refused);
  options.challenge = octetsOf(options.challenge);
  for (const known of [...(options.excludeCredentials ?? []), ...(options.allowCredentials ?? [])]) known.id = octetsOf(known.id);
  return options;
}

function answer(credential, names) {
  const response = {};
  for (const name of names) if (credential.response[name]) response[name] = textOf(credential.response[name]);
  return JSON.stringify({ id: credential.id, rawId: textOf(credential.rawId), type: credential.type, response });
}

const ceremonies = {
  async make(form) {
    const options = await optionsFor(form);
    options.user.id = octetsOf(options.user.id);
    return answer(await navigator.credentials.create({ publicKey: options }), ["clientDataJSON", "attestationObject"]);
  },
  async use(form) {
    const publicKey = await optionsFor(form);
    const names = ["clientDataJSON", "authenticatorData", "signature", "userHandle"];
    return answer(await navigator.credentials.get({ publicKey }), names);
  },
};

async function submit(form) {
  const button = form.querySelector("button");
  const error = form.querySelector("[data-passkey-error]");
  error.hidden = button.disabled = true;
  try {
    form.elements.credential.value = await ceremonies[form.dataset.passkey](form);
    form.submit();
  } catch (why) {
    error.textContent = reasons[why.name] ?? (why.message || "The passkey could not be used.");
    error.hidden = button.disabled = false;
  }
}

if (window.PublicKeyCredential) {
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      submit(form);
    });
  }
  for (const missing of document.querySelectorAll("[data-passkey-missing]")) missing.hidden = true;
}
