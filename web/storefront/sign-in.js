/**
 * Sign-in: OpenID Connect's authorization code flow with PKCE, with the issuer that /config.json
 * names. oauth4webapi does the protocol and is fetched only when it is needed. What comes of it is
 * kept in session.js.
 */
import { learnTime } from "./clock.js";
import { SignInNeeded } from "./outbox.js";
import { SessionOfTabs, customerOf, isFinal, issuedAt } from "./session.js";
import { tab } from "./storage.js";

/** Of other people; the build replaces the name by that of its content. */
const LIBRARY = "./vendor/oauth4webapi.js";
const PENDING = "sign-in";
/** Renewed before it ends, so that it can't end on its way. */
const MARGIN_MS = 30_000;
const TIMEOUT_MS = 20_000;

const session = new SessionOfTabs();
await session.join();

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
    options: { [oauth.allowInsecureRequests]: local, signal: () => AbortSignal.timeout(TIMEOUT_MS) },
  };
}

const callback = () => `${location.origin}/signed-in`;

/** This browser stores nothing for the store, so that no sign-in comes to an end. */
export class NothingStored extends Error {}

/** Leave for the issuer's sign-in page; afterwards the customer is back where they were. */
export async function signIn(back = location.pathname + location.search) {
  const { oauth, given, server } = await issuer();
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const nonce = oauth.generateRandomNonce();
  if (!tab.setItem(PENDING, JSON.stringify({ verifier, state, nonce, back }))) throw new NothingStored();
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
  const pending = JSON.parse(tab.getItem(PENDING) ?? "null");
  if (!pending) throw new Error("this sign-in was not begun in this tab");
  tab.removeItem(PENDING);
  const { oauth, given, server, client, options } = await issuer();
  const back = oauth.validateAuthResponse(server, client, new URL(location.href), pending.state);
  const answer = await oauth.authorizationCodeGrantRequest(
    server, client, oauth.None(), back, callback(), pending.verifier, options,
  );
  await setClock(oauth, client, answer);
  const tokens = await oauth.processAuthorizationCodeResponse(
    server, client, answer, { expectedNonce: pending.nonce, requireIdToken: true },
  );
  session.keep(made(tokens, oauth.getValidatedIdTokenClaims(tokens), given));
  // Only ever back into this store.
  return pending.back.startsWith("/") && !pending.back.startsWith("//") ? pending.back : "/";
}

/**
 * Tokens that came a moment ago say what time it is: on a device whose clock is hours wrong they
 * would look expired.
 */
async function setClock(oauth, client, answer) {
  const { id_token } = await answer.clone().json().catch(() => ({}));
  const theirs = issuedAt(id_token);
  if (Number.isNaN(theirs)) return;
  learnTime(theirs);
  client[oauth.clockSkew] = Math.round((theirs - Date.now()) / 1_000);
}

/** Sign out here and at the issuer, which then sends the customer back. */
export async function signOut() {
  const ended = session.read();
  session.endEverywhere();
  const { oauth, given, server, client, options } = await issuer();
  if (ended?.refresh_token && server.revocation_endpoint) {
    await oauth.revocationRequest(server, client, oauth.None(), ended.refresh_token, options)
      .catch(() => {}); // else it expires
  }
  if (!server.end_session_endpoint) return location.assign("/");
  const to = new URL(server.end_session_endpoint);
  const home = `${location.origin}/`;
  to.search = new URLSearchParams(given.sign_out === "cognito"
    ? { client_id: given.client_id, logout_uri: home }
    : {
      client_id: given.client_id, post_logout_redirect_uri: home,
      ...(ended?.id_token && { id_token_hint: ended.id_token }),
    });
  return location.assign(to);
}

/** @returns {import("./session.js").Customer | null} who is signed in */
export function customer() {
  return session.read()?.customer ?? null;
}

/**
 * The access token, renewed when it is about to end or when asked to.
 *
 * @returns {Promise<string | null>} null when the customer has to sign in
 * @throws when the issuer can't be reached: nothing is known then
 */
export async function token({ renew = false } = {}) {
  const now = session.read();
  if (!now) return null;
  if (!renew && now.ends_at - MARGIN_MS > Date.now()) return now.access_token;
  renewing ??= session.renewed(now, renewed).finally(() => { renewing = null; });
  return (await renewing)?.access_token ?? null;
}

/**
 * Ask a server of ours as the customer; once more with a new token, where it does not take this one.
 *
 * @returns {Promise<Response>}
 * @throws {SignInNeeded} where the customer has to sign in
 */
export async function asCustomer(method, path, content) {
  for (const renew of [false, true]) {
    const bearer = await token({ renew });
    if (!bearer) break;
    const answer = await fetch(path, {
      method, headers: { authorization: `Bearer ${bearer}`, "content-type": "application/json" },
      cache: "no-store", body: content && JSON.stringify(content), signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (answer.status !== 401) return answer;
  }
  throw new SignInNeeded();
}

async function renewed(old) {
  if (!old.refresh_token) {
    session.end();
    return null;
  }
  const { oauth, given, server, client, options } = await issuer();
  const answer = await oauth.refreshTokenGrantRequest(
    server, client, oauth.None(), old.refresh_token, options,
  );
  await setClock(oauth, client, answer);
  try {
    const tokens = await oauth.processRefreshTokenResponse(server, client, answer);
    session.keep(made({ ...old, ...tokens }, oauth.getValidatedIdTokenClaims(tokens), given));
  } catch (error) {
    if (!isFinal(error)) throw error;
    session.end();
  }
  return session.read();
}

/** `claims` are the new id token's; without one the session's customer stays. */
function made({ access_token, id_token, refresh_token, expires_in, customer: before }, claims, given) {
  return {
    access_token, id_token, refresh_token,
    ends_at: Date.now() + (expires_in ?? 300) * 1_000,
    customer: claims ? customerOf(claims, given) : before,
  };
}
