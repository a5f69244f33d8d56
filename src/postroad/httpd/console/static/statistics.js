// The timeline, and what follows it: dragging over the chart, a period or a zoom button fetches the page for that span, and the
// chart and all tables are replaced together. Everything is a link first; this keeps the page where it is.

const off = new Set();
const height = 290;
let drawn = null;
let asked = 0;

function data() {
  const found = document.getElementById("chart-data");
  return found && JSON.parse(found.textContent);
}

function colourOf(selector, property) {
  return getComputedStyle(document.querySelector(selector))[property];
}

function soft(colour) {
  return colour.replace(/^rgb\(/, "rgba(").replace(/\)$/, ", 0.12)");
}

function seriesOf(one, isSparse) {
  const colour = colourOf(`.stats .swatch.${one.swatch}, #classes .swatch.${one.swatch}`, "backgroundColor");
  return {
    label: one.label,
    stroke: colour,
    width: 2,
    show: !off.has(one.name),
    points: { show: isSparse },
    paths: uPlot.paths.spline(),
    ...(one.name === "delivered" ? { fill: soft(colour) } : {}),
  };
}

function axesOf(shown, place) {
  const lines = { stroke: colourOf(".chart .line", "color"), width: 1 };
  const axis = { stroke: getComputedStyle(place).color, font: "12px system-ui, sans-serif", grid: lines, ticks: { show: false } };
  const day = new Intl.DateTimeFormat(undefined, { timeZone: shown.zone, day: "numeric", month: "short" });
  const hour = new Intl.DateTimeFormat(undefined, { timeZone: shown.zone, hour: "numeric", minute: "2-digit" });
  const isDays = !shown.is_by_hour || shown.until - shown.times[0] > 3 * 86400;
  const format = isDays ? day : hour;
  return [
    {
      ...axis,
      grid: { show: false },
      space: 64,
      incrs: isDays ? [1, 2, 7, 14, 31, 61, 92].map((days) => days * 86400) : [1, 2, 3, 6, 12].map((hours) => hours * 3600),
      values: (_chart, ticks) => ticks.map((tick) => format.format(new Date(tick * 1000))),
    },
    {
      ...axis,
      size: 52,
      incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6, 5e6, 1e7],
      values: (_chart, ticks) => ticks.map((tick) => tick.toLocaleString(undefined, { notation: "compact" })),
    },
  ];
}

function draw() {
  drawn?.destroy();
  drawn = null;
  const shown = data();
  const place = document.getElementById("chart");
  if (!shown || !place) return;
  const at = new Intl.DateTimeFormat(undefined, { timeZone: shown.zone, dateStyle: "medium", ...(shown.is_by_hour ? { timeStyle: "short" } : {}) });
  const isSparse = shown.times.length < 3;
  drawn = new uPlot({
    width: place.clientWidth,
    height,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), shown.zone),
    cursor: { y: false, drag: { x: true, y: false, setScale: false }, bind: { dblclick: () => () => null } },
    scales: { y: { range: (_chart, _low, high) => [0, Math.max(4, (high ?? 0) * 1.08)] } },
    axes: axesOf(shown, place),
    series: [
      { label: shown.is_by_hour ? "Hour" : "Day", value: (_chart, seconds) => (seconds === null ? "" : at.format(new Date(seconds * 1000))) },
      ...shown.series.map((one) => seriesOf(one, isSparse)),
    ],
    hooks: { setSelect: [(chart) => zoomTo(chart, shown)] },
  }, [shown.times, ...shown.series.map((one) => one.counts)], place);
  showSeries();
}

function showSeries() {
  const group = document.querySelector(".series");
  if (!group) return;
  group.hidden = false;
  for (const button of group.querySelectorAll("button")) button.setAttribute("aria-pressed", String(!off.has(button.dataset.series)));
}

// From the part that dragging began in to the end of the one that it ended in.
function zoomTo(chart, shown) {
  if (chart.select.width < 6) return;
  const [left, right] = [chart.select.left, chart.select.left + chart.select.width].map((pixels) => chart.posToVal(pixels, "x"));
  const first = shown.times.filter((at) => at <= left).pop() ?? shown.times[0];
  const last = shown.times.find((at) => at > right) ?? shown.until;
  const text = (seconds) => `${new Date(seconds * 1000).toISOString().slice(0, 16)}Z`;
  go(`${shown.address}&${new URLSearchParams({ from: text(first), until: text(last) })}`);
}

async function go(address, isBack = false) {
  const mine = ++asked;
  const before = document.getElementById("statistics");
  before.setAttribute("aria-busy", "true");
  const focused = document.activeElement?.dataset.inPlace;
  const reply = await fetch(address, { headers: { "HX-Request": "true" } }).catch(() => null);
  const page = reply?.ok ? new DOMParser().parseFromString(await reply.text(), "text/html") : null;
  // Something else was asked for since: that is what is waited for.
  if (mine !== asked) return;
  const after = page?.getElementById("statistics");
  if (!after) {
    // Signed out, or something is wrong: the whole page can tell.
    location.assign(address);
    return;
  }
  before.replaceWith(after);
  if (!isBack) history.pushState(null, "", address);
  showLocalTimes(after);
  draw();
  if (focused) after.querySelector(`[data-in-place="${focused}"]`)?.focus();
  document.getElementById("announcement").textContent = after.querySelector("#span").textContent;
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-in-place]");
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    go(link.getAttribute("href"));
  }
  const button = event.target.closest("button[data-series]");
  if (!button) return;
  const name = button.dataset.series;
  if (!off.delete(name)) off.add(name);
  drawn.setSeries(data().series.findIndex((one) => one.name === name) + 1, { show: !off.has(name) });
  showSeries();
});

document.addEventListener("submit", (event) => {
  if (!event.target.matches("form[data-in-place]")) return;
  event.preventDefault();
  go(`/statistics?${new URLSearchParams(new FormData(event.target))}`);
});

addEventListener("popstate", () => go(location.pathname + location.search, true));

// Days begin at midnight where the viewer is: the server is told the zone, and asked again where it did not know it.
function tellZone() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const entry = `postroad-zone=${zone}`;
  if (!zone || document.cookie.split("; ").includes(entry)) return false;
  document.cookie = `${entry}; path=/; max-age=31536000; samesite=lax${location.protocol === "https:" ? "; secure" : ""}`;
  return true;
}

if (document.getElementById("statistics")) {
  draw();
  if (tellZone()) go(location.pathname + location.search, true);
  new ResizeObserver(() => drawn?.setSize({ width: document.getElementById("chart").clientWidth, height })).observe(document.getElementById("main"));
  new MutationObserver(draw).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}
