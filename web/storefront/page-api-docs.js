/** The API's documentation: sends what its forms say, as the customer who is signed in. */
import { serviceNow } from "./clock.js";
import { $, fill, h } from "./dom.js";
import { uuid7 } from "./outbox.js";
import { pay } from "./payment.js";
import { goAndSignIn } from "./shell.js";
import { customer, token } from "./sign-in.js";

const who = customer();
fill($("#who"), h("p", {}, who
  ? `What you send here is sent as ${who.name}. The orders are real ones.`
  : "Sign in to try the operations below: they are sent as you."),
who ? null : h("button", { type: "button", class: "primary", onclick: () => goAndSignIn() }, "Sign in"));

for (const form of document.querySelectorAll(".try")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form);
  });
  const example = $(".example", form);
  if (example) example.onclick = () => fillIn(form);
}

async function send(form) {
  const answer = $(".answer", form);
  const fields = [...form.elements].filter((field) => field.dataset.in && field.value);
  const path = fields.filter((field) => field.dataset.in === "path").reduce(
    (filled, { name, value }) => filled.replace(`{${name}}`, encodeURIComponent(value)),
    form.dataset.path,
  );
  const query = new URLSearchParams(
    fields.filter((field) => field.dataset.in === "query").map(({ name, value }) => [name, value]),
  );
  const headers = Object.fromEntries(
    fields.filter((field) => field.dataset.in === "header").map(({ name, value }) => [name, value]),
  );
  try {
    const bearer = await token();
    const response = await fetch(query.size ? `${path}?${query}` : path, {
      method: form.dataset.method,
      headers: {
        ...headers,
        ...(bearer && { authorization: `Bearer ${bearer}` }),
        ...(form.elements.body && { "content-type": "application/json" }),
      },
      body: form.elements.body?.value,
    });
    const text = await response.text();
    fill(answer, h("p", { class: "strong" }, `${response.status} ${response.statusText}`), h("pre", { tabindex: "0" }, pretty(text)));
  } catch (error) {
    fill(answer, h("p", { class: "strong" }, "No answer"), h("pre", { tabindex: "0" }, String(error)));
  }
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** An order that is accepted as it stands: a new id, and a payment of the gateway for it. */
async function fillIn(form) {
  const id = uuid7(serviceNow());
  const order = {
    channel: "retail", currency: "GBP",
    lines: [{ sku: "MUG-SAGE", quantity: 2, unit_price: 1400 }],
    shipping: 395, tax: 0, total: 3195,
    address: { name: "A. Buyer", lines: ["1 High Street"], city: "Leeds", postal_code: "LS1 4AP", country: "GB" },
  };
  try {
    order.payment = await pay({ id, total: order.total, currency: order.currency, method: "approved" });
  } catch {
    order.payment = { reference: "", amount: order.total, currency: order.currency, receipt: "" };
  }
  form.elements.order_id.value = id;
  form.elements.body.value = JSON.stringify(order, null, 2);
}
