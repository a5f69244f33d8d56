// The few things that pages cannot do alone. Everything works by links and forms without it, only less nicely.

const dialog = document.getElementById("dialog");
const zone = { full: { dateStyle: "medium", timeStyle: "short" }, short: { dateStyle: "short", timeStyle: "short" }, seconds: { dateStyle: "short", timeStyle: "medium" } };

function showLocalTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]:not([title])")) {
    const at = new Date(time.dateTime);
    time.title = time.textContent;
    time.textContent = time.dataset.form === "ago" ? ago(at) : new Intl.DateTimeFormat(undefined, zone[time.dataset.form] ?? zone.full).format(at);
  }
}

function ago(at) {
  const seconds = (at - Date.now()) / 1000;
  const format = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
  for (const [unit, length] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (Math.abs(seconds) >= length) return format.format(Math.round(seconds / length), unit);
  }
  return format.format(Math.round(seconds), "second");
}

async function copy(button) {
  const source = document.getElementById(button.dataset.copyFrom);
  await navigator.clipboard.writeText(source ? (source.value ?? source.textContent) : button.dataset.copy);
  const said = button.textContent;
  button.textContent = "Copied";
  document.getElementById("announcement").textContent = "Copied to the clipboard";
  setTimeout(() => { button.textContent = said; }, 1500);
}

// As strong as the server's own: 20 of 54 signs without those that are read wrongly, in groups of five.
function generatedPassword() {
  const capitals = "ABCDEFGHJKLMNPQRSTUVWXYZ";
  const signs = capitals + "abcdefghijkmnpqrstuvwxyz23456789";
  const pick = (from) => {
    const limit = 256 - (256 % from.length);
    const octet = new Uint8Array(1);
    do crypto.getRandomValues(octet); while (octet[0] >= limit);
    return from[octet[0] % from.length];
  };
  const letters = [pick(capitals), ...Array.from({ length: 19 }, () => pick(signs))];
  return letters.join("").match(/.{5}/g).join("-");
}

// The menu of small screens: who opens it is in it, and who closes it is back at its button.
function openSide(isOpen) {
  const side = document.getElementById("side");
  const button = document.querySelector("[data-do=menu]");
  if (!side || !button || side.hasAttribute("data-open") === isOpen) return;
  const hadFocus = side.contains(document.activeElement);
  side.toggleAttribute("data-open", isOpen);
  button.setAttribute("aria-expanded", String(isOpen));
  if (isOpen) side.querySelector("a").focus();
  else if (hadFocus) button.focus();
}

function tickAll(id, isTicked) {
  for (const box of document.getElementById(id).querySelectorAll("input[type=checkbox]:enabled")) box.checked = isTicked;
}

// Boxes that another field rules out: they are not sent, and are as they were when it changes back.
function followFields(root) {
  for (const list of root.querySelectorAll("[data-follows]")) {
    const { value } = list.closest("form").elements[list.dataset.follows];
    for (const box of list.querySelectorAll("[data-for-values]")) {
      box.disabled = !box.dataset.forValues.split(" ").includes(value);
      box.closest("label").hidden = box.disabled;
    }
  }
}

document.addEventListener("change", (event) => {
  if (event.target.form) followFields(event.target.form);
});

const actions = {
  copy,
  generate(button) {
    const input = document.getElementById(button.dataset.for);
    input.type = "text";
    input.value = generatedPassword();
    input.dispatchEvent(new Event("input", { bubbles: true }));
    input.select();
  },
  reveal(button) {
    const input = document.getElementById(button.dataset.for);
    const { hidden } = input.dataset;
    const isHidden = hidden ? button.textContent === "Show" : input.type === "password";
    if (hidden) [input.dataset.hidden, input.value] = [input.value, hidden];
    else input.type = isHidden ? "text" : "password";
    button.textContent = isHidden ? "Hide" : "Show";
  },
  append(button) {
    const input = document.getElementById(button.dataset.for);
    input.value = [input.value.trim(), button.dataset.value].filter(Boolean).join("\n");
    input.dispatchEvent(new Event("input", { bubbles: true }));
    input.focus();
  },
  tick(button) { tickAll(button.dataset.for, true); },
  untick(button) { tickAll(button.dataset.for, false); },
  close() { dialog.close(); },
  menu() { openSide(!document.getElementById("side").hasAttribute("data-open")); },
  theme() {
    const root = document.documentElement;
    const isDark = getComputedStyle(root).colorScheme === "dark" || (getComputedStyle(root).colorScheme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
    root.dataset.theme = isDark ? "light" : "dark";
    try { localStorage.setItem("postroad-theme", root.dataset.theme); } catch { /* only for this page then */ }
  },
};

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  if (button) {
    event.preventDefault();
    actions[button.dataset.do](button);
    return;
  }
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
  if (!event.target.closest("#side")) openSide(false);
  if (event.target === dialog && isPressedAround && !holdsMore()) dialog.close();
});

// What is selected up to beyond the edge of a dialog ends in a click on what is around it, without having begun there.
let isPressedAround = false;
document.addEventListener("pointerdown", (event) => { isPressedAround = event.target === dialog; });

// Whether the dialog has what would be lost by a click beside it: typed, or shown this once.
const holdsMore = () => "typed" in dialog.dataset || document.querySelector("#dialog-body > [data-reload]") !== null;
dialog?.addEventListener("input", () => { dialog.dataset.typed = ""; });

