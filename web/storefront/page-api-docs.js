/** The API's documentation: sends what its forms say, as the customer who is signed in. */
import { serviceNow } from "./clock.js";
import { $, fill, h } from "./dom.js";
import { uuid7 } from "./outbox.js";
import { pay } from "./payment.js";
import { signInButton } from "./shell.js";
import { customer, token } from "./sign-in.js";

const who = customer();
fill($("#who"), h("p", {}, who
  ? `Requests are sent as ${who.name}. The orders are real ones.`
  : "Sign in to try the operations below: they are sent as you."), who ? null : signInButton());

for (const form of document.querySelectorAll(".try")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form);
  });
  const example = $(".example", form);
  if (example) example.onclick = () => fillIn(form);
}

async function send(form) {
  const show = (title, text) => fill($(".answer", form),
    h("p", { class: "strong" }, title), h("pre", { tabindex: "0" }, text));
  const given = { path: {}, query: {}, header: {} };
  for (const { dataset, name, value } of form.elements) {
    if (dataset.in && value) given[dataset.in][name] = value;
  }
  const path = form.dataset.path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(given.path[name]));
  const query = new URLSearchParams(given.query);
  try {
    const bearer = await token();
    const response = await fetch(query.size ? `${path}?${query}` : path, {
      method: form.dataset.method,
      headers: {
        ...given.header,
        ...(bearer && { authorization: `Bearer ${bearer}` }),
        ...(form.elements.body && { "content-type": "application/json" }),
      },
      body: form.elements.body?.value,
    });
    show(`${response.status} ${response.statusText}`, pretty(await response.text()));
  } catch (error) {
    show("No answer", String(error));
  }
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** An order that the store accepts without a change: a new id, and the gateway's payment for it. */
async function fillIn(form) {
  const id = uuid7(serviceNow());
  const order = {
    channel: "retail", currency: "GBP",
    lines: [{ sku: "MUG-SAGE", quantity: 2, unit_price: 1400 }],
    shipping: 395, tax: 0, total: 3195,
    address: { name: "A. Buyer", lines: ["1 High Street"], city: "Leeds", postal_code: "LS1 4AP", country: "GB" },
  };
  try {
    const { total, currency } = order;
    order.payment = await pay({ id, order, total, currency, method: "approved" });
  } catch {
    order.payment = { reference: "", amount: order.total, currency: order.currency, receipt: "" };
  }
  form.elements.order_id.value = id;
  form.elements.body.value = JSON.stringify(order, null, 2);
}
