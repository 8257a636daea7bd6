/** The few helpers that take a framework's place. */

/**
 * An element. Properties beginning with "on" are listeners; `true` sets an attribute, `null` and
 * `false` leave it out. Texts are texts: nothing is ever parsed as HTML.
 */
export function h(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if ((value ?? false) !== false) element.setAttribute(key, value === true ? "" : value);
  }
  fill(element, ...children);
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** A good's illustration, decorative: its name is beside it. Empty of one that nobody knows. */
export function picture(good, kind = "") {
  const { art, glaze } = good ?? {};
  const frame = h("span", { class: `picture glaze-${glaze} ${kind}` });
  if (!art) return frame;
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 200 200");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `${asset("goods.svg")}#${art}`);
  svg.append(use);
  frame.append(svg);
  return frame;
}

/** The address of an asset: its name has its content's hash, and the page's head has the names. */
export function asset(name) {
  return document.querySelector(`meta[data-asset="${name}"]`).content;
}

export const $ = (selector, within = document) => within.querySelector(selector);

/** Replace an element's children; `null`, `undefined` and `false` are left out. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => (child ?? false) !== false));
}

/** Set a text only if it differs, so that a screen reader hears a change once. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Says what is wrong with a field below it; takes it back with null. */
export function complain(input, problem) {
  const place = document.getElementById(`${input.id}-problem`);
  if (place) say(place, problem ?? "");
  if (problem) input.setAttribute("aria-invalid", "true");
  else input.removeAttribute("aria-invalid");
}
