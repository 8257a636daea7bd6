/** What every page has: the head with basket and sign-in, and the outbox that sends in the background. */
import { Basket, QUANTITY_MAX } from "./basket.js";
import { serviceNow } from "./clock.js";
import { $, fill, h, say } from "./dom.js";
import { DRAFT, dropDraft, dropOldDraft } from "./draft.js";
import { money } from "./money.js";
import { Outbox, openStore } from "./outbox.js";
import { pay, release } from "./payment.js";
import { NothingStored, customer, signIn, signOut, token } from "./sign-in.js";
import { channelTo, local } from "./storage.js";

const CURRENCY = "currency";
const NOTICE_MS = 8_000;
/** Then who waits is told what for. */
const SLOW_MS = 2_000;
const ASK_AGAIN_MS = 15_000;
/** So a page that was left open asks every eight minutes in the end. */
const ASK_AGAIN_DOUBLED_MAX = 5;
const LOADING = "Our goods and prices are being loaded.";
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

export const isTrade = () => Boolean(customer()?.trade);

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

let alone = false;

/** While this page itself says how an order is sent, nothing above it speaks of orders. */
export function speakAlone(whether) {
  alone = whether;
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
 * What a page can do nothing without. Until it can be had the page says so, and asks again now and
 * then: a network that is back does not always say so.
 *
 * @template T
 * @param {() => Promise<T>} load
 * @returns {Promise<T>}
 */
export async function needed(load) {
  const slow = setTimeout(() => announce(LOADING), SLOW_MS);
  let again;
  for (let failures = 0; ; failures += 1) {
    try {
      const loaded = await load();
      if (failures) warn(null);
      return loaded;
    } catch {
      // Not anew each time: a screen reader would read it out again, and the focus would be lost.
      if (!failures || $("#trouble").hidden) warn("Our goods and prices can't be loaded just now.", () => again());
      await new Promise((wake) => {
        again = wake;
        addEventListener("online", wake, { once: true });
        setTimeout(wake, ASK_AGAIN_MS * 2 ** Math.min(failures, ASK_AGAIN_DOUBLED_MAX));
      });
    } finally {
      clearTimeout(slow);
      if ($("#notice").textContent === LOADING) announce("");
    }
  }
}

/** Put a good into the basket, and say so. */
export function putIn(good, quantity) {
  const { stored, taken, left } = new Basket("retail").add(good, quantity);
  if (!stored) return; // what then happens is warned of
  announce(left
    ? `${good.name}: one order has at most ${QUANTITY_MAX}, which are in your basket.`
    : `${good.name}${taken > 1 ? `: ${taken} are` : " is"} in your basket.`);
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
  $("#approvals-link").hidden = !who?.approves;
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
    const [first, ...others] = elsewhere.filter(({ state }) => state === "sending");
    const refused = elsewhere.find(({ state, seen }) => state === "rejected" && !seen);
    // Until its page has been seen: else nobody knows whether what was being sent has arrived.
    const arrived = elsewhere.filter(({ state }) => state === "accepted");
    const orphaned = !customer() && await box.othersWait();
    notice.hidden = alone || (!orphaned && !first && !refused && !arrived.length);
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
    } else if (arrived.length) {
      fill(notice, arrived.length > 1
        ? h("p", {}, `The store has your ${arrived.length} orders. `, h("a", { href: "/orders" }, "See them"))
        : h("p", {}, `The store has your order of ${money(arrived[0].total, arrived[0].currency)}. `,
          h("a", { href: `/order?id=${arrived[0].id}` }, "See it")));
    }
  };
  box.subscribe(show);
  await show();
  addEventListener("online", () => box.hurry());
  document.addEventListener("visibilitychange", () => { if (!document.hidden) box.wake(); });
  await box.hurry();
}
