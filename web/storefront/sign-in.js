/**
 * Sign-in: OpenID Connect's authorization code flow with PKCE, with the issuer that /config.json
 * names. oauth4webapi does the protocol and is fetched only when it is needed.
 *
 * Tokens are in sessionStorage: they end with the tab, no other tab and no later visitor finds
 * them, and a reload or the next page keeps them. Memory alone would send the customer away to the
 * issuer on every page, and would be no safer: a foreign script could ask for a token as this one
 * does. The content security policy keeps such scripts out. Never in localStorage, and never in a
 * cookie, which the browser would send along unasked.
 */
import { LIBRARY } from "./vendor.js";

const SESSION = "session";
const PENDING = "sign-in";
/** Renewed before it ends, so that it can't end on its way. */
const MARGIN_MS = 30_000;

/** @typedef {{sub: string, name: string, trade: boolean}} Customer */

let settings;
let renewing = null;

/** @returns {Promise<object>} issuer, client_id and the like; see src/spillway/run/storefront/publish.py */
function config() {
  settings ??= fetch("/config.json").then((answer) => {
    if (!answer.ok) throw new Error("the store's settings could not be read");
    return answer.json();
  }).catch((error) => {
    settings = undefined;
    throw error;
  });
  return settings;
}

async function issuer() {
  const [oauth, given] = await Promise.all([import(LIBRARY), config()]);
  // An emulator's issuer is not where it says it is.
  const answer = given.discovery
    ? await fetch(given.discovery)
    : await oauth.discoveryRequest(new URL(given.issuer));
  const server = await oauth.processDiscoveryResponse(new URL(given.issuer), answer);
  const local = new URL(server.token_endpoint).hostname === "127.0.0.1";
  return {
    oauth, given, server,
    client: { client_id: given.client_id },
    options: { [oauth.allowInsecureRequests]: local },
  };
}

const callback = () => `${location.origin}/signed-in`;

/** Leave for the issuer's sign-in page; afterwards the customer is back where they were. */
export async function signIn(back = location.pathname + location.search) {
  const { oauth, given, server } = await issuer();
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const nonce = oauth.generateRandomNonce();
  sessionStorage.setItem(PENDING, JSON.stringify({ verifier, state, nonce, back }));
  const to = new URL(server.authorization_endpoint);
  to.search = new URLSearchParams({
    client_id: given.client_id, redirect_uri: callback(), response_type: "code",
    scope: given.scope, state, nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256",
  });
  location.assign(to);
}

/** On the page the issuer sends back to. @returns {Promise<string>} where the customer was */
export async function finishSignIn() {
  const pending = JSON.parse(sessionStorage.getItem(PENDING) ?? "null");
  if (!pending) throw new Error("this sign-in was not begun in this tab");
  sessionStorage.removeItem(PENDING);
  const { oauth, given, server, client, options } = await issuer();
  const back = oauth.validateAuthResponse(server, client, new URL(location.href), pending.state);
  const answer = await oauth.authorizationCodeGrantRequest(
    server, client, oauth.None(), back, callback(), pending.verifier, options,
  );
  const tokens = await oauth.processAuthorizationCodeResponse(
    server, client, answer, { expectedNonce: pending.nonce, requireIdToken: true },
  );
  keep(tokens, oauth.getValidatedIdTokenClaims(tokens), given);
  // Only ever back into this store.
  return pending.back.startsWith("/") && !pending.back.startsWith("//") ? pending.back : "/";
}

/** Sign out here and at the issuer, which then sends the customer back. */
export async function signOut() {
  const session = read();
  sessionStorage.removeItem(SESSION);
  const { oauth, given, server, client, options } = await issuer();
  if (session?.refresh_token && server.revocation_endpoint) {
    await oauth.revocationRequest(server, client, oauth.None(), session.refresh_token, options)
      .catch(() => {}); // else it expires
  }
  if (!server.end_session_endpoint) return location.assign("/");
  const to = new URL(server.end_session_endpoint);
  const home = `${location.origin}/`;
  to.search = new URLSearchParams(given.sign_out === "cognito"
    ? { client_id: given.client_id, logout_uri: home }
    : {
      client_id: given.client_id, post_logout_redirect_uri: home,
      ...(session?.id_token && { id_token_hint: session.id_token }),
    });
  return location.assign(to);
}

/** @returns {Customer | null} who is signed in in this tab */
export function customer() {
  return read()?.customer ?? null;
}

/**
 * The access token, renewed when it is about to end or when asked to.
 *
 * @returns {Promise<string | null>} null when the customer has to sign in
 * @throws when the issuer can't be reached: nothing is known then
 */
export async function token({ renew = false } = {}) {
  const session = read();
  if (!session) return null;
  if (!renew && session.ends_at - MARGIN_MS > Date.now()) return session.access_token;
  renewing ??= renewed(session).finally(() => { renewing = null; });
  return renewing;
}

async function renewed(session) {
  if (!session.refresh_token) return end();
  const { oauth, given, server, client, options } = await issuer();
  const answer = await oauth.refreshTokenGrantRequest(
    server, client, oauth.None(), session.refresh_token, options,
  );
  if (answer.status >= 500) throw new Error(`the issuer answered ${answer.status}`);
  try {
    const tokens = await oauth.processRefreshTokenResponse(server, client, answer);
    keep({ ...session, ...tokens }, oauth.getValidatedIdTokenClaims(tokens), given);
  } catch {
    return end();
  }
  return read().access_token;
}

function end() {
  sessionStorage.removeItem(SESSION);
  globalThis.dispatchEvent(new Event("signed-out"));
  return null;
}

/** `claims` are the new id token's; without one the session's customer stays. */
function keep({ access_token, id_token, refresh_token, expires_in, customer }, claims, given) {
  sessionStorage.setItem(SESSION, JSON.stringify({
    access_token, id_token, refresh_token,
    ends_at: Date.now() + (expires_in ?? 300) * 1_000,
    customer: claims ? described(claims, given) : customer,
  }));
}

/** For showing only: the API decides what the customer may do. */
function described(claims, { groups_claim, wholesale_group }) {
  return {
    sub: claims.sub,
    name: claims.name ?? claims.email ?? "Signed in",
    trade: (claims[groups_claim] ?? []).includes(wholesale_group),
  };
}

function read() {
  return JSON.parse(sessionStorage.getItem(SESSION) ?? "null");
}
