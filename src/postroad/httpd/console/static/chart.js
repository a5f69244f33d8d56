// The chart of the last 24 hours. Its colours are those of the page's tokens, and follow the theme.

const place = document.getElementById("chart");
const data = place && JSON.parse(document.getElementById("chart-data").textContent);
let drawn = null;

function colourOf(selector, property) {
  return getComputedStyle(document.querySelector(selector))[property];
}

function soft(colour) {
  return colour.replace(/^rgb\(/, "rgba(").replace(/\)$/, ", 0.12)");
}

function seriesOf(name) {
  const colour = colourOf(`.swatch.${name}`, "backgroundColor");
  return {
    label: name[0].toUpperCase() + name.slice(1),
    stroke: colour,
    width: 2,
    points: { show: false },
    paths: uPlot.paths.spline(),
    ...(name === "delivered" ? { fill: soft(colour) } : {}),
  };
}

function draw() {
  const text = getComputedStyle(place).color;
  const lines = { stroke: colourOf(".chart .line", "color"), width: 1 };
  const hour = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
  const axis = { stroke: text, font: "12px system-ui, sans-serif", grid: lines, ticks: { show: false } };
  const options = {
    width: place.clientWidth,
    height: 230,
    cursor: { y: false, drag: { x: false, y: false } },
    scales: { y: { range: (_chart, _low, high) => [0, Math.max(4, high * 1.08)] } },
    axes: [
      { ...axis, grid: { show: false }, space: 64, values: (_chart, ticks) => ticks.map((tick) => hour.format(new Date(tick * 1000))) },
      { ...axis, size: 48, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6], values: (_chart, ticks) => ticks.map((tick) => tick.toLocaleString(undefined, { notation: "compact" })) },
    ],
    series: [
      { label: "Hour", value: (_chart, at) => (at === null ? "" : hour.format(new Date(at * 1000))) },
      ...data.series.map(([name]) => seriesOf(name)),
    ],
  };
  drawn?.destroy();
  drawn = new uPlot(options, [data.hours, ...data.series.map(([, counts]) => counts)], place);
}

if (place) {
  draw();
  new ResizeObserver(() => drawn.setSize({ width: place.clientWidth, height: 230 })).observe(place);
  new MutationObserver(draw).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}
