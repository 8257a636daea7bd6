/** What every page has: the head with basket and sign-in, and the outbox that sends in the background. */
import { Basket, QUANTITY_MAX } from "./basket.js";
import { serviceNow } from "./clock.js";
import { $, fill, h, say } from "./dom.js";
import { DRAFT, dropDraft, dropOldDraft } from "./draft.js";
import { Outbox, openStore } from "./outbox.js";
import { pay, release } from "./payment.js";
import { NothingStored, customer, signIn, signOut, token } from "./sign-in.js";
import { channelTo, local } from "./storage.js";

const CURRENCY = "currency";
const NOTICE_MS = 8_000;
const NOTHING_STORED = "Your browser stores nothing for this shop: its storage is blocked or full.";
const ALLOW = "Please allow this site to store data, free some space, or use another browser.";

/** @type {Promise<Outbox | null>} null where the browser can store nothing */
export const outbox = openStore().then((store) => new Outbox({
  store,
  endpoint: "/api/orders",
  token,
  customer: () => customer()?.sub ?? null,
  pay,
  release,
  serviceNow,
  channel: channelTo("spillway-outbox"),
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
  const chosen = local.getItem(CURRENCY);
  return offered.includes(chosen) ? chosen : offered[0];
}

/** A button that signs in, and says so where the issuer can't be reached. */
export function signInButton(text = "Sign in", kind = "primary") {
  return h("button", { type: "button", class: kind, onclick: () => goAndSignIn() }, text);
}

async function goAndSignIn() {
  try {
    await signIn();
  } catch (error) {
    if (error instanceof NothingStored) warn(`${NOTHING_STORED} So you can't sign in. ${ALLOW}`);
    else warn("The sign-in page can't be reached just now.", goAndSignIn);
  }
}

let hiding;

/** A short message, also for screen readers. It goes away: what must be read is warned of. */
export function announce(text) {
  const notice = $("#notice");
  notice.textContent = text;
  clearTimeout(hiding);
  hiding = setTimeout(() => { notice.textContent = ""; }, NOTICE_MS);
}

/**
 * What must be read: it stays. `act` is what can be done about it; without one it can be closed.
 *
 * @param {string | null} text null takes the last one back
 */
export function warn(text, act = null) {
  const press = () => { warn(null); act?.(); };
  $("#trouble").hidden = !text;
  fill($("#trouble"), text && h("p", {}, text, " ",
    h("button", { type: "button", onclick: press }, act ? "Try again" : "Close")));
}

/**
 * What a page can do nothing without. Until it can be had the page says so, and asks again when it is
 * told to or the network is back.
 *
 * @template T
 * @param {() => Promise<T>} load
 * @returns {Promise<T>}
 */
export async function needed(load) {
  for (;;) {
    try {
      return await load();
    } catch {
      await new Promise((again) => {
        warn("Our goods and prices can't be loaded just now.", again);
        addEventListener("online", again, { once: true });
      });
      warn(null);
    }
  }
}

/** Put a good into the basket, and say so. */
export function putIn(good, quantity) {
  const { stored, left } = new Basket("retail").add(good, quantity);
  if (!stored) return; // what then happens is warned of
  announce(left ? `${good.name}: one order has at most ${QUANTITY_MAX}, which are in your basket.` : `${good.name} is in your basket.`);
}

$("#slow").remove();
addEventListener("unstored", () => warn(`${NOTHING_STORED} What you put into the basket is gone when you leave this page. ${ALLOW}`));
addEventListener("error", ({ error }) => { if (error) warn("This page has failed.", () => location.reload()); });
dropOldDraft(customer()?.sub);
for (const place of document.querySelectorAll(".sign-in")) fill(place, signInButton());
showHead();
showOutbox();
addEventListener("basket", showHead);
// In another tab somebody types, letter by letter: nothing here depends on it.
addEventListener("storage", (event) => { if (event.key === DRAFT) event.stopImmediatePropagation(); });
addEventListener("storage", showHead);
// Also in another tab: nothing of the customer's stays in sight.
addEventListener("signed-out", () => { showHead(); dispatchEvent(new Event("storage")); });
// A page that the browser kept for the way back has missed what others stored meanwhile.
addEventListener("pageshow", ({ persisted }) => {
  if (persisted) dispatchEvent(new Event(customer() ? "storage" : "signed-out"));
});

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
    local.setItem(CURRENCY, select.value);
    dispatchEvent(new Event("storage")); // as in another tab: loaded anew, a page would forget what was typed
  };
}

async function leave() {
  dropDraft();
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
    const elsewhere = (await box.entries()).filter(({ id }) => id !== shown);
    const [first, ...others] = elsewhere.filter(({ state, tries }) => state === "sending" && tries > 0);
    const refused = elsewhere.find(({ state, seen }) => state === "rejected" && !seen);
    const orphaned = !customer() && await box.othersWait();
    notice.hidden = !orphaned && !first && !refused;
    if (orphaned) {
      fill(notice, h("p", {}, "Your order waits in this browser. It is sent when you sign in. ",
        signInButton("Sign in and send it", null)));
    } else if (first) {
      fill(notice, h("p", {},
        others.length ? `${others.length + 1} orders are still being sent. ` : "An order is still being sent. ",
        "We keep it in this browser until the store has it. ",
        h("a", { href: `/order?id=${first.id}` }, "Follow the order")));
    } else if (refused) {
      fill(notice, h("p", {}, "We couldn't take an order of yours. ",
        h("a", { href: `/order?id=${refused.id}` }, "See why, and order again")));
    }
  };
  box.subscribe(show);
  await show();
  addEventListener("online", () => box.hurry());
  document.addEventListener("visibilitychange", () => { if (!document.hidden) box.wake(); });
  await box.hurry();
}
