// What several screens look up, kept for as long as the page is there and
// forgotten when something changes it.

import { get, list } from './api.js';
import { isAdmin } from './session.js';

let sourcesAt = null;

// The sources that the caller reaches: all, or those that they manage.
export function sources() {
  sourcesAt ??= (async () => {
    const all = [];
    for (let offset = 0; ; offset += 250) {
      const { rows } = await list('/non-employee-sources', {
        limit: 250, offset, sorters: 'name', 'non-employee-count': true,
        ...(isAdmin() ? {} : { 'requested-for': 'me' }),
      });
      all.push(...rows);
      if (rows.length < 250)
        return all;
    }
  })();
  sourcesAt.catch(() => { sourcesAt = null; });
  return sourcesAt;
}

export const forgetSources = () => { sourcesAt = null; };

// By either of its ids.
const plain = (id) => id.replaceAll('-', '').toLowerCase();
export const sameId = (a, b) => plain(a) === plain(b);
export async function sourceOf(id) {
  return (await sources()).find((source) => sameId(source.id, id) ||
    sameId(source.sourceId, id));
}

export const attributes = (source) =>
  get(`/non-employee-sources/${source.id}/schema-attributes`,
    { limit: 250 });

// People who call, by what one types of them.
export async function findIdentities(text) {
  const { rows } = await list('/public-identities', {
    limit: 10, sorters: 'name',
    ...(text ? { filters: ['alias', 'email', 'firstname', 'lastname']
      .map((name) => `${name} sw ${JSON.stringify(text)}`).join(' or ') } : {}),
  });
  return rows;
}
