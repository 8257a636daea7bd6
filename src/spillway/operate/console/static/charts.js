// The charts: drawn on canvas in the page's colours, with the same numbers as tables.
import uPlot from "/vendor/uplot/uPlot.esm.js";
import { consoleLost, heard, listening, serviceLost } from "./link.js";

const charts = document.getElementById("charts");
const plots = new Map();
const dark = matchMedia("(prefers-color-scheme: dark)");
// Distinguishable without colour vision and in both themes: by lightness, and by dashes.
const STROKES = {
  light: ["#0b6474", "#b4530a", "#5b3fa8", "#12713f", "#a8234f", "#2a55a8", "#6b6b00", "#52616e"],
  dark: ["#5fc6d8", "#f0a052", "#b7a1ff", "#56cc8b", "#ff8fb0", "#8eb4ff", "#d6d64a", "#9aa9b5"],
};
const DASHES = [[], [6, 4], [2, 3], [10, 4], [8, 3, 2, 3], [4, 2], [12, 3], [1, 3]];
const HEIGHT = 200;
const TIMEOUT_MS = 60_000;
let last = [];
let span = { start: 0, end: 1 };

// Each series has its own times; uPlot wants one row of times for all. A point without a value
// (null) is a gap; a time that only other series have (undefined) is none.
function joined(chart) {
  return uPlot.join(chart.series.map(({ points }) => [points.map(([t]) => t), points.map(([, v]) => v)]));
}

function format(value, unit) {
  if (value == null) return "–";
  if (unit === "s") return value < 1 ? `${Math.round(value * 1000)} ms` : `${value.toFixed(value < 10 ? 1 : 0)} s`;
  return Number.isInteger(value) ? value.toLocaleString("en") : value.toFixed(1);
}

function clock(at, exact) {
  const days = span.end - span.start > 86400 ? { weekday: "short" } : {};
  const seconds = exact === true ? { second: "2-digit" } : {};
  return new Date(at * 1000).toLocaleTimeString("en-GB", { timeZone: "UTC", ...days, hour: "2-digit", minute: "2-digit", ...seconds });
}

// A point between two gaps belongs to no line, so it is drawn as a dot.
function alone(plot, n) {
  const values = plot.data[n];
  const has = (step) => (from) => {
    let at = from + step;
    while (values[at] === undefined && at >= 0 && at < values.length) at += step;
    return values[at] != null;
  };
  const [before, after] = [has(-1), has(1)];
  return [...values.keys()].filter((at) => values[at] != null && !before(at) && !after(at));
}

function options(chart, width) {
  const strokes = STROKES[dark.matches ? "dark" : "light"];
  const [grid, text] = dark.matches ? ["#273039", "#9aa9b5"] : ["#e6eaed", "#52616e"];
  const axis = { stroke: text, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 }, font: "11px system-ui" };
  return {
    width,
    height: HEIGHT,
    cursor: { sync: { key: "console" }, drag: { x: false, y: false } },
    scales: {
      x: { range: () => [span.start, span.end] },
      y: { range: (_, low, high) => [0, Math.max(high ?? 0, chart.unit === "s" ? 0.1 : 1) * 1.08] },
    },
    axes: [{ ...axis, values: (_, ticks) => ticks.map(clock) }, { ...axis, size: 56, values: (_, ticks) => ticks.map((tick) => format(tick, chart.unit)) }],
    series: [
      { value: (_, at) => (at == null ? "" : clock(at, true)) },
      ...chart.series.map(({ name }, n) => ({
        label: name,
        stroke: strokes[n % strokes.length],
        dash: DASHES[n % DASHES.length],
        width: 1.75,
        points: { show: true, filter: alone },
        value: (_, value) => format(value, chart.unit),
      })),
    ],
  };
}

function show(chart) {
  const figure = document.getElementById(`chart-${chart.name}`);
  const plot = figure.querySelector(".plot");
  const empty = chart.series.every(({ points }) => points.length === 0);
  figure.querySelector(".empty").hidden = !empty;
  figure.querySelector(".reading").hidden = true;
  plot.hidden = empty;
  tabulate(figure, chart);
  if (empty) return;
  const known = plots.get(chart.name);
  if (known) known.setData(joined(chart));
  else plots.set(chart.name, new uPlot(options(chart, plot.clientWidth), joined(chart), plot));
}

function tabulate(figure, chart) {
  for (const { name, points } of chart.series) {
    const cells = figure.querySelectorAll(`tr[data-series="${CSS.escape(name)}"] td`);
    const values = points.map(([, value]) => value).filter((value) => value !== null);
    const figures = values.length ? [values.at(-1), Math.min(...values), Math.max(...values)] : [];
    cells.forEach((cell, n) => (cell.textContent = format(figures[n], chart.unit)));
  }
}

function redraw() {
  for (const plot of plots.values()) plot.destroy();
  plots.clear();
  last.forEach(show);
}

async function load() {
  if (document.hidden) return;
  try {
    const answer = await fetch(charts.dataset.source, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!answer.ok) return serviceLost("");
    ({ charts: last, ...span } = await answer.json());
  } catch {
    return consoleLost();
  }
  heard();
  last.forEach(show);
}

dark.addEventListener("change", redraw);
document.addEventListener("visibilitychange", load);
let width = innerWidth;
addEventListener("resize", () => {
  if (innerWidth !== width) redraw();
  width = innerWidth;
});
listening(charts.dataset.pause);
await load();
setInterval(load, charts.dataset.pause * 1000);
