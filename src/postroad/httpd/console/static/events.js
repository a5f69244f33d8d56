// Events as they happen, and the progress of an export. Searching needs none of this.

const mostRows = 500;
const button = document.getElementById("live");
const live = { isOn: false, source: null, position: "", unsaid: 0, saidAt: 0, passed: 0 };

function say(text) {
  document.getElementById("live-state").textContent = text;
}

// Readers are told how many came, not more often than every ten seconds.
function announce(count) {
  live.unsaid += count;
  const wait = live.saidAt + 10_000 - Date.now();
  if (live.timer || !live.unsaid) return;
  live.timer = setTimeout(() => {
    document.getElementById("announcement").textContent = `${live.unsaid} new ${live.unsaid === 1 ? "event" : "events"}`;
    [live.unsaid, live.saidAt, live.timer] = [0, Date.now(), 0];
  }, Math.max(wait, 0));
}

function show(html) {
  const table = document.querySelector("#results table");
  const rows = document.getElementById("event-rows");
  const fresh = document.createElement("template");
  fresh.innerHTML = html;
  const known = new Set([...rows.children].slice(0, 200).map((row) => row.dataset.id));
  const added = [...fresh.content.querySelectorAll("tr")].filter((row) => !known.has(row.dataset.id));
  if (!added.length) return;
  document.getElementById("no-events")?.remove();
  table.hidden = false;
  for (const row of added) row.classList.add("fresh");
  rows.prepend(...added);
  while (rows.children.length > mostRows) rows.lastElementChild.remove();
  showLocalTimes(rows);
  announce(added.length);
}

function listen() {
  const filters = [...new FormData(document.getElementById("event-filters"))].filter(([, value]) => value);
  const source = new EventSource(`/events/live?${new URLSearchParams([...filters, ["after", live.position]])}`);
  live.source = source;
  const noted = (event) => { live.position = event.lastEventId || live.position; };
  source.addEventListener("open", () => say("Events appear as they happen."));
  source.addEventListener("rows", (event) => { noted(event); show(event.data); });
  source.addEventListener("passed", (event) => {
    noted(event);
    live.passed += parseInt(event.data, 10);
    say(live.passed ? `${live.passed.toLocaleString()}${event.data.endsWith("+") ? " or more" : ""} came too fast to be shown.` : "Some came while nobody listened.");
  });
  source.addEventListener("over", () => location.reload());
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CONNECTING) return say("Connecting again …");
    switchTo(false);
    say("Not available: too many windows are live, or this page is out of date.");
  });
}

function stop() {
  live.source?.close();
  live.source = null;
}

function switchTo(isOn) {
  stop();
  Object.assign(live, { isOn, passed: 0 });
  button.setAttribute("aria-pressed", String(isOn));
  say(isOn ? "Connecting …" : "");
  if (isOn) {
    live.position = document.getElementById("results").dataset.position;
    listen();
  }
}

if (button) {
  button.hidden = false;
  button.addEventListener("click", () => switchTo(!live.isOn));
  // A window that nobody sees needs no connection; what happens meanwhile is told when it is looked at again.
  document.addEventListener("visibilitychange", () => {
    if (!live.isOn) return;
    if (document.hidden) stop();
    else if (!live.source) listen();
  });
  document.addEventListener("htmx:after:swap", (event) => {
    const target = event.detail?.ctx?.target ?? event.target;
    if (live.isOn && (target === document.body || target.id === "results" || target.id === "event-filters")) switchTo(true);
  });
}

// How far a file has come: the answer says which span of time it is of, and each of its lines when it happened.
const instant = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/;

async function fetched(form, halt, told) {
  const reply = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)), signal: halt.signal });
  if (!reply.ok || !reply.headers.get("Postroad-Until")) throw new Error(reply.status === 429 ? await reply.text() : "This was not accepted: load the page again and repeat it.");
  const [since, until] = ["Postroad-Since", "Postroad-Until"].map((name) => Number(reply.headers.get(name)));
  const isTable = reply.headers.get("Content-Type").startsWith("text/csv");
  const parts = [];
  const reader = reply.body.getReader();
  const decoder = new TextDecoder();
  let [lines, rest] = [isTable ? -1 : 0, ""];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    const whole = (rest + decoder.decode(value, { stream: true })).split("\n");
    rest = whole.pop();
    lines += whole.length;
    const at = Date.parse(instant.exec(whole.at(-1) ?? "")?.[0] ?? "");
    if (at) told(Math.min(Math.max((at - since) / Math.max(until - since, 1), 0), 1), lines, at);
  }
  const name = /filename="([^"]+)"/.exec(reply.headers.get("Content-Disposition"))[1];
  return { blob: new Blob(parts, { type: reply.headers.get("Content-Type") }), name, lines };
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

async function download(form) {
  const [progress, send, failed] = [form.querySelector(".progress"), form.querySelector("button.primary"), form.querySelector("[data-failed]")];
  const [bar, words, ends] = [progress.querySelector("progress"), progress.querySelector("[data-told]"), progress.querySelector("[data-stop]")];
  const halt = new AbortController();
  const time = new Intl.DateTimeFormat(undefined, { dateStyle: "short", timeStyle: "short" });
  ends.onclick = () => halt.abort();
  document.getElementById("dialog")?.addEventListener("close", () => halt.abort(), { once: true });
  ends.hidden = false;
  [progress.hidden, send.disabled, failed.hidden, bar.value, words.textContent] = [false, true, true, 0, "Beginning …"];
  try {
    const file = await fetched(form, halt, (part, lines, at) => {
      bar.value = part;
      words.textContent = `${lines.toLocaleString()} events, up to ${time.format(at)}`;
    });
    bar.value = 1;
    ends.hidden = true;
    words.textContent = `${file.lines.toLocaleString()} events were saved.`;
    document.getElementById("announcement").textContent = words.textContent;
    save(file.blob, file.name);
  } catch (error) {
    progress.hidden = true;
    failed.hidden = halt.signal.aborted;
    failed.textContent = error instanceof TypeError ? "The download broke off before its end: try again." : error.message;
  }
  send.disabled = false;
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches("form[data-export]")) return;
  event.preventDefault();
  download(event.target);
});
