/** What every page has: the head with basket and sign-in, and the outbox at work behind it. */
import { Basket } from "./basket.js";
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
  channel: new BroadcastChannel("spillway-outbox"),
}), () => null);

export const isTrade = () => customer()?.trade ?? false;

/** The currency chosen in this browser. */
export function currency(currencies = ["GBP", "EUR", "USD"]) {
  const chosen = localStorage.getItem(CURRENCY);
  return currencies.includes(chosen) ? chosen : currencies[0];
}

/** Sign in, and say so where the issuer can't be reached. */
export async function goAndSignIn(back) {
  try {
    await signIn(back);
  } catch {
    announce("The sign-in page can't be reached just now. Please try again in a moment.");
  }
}

let hiding;

/** A short message to everybody, screen readers included. What must be read again stands elsewhere. */
export function announce(text) {
  const notice = $("#notice");
  notice.textContent = text;
  clearTimeout(hiding);
  hiding = setTimeout(() => { notice.textContent = ""; }, NOTICE_MS);
}

showHead();
showOutbox();
addEventListener("basket", showHead);
addEventListener("storage", showHead);
addEventListener("signed-out", showHead);

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
    : h("button", { type: "button", class: "quiet", onclick: () => goAndSignIn() }, "Sign in"));
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
    location.assign("/"); // the tokens are gone; the issuer's own session ends by itself
  }
}

async function showOutbox() {
  const box = await outbox;
  if (!box) return;
  const show = async () => {
    const shown = new URLSearchParams(location.search).get("id"); // its own page says it
    const waiting = (await box.entries()).filter(
      (entry) => entry.state === "sending" && entry.id !== shown,
    );
    const notice = $("#outbox");
    const orphaned = !customer() && await box.othersWait();
    notice.hidden = !orphaned && !waiting.some((entry) => entry.tries > 0);
    if (orphaned) {
      fill(notice, h("p", {},
        "An order of yours waits in this browser. It is sent as soon as you sign in. ",
        h("button", { type: "button", onclick: () => goAndSignIn() }, "Sign in and send it")));
    } else {
      const [first] = waiting;
      fill(notice, first ? h("p", {},
        waiting.length === 1 ? "An order is still being sent. " : `${waiting.length} orders are still being sent. `,
        "It is kept in this browser until the store has it. ",
        h("a", { href: `/order?id=${first.id}` }, "See how far it is")) : "");
    }
  };
  box.subscribe(show);
  await show();
  addEventListener("online", () => box.hurry());
  document.addEventListener("visibilitychange", () => { if (!document.hidden) box.wake(); });
  await box.hurry();
}
