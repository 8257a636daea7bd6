/**
 * Keeps what a basket comes to on a page: added up here, or by a quote where there is a coupon.
 *
 * A coupon that takes nothing off is taken out of the basket, said beside its field, and leaves the
 * others as they are.
 */
import { catalogue } from "./catalogue.js";
import { serviceNow } from "./clock.js";
import { $, fill, h, say } from "./dom.js";
import { Problem, getQuote } from "./orders-api.js";
import { SignInNeeded } from "./outbox.js";
import { visible } from "./quantity.js";
import { announce, currency, signInButton } from "./shell.js";
import { customer } from "./sign-in.js";
import { couponProblem, sumsOf } from "./sums.js";
import { halfWidth } from "./text.js";

export class Summary {
  #basket;
  #place;
  #show;
  #latest = 0;

  /**
   * @param {import("./basket.js").Basket} basket
   * @param {() => {country: string, state: string}} place where it is delivered to
   * @param {(sums: import("./sums.js").Sums, sure: boolean) => void} show `sure` is false while a
   *   coupon waits for a sign-in or an answer, so that the sum may still change
   */
  constructor(basket, place, show) {
    this.#basket = basket;
    this.#place = place;
    this.#show = show;
    this.#build();
  }

  #build() {
    const use = (event) => { event.preventDefault(); this.#use($("#coupon").value); };
    fill($("#coupon-part"),
      h("form", { id: "coupon-form", class: "inline", novalidate: true, onsubmit: use },
        h("label", { for: "coupon" }, "Coupon"),
        h("input", {
          id: "coupon", autocomplete: "off", autocapitalize: "characters", maxlength: 64,
          "aria-describedby": "coupon-problem", oninput: () => this.#complain(null),
        }),
        h("button", {}, "Use")),
      h("p", { id: "coupon-problem", class: "problem", role: "status" }),
      h("p", { id: "coupon-act" }),
      h("ul", { id: "coupons", class: "coupons", "aria-label": "In use" }),
      h("p", { id: "coupon-sign-in", class: "quiet", hidden: true }));
  }

  /** Add it all up again; a later call makes an earlier one's answer void. */
  async update() {
    const number = this.#latest += 1;
    const { coupons, ask } = this.#basket.read();
    const wanted = coupons.length > 0 || ask;
    const asked = wanted && customer() ? await this.#quoted(coupons) : null;
    const sums = asked?.sums ?? await this.#added();
    if (number !== this.#latest) return;
    if (asked?.problem) this.#complain(asked.problem, asked.again ? () => this.update() : null);
    if (sums.refused.size) this.#drop(sums.refused);
    this.#showCoupons();
    this.#show(sums, !wanted || Boolean(asked?.sums));
  }

  /** Whether no code was typed and then forgotten; says so once, and leads there. */
  isComplete() {
    const field = $("#coupon");
    if (!field.value.trim() || field.getAttribute("aria-invalid")) return true;
    this.#complain("This coupon is not used yet: press Use. To order without it, press the button again.");
    field.focus();
    return false;
  }

  /** Without coupons, by the public price list. */
  async #added() {
    return sumsOf(await catalogue(), this.#content([]), serviceNow());
  }

  /** @returns {Promise<{sums?: object, problem?: string, again?: boolean}>} */
  async #quoted(coupons) {
    try {
      return { sums: await sumsOf(await catalogue(), this.#content(coupons), serviceNow(), getQuote) };
    } catch (error) {
      if (error instanceof SignInNeeded) return {};
      const refused = error instanceof Problem && error.rule;
      if (refused) return { problem: couponProblem(error.rule) };
      return { problem: "The coupon can't be checked just now.", again: true };
    }
  }

  #content(coupons) {
    const { channel, lines } = this.#basket;
    return { channel, currency: currency(), lines, coupons, ...this.#place() };
  }

  async #use(typed) {
    // As books write codes: some keyboards make an accent a character of its own, or a letter as wide
    // as two, and a letter that it is copied from has more than can be seen.
    const code = halfWidth(visible(typed)).toUpperCase().normalize("NFC");
    const { coupons } = this.#basket.read();
    if (!code) return this.#complain("Enter the coupon's code.");
    if (coupons.includes(code)) return this.#complain(`${code} is in use already.`);
    if (!customer()) return this.#accept([...coupons, code], `${code} is kept until you sign in.`);
    const together = await this.#quoted([...coupons, code]);
    if (!together.sums) return this.#complain(together.problem ?? "Please sign in again to use a coupon.");
    const { refused } = together.sums;
    if (!refused.size) return this.#accept([...coupons, code], `${code} is in use.`);
    const itself = refused.get(code) ?? "coupon_not_combinable";
    const apart = itself === "coupon_not_combinable" && coupons.length > 0;
    const alone = apart ? (await this.#quoted([code])).sums?.refused : null;
    if (alone?.size === 0) {
      return this.#complain(`${code} can't be used together with ${coupons.join(", ")}.`,
        () => this.#accept([code], `${code} is in use.`), `Use ${code} instead`);
    }
    return this.#complain(`${code}: ${couponProblem(alone?.get(code) ?? itself)}`);
  }

  async #accept(coupons, said) {
    $("#coupon").value = "";
    this.#complain(null);
    this.#basket.change({ coupons });
    await this.update();
    announce(said);
  }

  async #remove(code, coupons) {
    await this.#accept(coupons.filter((other) => other !== code), `${code} was removed.`);
    this.#act(() => this.#accept(coupons, `${code} is in use.`), `Use ${code} again`);
  }

  /** What a button does that is gone afterwards: a keyboard would begin again at the top. */
  async #press(act) {
    await act();
    if (document.activeElement === document.body) $("#coupon-form button").focus();
  }

  #drop(refused) {
    const { coupons } = this.#basket.read();
    this.#basket.change({ coupons: coupons.filter((code) => !refused.has(code)) });
    const [[code, rule]] = refused;
    this.#complain(`${code}: ${couponProblem(rule)}`);
  }

  #showCoupons() {
    const { coupons } = this.#basket.read();
    fill($("#coupons"), coupons.map((code) => h("li", {}, h("span", {}, code),
      h("button", {
        type: "button", class: "quiet", "aria-label": `Remove coupon ${code}`,
        onclick: () => this.#press(() => this.#remove(code, coupons)),
      }, "Remove"))));
    $("#coupon-sign-in").hidden = !coupons.length || Boolean(customer());
    fill($("#coupon-sign-in"), "Sign in to use a coupon: it is counted for you. ", signInButton("Sign in", null));
  }

  /** Stays until the field changes: a message that goes away is not read. */
  #complain(problem, act = null, name = "Try again") {
    const field = $("#coupon");
    say($("#coupon-problem"), problem ?? "");
    this.#act(act, name);
    if (problem) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  }

  #act(act, name) {
    const press = () => { this.#complain(null); this.#press(act); };
    fill($("#coupon-act"), act ? h("button", { type: "button", onclick: press }, name) : null);
  }
}
