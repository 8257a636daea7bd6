/**
 * The service's clock. An order's id carries the time, and one that is more than five minutes ahead
 * is refused: a device with a wrong clock could order nothing.
 */

/** A difference that small is the network's. */
const NOTICED_MS = 30_000;
let ahead = 0;

/** Learn from an answer of the API: it is never cached. */
export function learn(answer) {
  const theirs = Date.parse(answer.headers.get("date") ?? "");
  if (Number.isNaN(theirs)) return;
  const difference = Date.now() - theirs;
  ahead = Math.abs(difference) > NOTICED_MS ? difference : 0;
}

/** @returns {number} ms since 1970, as the service counts them */
export function serviceNow() {
  return Date.now() - ahead;
}