// A menu that was left stands in the way of what has the focus now.
document.addEventListener("focusin", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
  if (!event.target.closest("#side, [data-do=menu]")) openSide(false);
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
  openSide(false);
});

// Each key that steps through a closed list changes it, so only Enter or the button beside it says that one has arrived.
const chooses = "[data-submit-on-change]";
document.addEventListener("keydown", (event) => {
  if (!event.target.matches?.(chooses)) return;
  const opens = event.key === " " || event.key === "F4" || (event.altKey && event.key.startsWith("Arrow"));
  event.target.toggleAttribute("data-by-keys", !opens && event.key !== "Enter");
  if (event.key === "Enter") {
    event.preventDefault();
    event.target.form.requestSubmit();
  }
});
document.addEventListener("pointerdown", (event) => event.target.closest?.(chooses)?.removeAttribute("data-by-keys"));
document.addEventListener("change", (event) => {
  if (!event.target.matches(chooses)) return;
  if (event.target.hasAttribute("data-by-keys")) event.target.form.querySelector("button[data-when-by-keys]").hidden = false;
  else event.target.form.requestSubmit();
});

// What is searched for stands in the address, for a reload, a bookmark and the way back.
document.addEventListener("input", (event) => {
  const form = event.target.closest?.("form[data-in-url]");
  if (!form) return;
  const given = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
  history.replaceState(null, "", given.size ? `?${given}` : location.pathname);
  // Another sending domain is searched for the same.
  const next = document.querySelector("header.top input[name=next]");
  if (next) next.value = location.pathname + location.search;
});

// Nobody heard yet what was typed while the page was still loading.
document.addEventListener("htmx:after:init", (event) => {
  if (!event.target.matches("form[data-in-url]")) return;
  for (const sought of event.target.querySelectorAll("input[type=search]")) {
    if (sought.value !== sought.defaultValue) sought.dispatchEvent(new Event("input", { bubbles: true }));
  }
});

// What was fetched into the dialog opens it; the answer to its form replaces its inside.
document.addEventListener("htmx:after:swap", (event) => {
  showLocalTimes(document);
  followFields(document);
  const body = document.getElementById("dialog-body");
  if (!dialog || !body?.childElementCount) return;
  const isNew = event.detail?.ctx?.target === body || event.target === body;
  if (isNew && !dialog.open) dialog.showModal();
  if (isNew && body.querySelector("[data-reload]")) dialog.dataset.reload = "yes";
  if (!isNew) return;
  firstStop(body)?.focus();
  showRefusal(body);
});

// Where a dialog is begun: what is wrong, else what it asks for, else its heading, which is read out then.
function firstStop(body) {
  const heading = body.querySelector("#dialog-title");
  heading?.setAttribute("tabindex", "-1");
  return body.querySelector("[aria-invalid=true]") ?? body.querySelector("[autofocus]") ?? body.querySelector("input:not([type=hidden]), textarea, select") ?? heading;
}

// What was refused is begun at, and what is said about it may be far down, below a long field.
function showRefusal(root) {
  const wrong = root.querySelector("[aria-invalid=true]");
  wrong?.focus();
  const said = wrong?.closest(".field")?.querySelector(".error") ?? root.querySelector("form [role=alert]");
  said?.scrollIntoView({ block: "center" });
}

// Of a request that had no answer nothing is swapped in: it is said where its answer would have been. What asks every
// second does so again by itself.
document.addEventListener("htmx:error", (event) => {
  const { ctx } = event.detail;
  if (!ctx || ctx.sourceElement.matches("[hx-trigger^=every]")) return;
  const place = dialog.open && dialog.contains(ctx.target) ? document.getElementById("dialog-body") : document.getElementById("main");
  const note = document.getElementById("no-answer") ?? Object.assign(document.createElement("div"), { id: "no-answer", className: "note bad" });
  note.textContent = "The server did not answer; try again.";
  place.prepend(note);
  note.scrollIntoView({ block: "center" });
  document.getElementById("announcement").textContent = note.textContent;
});
document.addEventListener("htmx:before:request", () => document.getElementById("no-answer")?.remove());

const openedBy = "postroad-opened-by";
dialog?.addEventListener("close", () => {
  document.getElementById("dialog-body").replaceChildren();
  delete dialog.dataset.typed;
  // What was shown once or changed in the dialog is behind it by now.
  if (!dialog.dataset.reload) return;
  try { sessionStorage.setItem(openedBy, document.activeElement?.getAttribute("href") ?? ""); } catch { /* from the top then */ }
  location.reload();
});

// A dialog that had the page loaded anew gives the focus back like any other.
function returnFocus() {
  const opener = sessionStorage.getItem(openedBy);
  sessionStorage.removeItem(openedBy);
  if (opener) document.querySelector(`a[href="${CSS.escape(opener)}"][hx-get]`)?.focus();
}

showLocalTimes(document);
followFields(document);
showRefusal(document.getElementById("main"));
try { returnFocus(); } catch { /* a browser that keeps nothing */ }
// What a page shows in a frame is too long for the frame's address.
for (const form of document.querySelectorAll("form[data-sends]")) form.requestSubmit();
