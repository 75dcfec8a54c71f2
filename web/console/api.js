// The public API as the screens use it.

import { SignInError, token } from './session.js';

const BASE = '/v3';

// What the server said, with the id under which its log has it.
export class ApiError extends Error {
  constructor(status, text, requestId, body) {
    super(text);
    this.status = status;
    this.requestId = requestId;
    this.body = body;
  }
}

const CANNOT_REACH =
  'The server cannot be reached. Check your connection and try again.';

function textOf(status, body) {
  const text = body?.messages?.[0]?.text ?? body?.message ??
    body?.errorMessage ?? body?.error_description ?? body?.error;
  if (status === 403)
    return 'You have no right to do this.';
  if (status === 404)
    return 'This is not there any more, or you may not see it.';
  if (status === 429)
    return 'Too many requests in a short time. Wait a moment and try again.';
  return text?.trim() || `The server answered with status ${status}.`;
}

export function errorOf(answer, body) {
  return new ApiError(answer.status, textOf(answer.status, body),
    answer.headers.get('SLPT-Request-ID'), body);
}

export const withQuery = (path, query = {}) => {
  const used = Object.entries(query)
    .filter(([, value]) => value !== undefined && value !== '' &&
      value !== null);
  return used.length ? `${path}?${new URLSearchParams(used)}` : path;
};

// The whole answer; throws ApiError for anything but success.
export async function send(method, path, {
  query, body, type, headers = {}, signal,
} = {}) {
  const json = body !== undefined && type === undefined;
  const attempt = async (bearer) => {
    try {
      return await fetch(BASE + withQuery(path, query), {
        method, signal,
        headers: {
          Authorization: `Bearer ${bearer}`,
          ...(body === undefined ? {}
            : { 'Content-Type': type ?? 'application/json' }),
          ...headers,
        },
        body: json ? JSON.stringify(body) : body,
      });
    } catch (error) {
      if (error.name === 'AbortError')
        throw error;
      throw new ApiError(0, CANNOT_REACH);
    }
  };
  let bearer = await bearerToken();
  let answer = await attempt(bearer);
  if (answer.status === 401) {
    bearer = await bearerToken(bearer);
    answer = await attempt(bearer);
  }
  if (!answer.ok)
    throw errorOf(answer, await answer.json().catch(() => null));
  return answer;
}

// A token, or the news that the session is over.
export async function bearerToken(not) {
  try {
    return await token(not);
  } catch (error) {
    if (error instanceof SignInError)
      document.dispatchEvent(new CustomEvent('session-over'));
    if (error instanceof TypeError)
      throw new ApiError(0, CANNOT_REACH);
    throw error;
  }
}

export async function get(path, query, signal) {
  return (await send('GET', path, { query, signal })).json();
}

// A page of a list: { rows, total }; `total` only when `count` is asked for.
export async function list(path, query = {}, signal) {
  const answer = await send('GET', path, { query, signal });
  const total = answer.headers.get('X-Total-Count');
  return { rows: await answer.json(), total: total && Number(total) };
}

export const post = async (path, body, query) => {
  const answer = await send('POST', path, { body, query });
  return answer.status === 204 ? null : answer.json();
};

export const patch = async (path, changes) =>
  (await send('PATCH', path, {
    body: JSON.stringify(changes), type: 'application/json-patch+json',
  })).json();

export const remove = (path) => send('DELETE', path);

export const replace = (path, value) => ({ op: 'replace', path, value });

// A text inside a filter.
export const quoted = (text) =>
  `"${String(text).replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
