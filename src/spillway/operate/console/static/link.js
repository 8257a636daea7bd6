// When this page last heard of the service, and what it looks like when it hears no more: what it
// shows is then of an earlier time, so it must not look like the present.
const link = document.getElementById("link");
const text = document.getElementById("link-text");
const time = document.getElementById("link-time");
const failed = document.getElementById("failed");
const CHECK_MS = 1000;
// When the service was heard, and when anything was: the console may say that the service is silent.
let heardAt = new Date();
let toldAt = Date.now();
let silentAfterMs = null;

// The only zone of all pages; the local time is in each time's title.
export function clock(at) {
  return at.toISOString().slice(11, 19);
}

function say(state, words) {
  link.dataset.state = state;
  text.textContent = words;
  time.textContent = `${clock(heardAt)} UTC`;
  time.dateTime = heardAt.toISOString();
}

export function heard() {
  heardAt = new Date();
  toldAt = Date.now();
  delete document.body.dataset.stale;
  failed.hidden = true;
  failed.textContent = "";
  say("live", "Live");
}

export function serviceLost(why) {
  toldAt = Date.now();
  lost("The service", why);
}

export function consoleLost() {
  lost("The console", "");
}

function lost(who, why) {
  const since = `${who} has not answered since ${clock(heardAt)} UTC. What is shown is of then.`;
  const sentence = why ? `${since} ${why}` : since;
  // Written only when it changes, because screen readers read it out.
  if (failed.textContent !== sentence) failed.textContent = sentence;
  failed.hidden = false;
  document.body.dataset.stale = "";
  say("failed", "No answer since");
}

export function rest(words) {
  silentAfterMs = null;
  say("off", words);
}

// A connection may also be silent without an error: after sleep, or while the service hangs.
export function listening(pauseSeconds) {
  silentAfterMs = pauseSeconds * 2000 + 5000;
  toldAt = Date.now();
}

setInterval(() => {
  if (silentAfterMs !== null && Date.now() - toldAt > silentAfterMs) consoleLost();
}, CHECK_MS);

document.addEventListener("pointerover", ({ target }) => {
  const shown = target.closest?.("time[datetime]");
  if (shown) shown.title = `${new Date(shown.dateTime).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" })} here`;
});
