// The CSV of a source, into the browser and out of it.

import {
  bearerToken, errorOf, get, send, withQuery,
} from './api.js';
import { forgetSources, sourceOf } from './data.js';
import {
  button, bytes, card, count, counted, empty, h, icon, later, link, loading,
  moment, problem, statusTag, table, tell,
} from './ui.js';

const pathOf = (source, rest) => `/non-employee-sources/${source.id}/${rest}`;

async function source(id) {
  return await sourceOf(id) ?? get(`/non-employee-sources/${id}`);
}

const crumb = ({ id, name }) => [link('#/sources', 'Sources'), ' / ',
  link(`#/sources/${id}`, name)];

// --- export ------------------------------------------------------------------------

const EXACT = {};
const SPREADSHEET = { bom: true, lineEnd: 'crlf', formulaGuard: true };

// Bytes, rows and digest of what a click would fetch. A range asks for the
// file as it is, since the browser would take a compressed one otherwise.
async function sizeOf(from, variant) {
  const { headers } = await send('HEAD', pathOf(from, 'non-employees/download'),
    { query: variant, headers: { Range: 'bytes=0-' } });
  return {
    bytes: Number(/\/(\d+)$/.exec(headers.get('Content-Range') ?? '')?.[1] ??
      headers.get('Content-Length')),
    rows: Number(headers.get('X-Total-Count')),
    sha256: /sha-256=:([^:]+):/.exec(headers.get('Repr-Digest') ?? '')?.[1],
    changed: headers.get('Last-Modified'),
  };
}

const hex = (base64) => Array.from(atob(base64), (c) =>
  c.charCodeAt(0).toString(16).padStart(2, '0')).join('');

// The browser itself downloads, so it shows how far it is and memory does not
// matter; the token goes in the body of a form, never in an address.
async function download(from, variant) {
  const token = await bearerToken();
  const form = h('form', {
    method: 'post', hidden: true,
    action: withQuery(`/v3${pathOf(from, 'non-employees/download')}`, variant),
  }, h('input', { type: 'hidden', name: 'access_token', value: token }));
  document.body.append(form);
  form.submit();
  form.remove();
}

const variantView = (from, title, variant, text) =>
  card(title, h('p', { class: 'note' }, text), later(async () => {
    const told = await sizeOf(from, variant);
    const sum = h('code', null, hex(told.sha256));
    return [
      h('dl', { class: 'facts' },
        h('dt', null, 'Rows'), h('dd', null, count(told.rows)),
        h('dt', null, 'Size'), h('dd', null, bytes(told.bytes)),
        h('dt', null, 'Last change'),
        h('dd', null, moment(new Date(told.changed).toISOString())),
        h('dt', null, 'SHA-256'), h('dd', null, sum)),
      h('div', { class: 'row' },
        button([icon('down'), 'Download'], () => download(from, variant),
          { class: 'main', 'aria-label': `Download: ${title}` }),
        button('Copy digest', async () => {
          try {
            await navigator.clipboard.writeText(sum.textContent);
            tell('The digest was copied.');
          } catch {
            getSelection().selectAllChildren(sum);
          }
        }, { 'aria-label': `Copy digest: ${title}` })),
    ];
  }, { className: 'later stack' }));

export async function exportScreen([id]) {
  const from = await source(id);
  return {
    crumb: crumb(from), title: 'Export',
    lead: `Everybody in ${from.name}, as one file`,
    content: h('div', { class: 'stack' },
      h('div', { class: 'halves' },
        variantView(from, 'Exact', EXACT,
          'For backups and programs: comes back in without a change.'),
        variantView(from, 'For a spreadsheet', SPREADSHEET,
          'Opens in Excel with accents right, and without running formulas.')),
      card('Is the file whole?', h('p', null, 'Compare its SHA-256 with the ' +
        'one above: ', h('code', null, 'sha256sum FILE'), ', on Windows ',
      h('code', null, 'certutil -hashfile FILE SHA256'), '.'))),
  };
}

// --- upload -------------------------------------------------------------------------

