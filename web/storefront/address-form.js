/** The address on a page: country first, then the fields that this country's addresses have. */
import { addressOf, fieldProblem, problemsOf, rowsOf } from "./address.js";
import { complain, fill, h } from "./dom.js";

export class AddressForm {
  #root;
  #countries;
  #formats;
  #country;
  /** By id: those that the country has, and those that another one had before. */
  #inputs = new Map();
  /** All that were made, with what was typed into them; a list is one country's own. */
  #made = new Map();
  /** What was typed before this page was shown, by id. */
  #typed = {};
  /** What looks unusual and was sent a second time: the customer knows better. */
  #confirmed = new Set();

  /** @param {[code: string, name: string][]} countries that the store delivers to */
  constructor(root, countries, formats) {
    this.#root = root;
    this.#countries = countries;
    this.#formats = formats;
    this.#country = h("select", { id: "country", autocomplete: "country" },
      countries.map(([code, name]) => h("option", { value: code }, name)));
    this.#country.addEventListener("change", () => this.#show());
    this.#show();
  }

  /** Says what is wrong, each at its field, and leads to the first; true if nothing is. */
  check() {
    const [, name] = this.#chosen();
    const found = problemsOf(this.#values(), this.#format, name).filter(({ id, question }) => (
      !question || !this.#confirmed.has(this.#answer(id))
    ));
    for (const [id, input] of this.#inputs) complain(input, found.find((problem) => problem.id === id)?.text);
    for (const { id, question } of found) if (question) this.#confirmed.add(this.#answer(id));
    this.#inputs.get(found[0]?.id)?.focus();
    return found.length === 0;
  }

  /** Where it goes, as far as the price depends on it. */
  get place() {
    return { country: this.#country.value, state: this.value().state ?? "" };
  }

  /** All that was typed, by the fields' names. */
  get values() {
    return { ...this.#typed, ...this.#values(), country: this.#country.value };
  }

  /** Fill in what was typed before. */
  restore({ country, ...values }) {
    if (this.#countries.some(([code]) => code === country)) this.#country.value = country;
    this.#typed = values;
    for (const inputs of [this.#made, this.#inputs]) inputs.clear();
    this.#show();
  }

  /** The address, as an order has it. */
  value() {
    const [code, name] = this.#chosen();
    return addressOf(this.#values(), this.#format, { code, name });
  }

  get #format() { return this.#formats[this.#country.value]; }

  #chosen() { return this.#countries.find(([code]) => code === this.#country.value); }

  #values() { return Object.fromEntries([...this.#inputs].map(([id, input]) => [id, input.value])); }

  #answer(id) { return JSON.stringify([this.#country.value, id, this.#inputs.get(id).value]); }

  #show() {
    fill(this.#root,
      h("div", { class: "field" }, h("label", { for: "country" }, "Country"), this.#country),
      rowsOf(this.#format).map((row) => (
        row.length > 1 ? h("div", { class: "row" }, row.map((field) => this.#field(field))) : this.#field(row[0])
      )));
  }

  #field(field) {
    const { id, label, hint, required } = field;
    const input = this.#input(field);
    // Not the attribute: a browser's own message would hide ours, and blanks would satisfy it.
    input.setAttribute("aria-required", String(Boolean(required)));
    return h("div", { class: "field" },
      h("label", { for: id }, required ? label : `${label} (optional)`), input,
      hint ? h("p", { id: `${id}-hint`, class: "hint" }, hint) : null,
      h("p", { id: `${id}-problem`, class: "problem" }));
  }

  #input(field) {
    const { id, type = "text", autocomplete, hint, options } = field;
    const key = options ? `${this.#country.value} ${id}` : id;
    const typed = this.#typed[id] ?? "";
    const described = { "aria-describedby": hint ? `${id}-hint ${id}-problem` : `${id}-problem` };
    const input = this.#made.get(key) ?? (options
      ? h("select", { id, autocomplete, ...described }, h("option", { value: "" }, "Choose"),
        options.toSorted(([, one], [, other]) => one.localeCompare(other, "en"))
          .map(([value, name]) => h("option", { value, selected: value === typed }, name)))
      : h("input", { id, type, autocomplete, value: typed, ...described }));
    complain(input, null);
    this.#made.set(key, input);
    this.#inputs.set(id, input);
    return input;
  }
}

/** Whether a field of its own holds a text that can be stored; says so if not, and leads there. */
export function checkText(input, { label, required }) {
  const problem = fieldProblem({ id: input.id, label, required }, input.value);
  complain(input, problem);
  if (problem) input.focus();
  return !problem;
}
