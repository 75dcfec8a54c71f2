// Who is signed in. Tokens live in this module's variables and nowhere else:
// a reload gets new ones from /oauth/authorize, silently as long as the
// browser's sign-in session lasts. Only what a redirect needs to come back
// (state, PKCE verifier, place) waits in sessionStorage while it is under way.

const CLIENT = '6e656c6d-0000-8000-8000-636f6e736f6c';
const UNDER_WAY = 'nelm.signin';
const EARLY_MS = 30_000; // refresh so long before the token ends

let access = null;
let refreshToken = null;
let endsAt = 0;
let refreshing = null;
let who = null;

const tabs = 'BroadcastChannel' in globalThis
  ? new BroadcastChannel('nelm.session') : null;

export class SignInError extends Error {}

const back = () => `${location.origin}/`;

function base64url(bytes) {
  return btoa(String.fromCharCode(...new Uint8Array(bytes)))
    .replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

const random = () =>
  base64url(crypto.getRandomValues(new Uint8Array(32)));

// SHA-256 for PKCE: crypto.subtle exists on https and on localhost only, and
// a console on plain http inside a company should still work.
async function sha256(text) {
  const bytes = new TextEncoder().encode(text);
  if (crypto.subtle)
    return crypto.subtle.digest('SHA-256', bytes);
  return (await import('./sha256.js')).sha256(bytes);
}

// Leave for the sign-in page, to come back to where we are.
export async function signIn(to = location.hash) {
  const verifier = random();
  const state = random();
  sessionStorage.setItem(UNDER_WAY, JSON.stringify({ verifier, state, to }));
  location.assign(`/oauth/authorize?${new URLSearchParams({
    client_id: CLIENT, response_type: 'code', redirect_uri: back(), state,
    code_challenge: base64url(await sha256(verifier)),
    code_challenge_method: 'S256',
  })}`);
  return new Promise(() => {}); // the page goes
}

function form(fields) {
  return { method: 'POST', body: new URLSearchParams(fields) };
}

function keep(answer) {
  const claims = JSON.parse(new TextDecoder().decode(Uint8Array.from(
    atob(answer.access_token.split('.')[1]
      .replaceAll('-', '+').replaceAll('_', '/')),
    (c) => c.charCodeAt(0))));
  access = answer.access_token;
  refreshToken = answer.refresh_token;
  endsAt = Date.now() + answer.expires_in * 1000;
  who = {
    id: claims.identity_id, alias: claims.user_name, org: claims.org,
    levels: claims.authorities,
  };
}

async function ask(fields) {
  const answer = await fetch('/oauth/token',
    form({ client_id: CLIENT, ...fields }));
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok)
    throw new SignInError(body.error_description ?? body.message ??
      `The server answered ${answer.status}`);
  keep(body);
}

// Make a session, or leave the page for one. Throws SignInError.
export async function begin() {
  const answer = new URLSearchParams(location.search);
  const text = sessionStorage.getItem(UNDER_WAY);
  sessionStorage.removeItem(UNDER_WAY);
  if (!answer.has('state'))
    return location.hash === '#/signed-out' ? false : signIn();

  const sent = text ? JSON.parse(text) : {};
  history.replaceState(null, '', `/${sent.to ?? ''}`);
  // A sign-in that this tab did not begin, such as a reload of its address.
  if (answer.get('state') !== sent.state)
    return signIn();
  if (answer.has('error'))
    throw new SignInError(answer.get('error_description') ??
      answer.get('error'));
  await ask({
    grant_type: 'authorization_code', code: answer.get('code'),
    redirect_uri: back(), code_verifier: sent.verifier,
  });
  return true;
}

// A token that is good for a while. `not`: one that was refused. Refresh
// tokens are good once, so callers share one refresh.
export async function token(not) {
  if (access && access !== not && Date.now() < endsAt - EARLY_MS)
    return access;
  refreshing ??= ask({
    grant_type: 'refresh_token', refresh_token: refreshToken,
  }).finally(() => { refreshing = null; });
  await refreshing;
  return access;
}

export const me = () => who;

export const isAdmin = () => who.levels.includes('ORG_ADMIN') ||
  who.levels.includes('SOURCE_ADMIN');
export const isOrgAdmin = () => who.levels.includes('ORG_ADMIN');

async function end() {
  if (!refreshToken)
    return;
  const ending = refreshToken;
  access = refreshToken = null;
  await fetch('/oauth/revoke', { ...form({ client_id: CLIENT, token: ending }),
    keepalive: true });
}

const leave = () => {
  location.hash = '#/signed-out';
  location.reload(); // nothing of what was seen stays in memory
};

// End the tokens, the browser's session, and the other tabs'.
export async function signOut() {
  tabs?.postMessage('out');
  await end();
  leave();
}

if (tabs)
  tabs.onmessage = async () => { await end(); leave(); };