// fetch() tells nothing while it sends; XMLHttpRequest does.
async function post(to, query, file, { headers = {}, onprogress }) {
  const token = await bearerToken();
  return new Promise((resolve, reject) => {
    const call = new XMLHttpRequest();
    const data = new FormData();
    data.append('data', file);
    call.open('POST', withQuery(
      `/v3${pathOf(to, 'non-employee-bulk-upload')}`, query));
    call.setRequestHeader('Authorization', `Bearer ${token}`);
    for (const [name, value] of Object.entries(headers))
      call.setRequestHeader(name, value);
    call.upload.onprogress = ({ loaded, total }) => onprogress(loaded, total);
    call.onerror = () => reject(errorOf(
      { status: 0, headers: new Headers() }, { message: 'The connection was ' +
        'lost while the file was sent. Nothing was imported.' }));
    call.onload = () => {
      let body = null;
      try {
        body = JSON.parse(call.responseText);
      } catch { /* not ours to read: the status says enough */ }
      if (call.status < 300)
        resolve(body);
      else
        reject(errorOf({ status: call.status, headers: new Headers({
          'SLPT-Request-ID': call.getResponseHeader('SLPT-Request-ID') ?? '',
        }) }, body));
    };
    call.send(data);
  });
}

const cell = (text) => (/[",\r\n]/.test(text)
  ? `"${text.replaceAll('"', '""')}"` : text);

// What a spreadsheet would take for a formula stays a text.
const safe = (text) => (/^[=+\-@\t\r]/.test(text) ? `'${text}` : text);

function saveFaults(faults) {
  const lines = [['line', 'column', 'reason'], ...faults.map((fault) =>
    [String(fault.line), fault.column ?? '', fault.reason])];
  const url = URL.createObjectURL(new Blob(['\ufeff', ...lines.map((line) =>
    `${line.map((text) => cell(safe(text))).join(',')}\r\n`)],
  { type: 'text/csv' }));
  h('a', { href: url, download: 'refused-lines.csv' }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

const SHOWN = 200;

const faultTable = (faults) => table('Lines that are wrong', [
  { label: 'Line', numeric: true, cell: ({ line }) => count(line) },
  { label: 'Column', cell: ({ column }) =>
    (column ? h('code', null, column) : 'whole line') },
  { label: 'Reason', cell: ({ reason }) => reason },
], faults.slice(0, SHOWN));

const tiles = (pairs) => h('div', { class: 'tiles' }, pairs.map(([n, text]) =>
  h('div', { class: 'card tile' }, h('strong', null, count(n)),
    h('span', null, text))));

const POLL_MS = 700;
const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

function statusView(to) {
  return later(async () => {
    const job = await get(pathOf(to, 'non-employee-bulk-upload/status'));
    if (job.status === null)
      return empty('No upload yet');
    return [h('p', null, statusTag(job.status), ' ', moment(job.modified)),
      h('p', { class: 'note' }, `${count(job.recordsCreated ?? 0)} new, ` +
        `${count(job.recordsUpdated ?? 0)} changed`),
      (job.errors ?? []).length > 0 && h('ul', null, job.errors.slice(0, 20)
        .map((text) => h('li', null, text)))].filter(Boolean);
  });
}

export async function uploadScreen([id], query, signal) {
  const to = await source(id);
  const stage = h('div', { class: 'stack', 'aria-live': 'polite' });
  const state = statusView(to);
  const guard = h('input', { type: 'checkbox', name: 'guard', id: 'guard' });
  let file = null;

  const choose = h('input', {
    type: 'file', id: 'file', accept: '.csv,text/csv', class: 'hidden',
    onchange: () => { take(choose.files[0]); choose.value = ''; },
  });
  const drop = h('label', {
    for: 'file', class: 'drop',
    ondragover: (event) => {
      event.preventDefault();
      drop.classList.add('over');
    },
    ondragleave: () => drop.classList.remove('over'),
    ondrop: (event) => {
      event.preventDefault();
      drop.classList.remove('over');
      take(event.dataTransfer.files[0]);
    },
  }, icon('file'), h('span', null, h('strong', null, 'Choose a CSV file'),
    ' or drop it here'), h('span', { class: 'note' },
    'Nothing changes before you have seen what would'));

  async function sending(what, fields, headers) {
    const bar = h('progress', { 'aria-label': what, max: 1, value: 0 });
    const text = h('p', { class: 'note' }, what);
    stage.replaceChildren(card(null, text, bar));
    return post(to, { ...fields, formulaGuard: guard.checked || '' }, file, {
      headers,
      onprogress: (loaded, total) => {
        bar.value = loaded / total;
        text.textContent = loaded < total
          ? `${what}: ${bytes(loaded)} of ${bytes(total)}`
          : 'The server looks at every line';
        if (loaded >= total)
          bar.removeAttribute('value');
      },
    });
  }

  async function take(chosen) {
    if (!chosen)
      return;
    file = chosen;
    try {
      showPreview(await sending(`Sending ${file.name}`, { dryRun: true }));
    } catch (error) {
      stage.replaceChildren(problem(error, () => take(file)));
    }
  }

  function showPreview(told) {
    const bad = told.errorCount;
    const changes = told.created + told.updated;
    const skip = bad > 0 && bad <= 1000 && changes > 0;
    const head = h('h2', { tabindex: -1 }, bad
      ? `${counted(bad, 'line')} of ${file.name} ${bad === 1 ? 'is'
        : 'are'} wrong`
      : changes ? `${file.name} is good` : `${file.name} changes nothing`);
    stage.replaceChildren(...[
      h('section', { class: 'card stack' }, head,
        tiles([[told.rows, 'lines'], [told.created, 'new people'],
          [told.updated, 'changed'], [told.unchanged, 'as they are'],
          ...(bad ? [[bad, 'wrong']] : [])]),
        bad ? [
          faultTable(told.errors),
          bad > SHOWN && h('p', { class: 'note' }, `The first ${SHOWN} are ` +
            'shown; the file has ' + (told.errors.length < bad
            ? `the first ${count(told.errors.length)}.` : 'all of them.')),
          h('p', null, 'Correct these lines and choose the file again.'),
        ] : null,
        h('div', { class: 'row' },
          bad > 0 && button([icon('down'), 'Save the list'],
            () => saveFaults(told.errors)),
          bad === 0 && changes > 0 && button(
            `Apply ${counted(changes, 'change')}`, () => apply({}),
            { class: 'main' }),
          skip && button(`Apply the ${count(told.rows - bad)} good lines`,
            () => apply({ skipRejected: true })))),
    ]);
    head.focus();
  }

  async function apply(fields) {
    try {
      const job = await sending(`Sending ${file.name}`, fields,
        { 'Idempotency-Key': crypto.getRandomValues(new Uint32Array(4))
          .join('-') });
      stage.replaceChildren(card(null, loading('Importing')));
      await follow(job);
    } catch (error) {
      stage.replaceChildren(problem(error, () => apply(fields)));
    }
  }

  // Until the job is over, or the reader has gone.
  async function follow({ id: jobId }) {
    for (;;) {
      const job = await get(pathOf(to, 'non-employee-bulk-upload/status'), {},
        signal);
      if (job.id !== jobId || job.status === 'COMPLETED' ||
          job.status === 'ERROR') {
        forgetSources();
        state.reload();
        const good = job.status !== 'ERROR';
        const head = h('h2', { tabindex: -1 },
          good ? 'The file was imported' : 'The file was not imported');
        stage.replaceChildren(h('section', { class: 'card stack' }, head,
          good ? tiles([[job.recordsCreated, 'new people'],
            [job.recordsUpdated, 'changed']])
            : h('ul', null, job.errors.slice(0, 50)
              .map((text) => h('li', null, text))),
          h('p', null, link(`#/people?source=${to.id}`,
            `People in ${to.name}`))));
        head.focus();
        return;
      }
      await pause(POLL_MS);
    }
  }

  return {
    crumb: crumb(to), title: 'Upload',
    lead: `Into ${to.name}: new accounts are added, known ones changed, ` +
      'nobody is deleted',
    content: h('div', { class: 'columns' },
      h('div', { class: 'stack' },
        h('section', { class: 'card stack' }, choose, drop,
          h('div', { class: 'choice' }, guard, h('label', { for: 'guard' },
            'The file was exported “for a spreadsheet”'))),
        stage),
      h('div', { class: 'stack' },
        card('Newest upload', state),
        card('Columns', h('p', null, 'The first line names the columns, as in ',
          link(`#/sources/${to.id}/export`, 'an export'), '.'),
        later(async () => {
          const answer = await send('GET',
            pathOf(to, 'schema-attributes-template/download'));
          return h('p', { class: 'row' }, (await answer.text()).trim()
            .split(',').map((name) => h('code', null, name)));
        })))),
  };
}
