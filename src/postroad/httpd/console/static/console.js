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

const actions = {
  copy,
  generate(button) {
    const input = document.getElementById(button.dataset.for);
    input.type = "text";
    input.value = generatedPassword();
    input.select();
  },
  reveal(button) {
    const input = document.getElementById(button.dataset.for);
    const isHidden = input.type === "password";
    input.type = isHidden ? "text" : "password";
    button.textContent = isHidden ? "Hide" : "Show";
  },
  append(button) {
    const input = document.getElementById(button.dataset.for);
    input.value = [input.value.trim(), button.dataset.value].filter(Boolean).join("\n");
    input.focus();
  },
  close() { dialog.close(); },
  menu(button) {
    const side = document.getElementById("side");
    const isOpen = side.toggleAttribute("data-open");
    button.setAttribute("aria-expanded", String(isOpen));
  },
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
  const side = document.getElementById("side");
  if (side?.hasAttribute("data-open") && !side.contains(event.target)) side.removeAttribute("data-open");
  if (event.target === dialog) dialog.close();
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
  document.getElementById("side")?.removeAttribute("data-open");
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit-on-change]")) event.target.form.requestSubmit();
});

// What is searched for stands in the address, for a reload, a bookmark and the way back.
document.addEventListener("input", (event) => {
  const form = event.target.closest?.("form[data-in-url]");
  if (!form) return;
  const given = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
  history.replaceState(null, "", given.size ? `?${given}` : location.pathname);
});

// What was fetched into the dialog opens it; the answer to its form replaces its inside.
document.addEventListener("htmx:after:swap", (event) => {
  showLocalTimes(document);
  const body = document.getElementById("dialog-body");
  if (!dialog || !body?.childElementCount) return;
  const isNew = event.detail?.ctx?.target === body || event.target === body;
  if (isNew && !dialog.open) dialog.showModal();
  if (isNew && body.querySelector("[data-reload]")) dialog.dataset.reload = "yes";
  if (isNew) (body.querySelector("[aria-invalid=true], [autofocus]") ?? body.querySelector("input:not([type=hidden]), textarea, select"))?.focus();
});
dialog?.addEventListener("close", () => {
  document.getElementById("dialog-body").replaceChildren();
  // What was shown once or changed in the dialog is behind it by now.
  if (dialog.dataset.reload) location.reload();
});

showLocalTimes(document);
