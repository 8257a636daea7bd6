// On every page: live updates, shortcuts, and the lines of the path.
import { Idiomorph } from "/vendor/idiomorph/idiomorph.esm.js";
import { consoleLost, heard, listening, rest, serviceLost } from "./link.js";

const live = document.getElementById("live");

// Live updates. A hidden page closes its stream, so that the console reads nothing for it.
let source = null;
/** As long as browsers themselves wait before they connect again. */
const AGAIN_MS = 3_000;

function listen() {
  if (source || !live?.dataset.events) return;
  listening(live.dataset.pause);
  source = new EventSource(live.dataset.events);
  source.addEventListener("fragment", (event) => {
    Idiomorph.morph(live, event.data, { morphStyle: "innerHTML", ignoreActiveValue: true });
    draw();
    heard();
  });
  source.addEventListener("same", heard);
  source.addEventListener("failed", (event) => serviceLost(event.data));
  source.addEventListener("final", () => {
    stop();
    delete live.dataset.events;
    rest("Settled");
  });
  source.onerror = () => {
    consoleLost();
    // Firefox gives up after one connection that failed, and every browser after an answer that is
    // no stream.
    if (source?.readyState !== EventSource.CLOSED) return;
    stop();
    setTimeout(() => { if (!document.hidden) listen(); }, AGAIN_MS);
  };
}

function stop() {
  source?.close();
  source = null;
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    stop();
    if (live?.dataset.events) rest("Paused");
  } else listen();
});
// A page that the browser keeps for "back" must not hold a connection.
addEventListener("pagehide", stop);
addEventListener("pageshow", listen);

// The lines between the parts of the path: from the right edge of one to the left edge of the next.
const lines = document.getElementById("links");
const SVG = "http://www.w3.org/2000/svg";

function draw() {
  if (!lines || getComputedStyle(lines).display === "none") return;
  const origin = lines.getBoundingClientRect();
  const place = (name) => document.getElementById(`box-${name}`)?.getBoundingClientRect();
  const pairs = lines.dataset.links.trim().split(/\s+/).map((pair) => pair.split(">"));
  pairs.forEach(([from, to], n) => {
    const path = lines.children[n] ?? lines.appendChild(document.createElementNS(SVG, "path"));
    const [a, b] = [place(from), place(to)];
    if (a && b) path.setAttribute("d", curve(a, b, origin));
    path.classList.toggle("flows", (runs(to) ?? runs(from)) > 0);
  });
}

// The table, the topic and the downstreams have no runs: use those of the box that leads there.
function runs(name) {
  return document.getElementById(`box-${name}`)?.dataset.runs;
}

function curve(a, b, origin) {
  if (b.right < a.left) return curve(b, a, origin);
  if (b.left < a.right) {
    // One above the other.
    const x = a.left + a.width / 2 - origin.left;
    const [top, bottom] = a.top < b.top ? [a.bottom, b.top] : [b.bottom, a.top];
    return `M${x} ${top - origin.top} L${x} ${bottom - origin.top}`;
  }
  const [x1, y1] = [a.right - origin.left, a.top + a.height / 2 - origin.top];
  const [x2, y2] = [b.left - origin.left, b.top + b.height / 2 - origin.top];
  const middle = (x1 + x2) / 2;
  return `M${x1} ${y1} C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}`;
}

if (lines) new ResizeObserver(draw).observe(live);

// `commandfor` opens and closes dialogs, also before this script is loaded. But dead letters that
// arrive after the page was loaded have no dialog yet.
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[commandfor]");
  if (opener && !opener.commandForElement) location.reload();
});

// Shortcuts. They can be switched off, as single keys get in the way of speech input.
const KEYS = "spillway-console-keys";
const keysOn = document.getElementById("keys-on");
keysOn.checked = localStorage.getItem(KEYS) !== "off";
keysOn.addEventListener("change", () => localStorage.setItem(KEYS, keysOn.checked ? "on" : "off"));
const GO_MS = 1000;
let goSince = -GO_MS;

document.addEventListener("keydown", (event) => {
  if (!keysOn.checked || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, dialog")) return;
  const goes = event.timeStamp - goSince < GO_MS;
  goSince = -GO_MS;
  const target = goes && document.querySelector(`[data-go="${CSS.escape(event.key)}"]`);
  if (target) location.assign(target.dataset.address);
  else if (event.key === "g") goSince = event.timeStamp;
  else if (event.key === "?") document.getElementById("help").showModal();
  else if (event.key === "/") {
    event.preventDefault();
    document.getElementById("q").focus();
  }
});

// On a narrow page the navigation scrolls sideways: show where we are.
document.querySelector(".side [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

draw();
listen();
