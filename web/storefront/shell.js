/** What every page has: the head with basket and sign-in, and the outbox that sends in the background. */
import { Basket } from "./basket.js";
import { serviceNow } from "./clock.js";
import { $, fill, h, say } from "./dom.js";
import { Outbox, openStore } from "./outbox.js";
import { pay, release } from "./payment.js";
import { customer, signIn, signOut, token } from "./sign-in.js";

const CURRENCY = "currency";
const NOTICE_MS = 8_000;

/** @type {Promise<Outbox | null>} null where the browser can store nothing */
export const outbox = openStore().then((store) => new Outbox({
  store,
  endpoint: "/api/orders",
  token,
  customer: () => customer()?.sub ?? null,
  pay,
  release,
  serviceNow,
  channel: new BroadcastChannel("spillway-outbox"),
}), () => null);

export const isTrade = () => customer()?.trade ?? false;

/** Put the currencies that this page can show prices in into its head; a single one is no choice. */
export function offerCurrencies(offered) {
  const select = $("#currency");
  fill(select, offered.map((code) => h("option", {}, code)));
  select.hidden = offered.length < 2;
  select.value = currency();
}

/** The currency chosen in this browser, of those that the page's head offers. */
export function currency() {
  const offered = [...$("#currency").options].map((option) => option.value);
  const chosen = localStorage.getItem(CURRENCY);
  return offered.includes(chosen) ? chosen : offered[0];
}

/** A button that signs in, and says so where the issuer can't be reached. */
export function signInButton(text = "Sign in", kind = "primary") {
  return h("button", { type: "button", class: kind, onclick: () => goAndSignIn() }, text);
}

async function goAndSignIn() {
  try {
    await signIn();
  } catch {
    announce("The sign-in page can't be reached just now. Please try again in a moment.");
  }
}

let hiding;

/** A short message, also for screen readers. It goes away: what must be read again is on the page. */
export function announce(text) {
  const notice = $("#notice");
  notice.textContent = text;
  clearTimeout(hiding);
  hiding = setTimeout(() => { notice.textContent = ""; }, NOTICE_MS);
}

for (const place of document.querySelectorAll(".sign-in")) fill(place, signInButton());
showHead();
showOutbox();
addEventListener("basket", showHead);
addEventListener("storage", showHead);
addEventListener("signed-out", showHead);
// A page that the browser kept for the way back has missed what others stored meanwhile.
addEventListener("pageshow", ({ persisted }) => { if (persisted) dispatchEvent(new Event("storage")); });

function showHead() {
  const count = new Basket("retail").count;
  say($("#basket-count"), count ? String(count) : "");
  $("#basket-link").setAttribute("aria-label", count === 1 ? "Basket, 1 item" : `Basket, ${count} items`);
  const who = customer();
  $("#trade-link").hidden = !isTrade();
  fill($("#account"), who
    ? [
      h("span", { class: "who", title: who.name }, who.name),
      h("button", { type: "button", class: "quiet", onclick: leave }, "Sign out"),
    ]
    : signInButton("Sign in", "quiet"));
  const select = $("#currency");
  select.value = currency();
  select.onchange = () => {
    localStorage.setItem(CURRENCY, select.value);
    location.reload();
  };
}

async function leave() {
  try {
    await signOut();
  } catch {
    location.assign("/"); // the tokens are gone, and the issuer ends its own session later
  }
}

async function showOutbox() {
  const box = await outbox;
  if (!box) return;
  const notice = $("#outbox");
  const show = async () => {
    const shown = new URLSearchParams(location.search).get("id"); // its own page says it
    const [first, ...others] = (await box.entries()).filter(
      (entry) => entry.state === "sending" && entry.tries > 0 && entry.id !== shown,
    );
    const orphaned = !customer() && await box.othersWait();
    notice.hidden = !orphaned && !first;
    if (orphaned) {
      fill(notice, h("p", {}, "Your order waits in this browser. It is sent when you sign in. ",
        signInButton("Sign in and send it", null)));
    } else if (first) {
      fill(notice, h("p", {},
        others.length ? `${others.length + 1} orders are still being sent. ` : "An order is still being sent. ",
        "We keep it in this browser until the store has it. ",
        h("a", { href: `/order?id=${first.id}` }, "Follow the order")));
    }
  };
  box.subscribe(show);
  await show();
  addEventListener("online", () => box.hurry());
  document.addEventListener("visibilitychange", () => { if (!document.hidden) box.wake(); });
  await box.hurry();
}
