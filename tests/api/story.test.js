// Seven days in the life of one source. After every step the export is
// compared, byte for byte, with what this file keeps beside it.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { checkDownload, downloadPath } from './lib/http.js';
import { World } from './lib/nelm.js';
import {
  Caller, HEADER, admin, csvLine, person, personBody, replace, sourceBody,
} from './lib/registry.js';

let world, server, root, source;
let ann, bob, cleo, max, mia; // three approvers, two account managers

// What the registry should hold: bodies in order of creation.
const people = [];
let columns = [];

function csv(list = people) {
  return [HEADER, ...columns].join(',') + '\n' +
    list.map((body) => csvLine(body,
      columns.map((name) => body.data?.[name] ?? ''))).join('');
}

async function exportIsRight() {
  const answer = await root.call('GET', downloadPath(source.id, ''));
  checkDownload(answer, { rows: people.length });
  assert.equal(answer.text, csv());
}

// A step of the story: its deed, then the export.
async function step(t, what, deed) {
  await t.test(what, async () => {
    await deed();
    await exportIsRight();
  });
}

const body = (name, extra) =>
  personBody(source, name, 'max', { data: { badge: name }, ...extra });
const ask = (manager, what) =>
  manager.api.post('/non-employee-requests', what);
const decide = (item, verb, comment) =>
  [`/non-employee-approvals/${item.id}/${verb}`,
    comment === undefined ? {} : { comment }];
const statusOf = async ({ id }) =>
  (await root.get(`/non-employee-requests/${id}`)).approvalStatus;
const attributes = () => `/non-employee-sources/${source.id}/schema-attributes`;
const find = (name) => people.find(({ accountName }) => accountName === name);

async function recordOf(name) {
  const filter = encodeURIComponent(`sourceId eq "${source.sourceId}"`);
  for (let offset = 0; ; offset += 250) {
    const page = await root.get('/non-employee-records?sorters=accountName' +
      `&filters=${filter}&offset=${offset}`);
    const found = page.find(({ accountName }) => accountName === name);
    if (found || page.length < 250)
      return found;
  }
}

before(async () => {
  world = await World.create();
  server = await world.serve();
  root = await admin(world, server);
  [ann, bob, cleo, max, mia] = [
    await person(world, server, 'ann'), await person(world, server, 'bob'),
    await person(world, server, 'cleo'), await person(world, server, 'max'),
    await person(world, server, 'mia'),
  ];
});
after(() => world?.done());

test('seven days', async (t) => {
  let wanted, unwanted, waiting;

  await t.test('day 1: the source is made', async (day) => {
    await step(day, 'with three approvers and two account managers',
      async () => {
        source = await root.post('/non-employee-sources',
          sourceBody('Contractors', world.admin.identity,
            { approvers: [ann, bob, cleo], managers: [max, mia] }));
        assert.equal(source.approvers.length, 3);
      });
    await step(day, 'and columns of its own', async () => {
      for (const [technicalName, required] of
        [['badge', true], ['team', false]])
        await root.post(attributes(), {
          type: 'TEXT', label: technicalName, technicalName, required,
        });
      columns = ['badge', 'team'];
    });
    await step(day, 'nobody is in it yet', async () => {
      assert.deepEqual(await max.api.get('/non-employee-requests/summary/me'),
        { approved: 0, rejected: 0, pending: 0, nonEmployeeCount: 0 });
    });
  });

  await t.test('day 2: people are requested', async (day) => {
    await step(day, 'two by one manager, one by the other', async () => {
      wanted = await ask(max, body('ida.rowe',
        { data: { badge: 'b-1', team: 'Süd, "A"' } }));
      unwanted = await ask(max, body('jon.doe'));
      waiting = await ask(mia, body('kim.lee'));
      assert.equal(wanted.requester.id, max.id);
      const seen = await mia.api.get('/non-employee-requests?requested-for=me');
      assert.equal(seen.length, 3);
    });
    await step(day, 'a name that is asked for is taken', async () => {
      await mia.api.refuse('400.1.409 Reference conflict', 'POST',
        '/non-employee-requests', body('Ida.Rowe'));
    });
    await step(day, 'a required column is required', async () => {
      await mia.api.refuse('400.1 Bad Request Content', 'POST',
        '/non-employee-requests', body('no.badge', { data: {} }),
        { text: 'badge is required;' });
    });
    await step(day, 'the first approver sees three of them', async () => {
      const open = encodeURIComponent('approvalStatus eq "Pending"');
      const list =
        await ann.api.get(`/non-employee-approvals?filters=${open}`);
      assert.equal(list.length, 3);
      assert.deepEqual(
        await bob.api.get(`/non-employee-approvals?filters=${open}`), []);
    });
  });

  await t.test('day 3: they are decided on', async (day) => {
    await step(day, 'two of three approvals make no record', async () => {
      await ann.api.post(...decide(wanted.approvalItems[0], 'approve'));
      await bob.api.post(...decide(wanted.approvalItems[1], 'approve', 'ok'));
      assert.equal(await statusOf(wanted), 'PENDING');
    });
    await step(day, 'the third does', async () => {
      const item = await cleo.api.post(
        ...decide(wanted.approvalItems[2], 'approve'));
      assert.equal(item.approvalStatus, 'APPROVED');
      assert.equal(await statusOf(wanted), 'APPROVED');
      people.push(body('ida.rowe',
        { data: { badge: 'b-1', team: '"Süd, ""A"""' } }));
    });
    await step(day, 'one is refused half way', async () => {
      await ann.api.post(...decide(unwanted.approvalItems[0], 'approve'));
      await bob.api.post(
        ...decide(unwanted.approvalItems[1], 'reject', 'no budget'));
      assert.equal(await statusOf(unwanted), 'REJECTED');
      await cleo.api.refuse('400.1 Bad Request Content', 'POST',
        ...decide(unwanted.approvalItems[2], 'approve'), { text: undefined });
    });
    await step(day, 'two clicks at one instant are one decision', async () => {
      const item = waiting.approvalItems[0];
      const answers = await Promise.all([
        ann.api.call('POST', ...decide(item, 'approve')),
        ann.api.call('POST', ...decide(item, 'reject', 'no')),
        ann.api.call('POST', ...decide(item, 'approve')),
      ]);
      assert.deepEqual(answers.map(({ status }) => status).sort(),
        [200, 400, 400]);
      if (await statusOf(waiting) === 'REJECTED')
        waiting = await ask(mia, body('kim.lee'));
    });
  });

  await t.test('day 4: a file comes', async (day) => {
    const crowd = Array.from({ length: 300 }, (_, n) => body(`worker.n${n}`,
      { data: { badge: `w${n}`, team: n % 3 ? 'north' : '' } }));

    await step(day, 'with one bad line it is refused whole', async () => {
      const bad = [...crowd, body('last.one', { endDate: 'tomorrow' })];
      const answer = await root.upload(source, csv(bad));
      assert.equal(answer.status, 400);
      assert.match(answer.json.messages[0].text, /^Line 302: .*endDate/);
    });
    await step(day, 'asked what it would do, it does nothing', async () => {
      const answer = await root.upload(source, csv(crowd),
        { query: '?dryRun=true' });
      assert.equal(answer.status, 200, answer.text);
    });
    await step(day, 'corrected it is taken, an update among it', async () => {
      find('ida.rowe').phone = '+49 30 1234';
      const job = await root.uploaded(source, csv([...crowd, people[0]]));
      assert.equal(job.status, 'COMPLETED');
      people.push(...crowd);
    });
    await step(day, 'sent again unchanged it changes nothing', async () => {
      const before_ = await recordOf('ida.rowe');
      const job = await root.uploaded(source, await root.export(source));
      assert.equal(job.status, 'COMPLETED');
      assert.deepEqual(await recordOf('ida.rowe'), before_);
    });
  });

  await t.test('day 5: stays are extended', async (day) => {
    const end = '2032-06-30T00:00:00-03:00';

    await step(day, 'by a manager, with a patch', async () => {
      const { id } = await recordOf('worker.n7');
      await mia.api.patch(`/non-employee-records/${id}`,
        replace('/endDate', end));
      find('worker.n7').endDate = end;
    });
    await step(day, 'or by sending back what was read', async () => {
      const record = await recordOf('worker.n8');
      await max.api.put(`/non-employee-records/${record.id}`,
        { ...record, endDate: end });
      find('worker.n8').endDate = end;
    });
    await step(day, 'but nothing else, and never before the start',
      async () => {
        const path =
          `/non-employee-records/${(await recordOf('worker.n9')).id}`;
        await max.api.refuse('403 Forbidden', 'PATCH', path,
          [...replace('/endDate', end), ...replace('/phone', '1')]);
        await max.api.refuse('400.1.3 Illegal value', 'PATCH', path,
          replace('/endDate', '2020-01-01'));
      });
    await step(day, 'the administrator renames somebody', async () => {
      const { id } = await recordOf('worker.n10');
      await root.patch(`/non-employee-records/${id}`, [
        ...replace('/lastName', 'Ünder-Wood'),
        ...replace('/data/team', 'south'),
      ]);
      Object.assign(find('worker.n10'), { lastName: 'Ünder-Wood' });
      find('worker.n10').data.team = 'south';
    });
  });

  await t.test('day 6: people leave', async (day) => {
    const drop = (...names) => names.forEach((name) =>
      people.splice(people.indexOf(find(name)), 1));

    await step(day, 'one', async () => {
      await root.delete(
        `/non-employee-records/${(await recordOf('worker.n0')).id}`);
      drop('worker.n0');
    });
    await step(day, 'many, or none when one of them is unknown', async () => {
      const ids = [];
      for (const name of ['worker.n1', 'worker.n2', 'worker.n299'])
        ids.push((await recordOf(name)).id);
      await root.refuse('400.1.404 Referenced object not found', 'POST',
        '/non-employee-records/bulk-delete',
        { ids: [...ids, '0b5fd9d2-0000-7000-8000-000000000000'] },
        { text: undefined });
      await exportIsRight();
      await root.expect(204, 'POST', '/non-employee-records/bulk-delete',
        { ids });
      drop('worker.n1', 'worker.n2', 'worker.n299');
    });
    await step(day, 'a column goes and another comes', async () => {
      const team = (await root.get(attributes()))
        .find(({ technicalName }) => technicalName === 'team');
      await root.delete(`${attributes()}/${team.id}`);
      await root.post(attributes(),
        { type: 'TEXT', label: 'Site', technicalName: 'site' });
      columns = ['badge', 'site'];
    });
    await step(day, 'new approvers decide on new requests only', async () => {
      await root.patch(`/non-employee-sources/${source.id}`,
        replace('/approvers', [cleo.id]));
      const old = await root.get(`/non-employee-requests/${waiting.id}`);
      assert.equal(old.approvalItems.length, 3);
      const { approvalItems } = await ask(mia, body('new.rule'));
      assert.equal(approvalItems.length, 1);
      await cleo.api.post(...decide(approvalItems[0], 'approve'));
      people.push(body('new.rule'));
    });
    await step(day, 'an approver leaves, and open requests end', async () => {
      await world.cli(['identity', 'delete', 'bob']);
      assert.equal(await statusOf(waiting), 'CANCELLED');
      assert.equal(await statusOf(unwanted), 'REJECTED');
      await root.delete(`/non-employee-requests/${waiting.id}`);
      await root.delete(`/non-employee-requests/${wanted.id}`);
    });
  });

  await t.test('day 7: the books are closed', async (day) => {
    await step(day, 'a killed server forgets nothing', async () => {
      await server.stop('SIGKILL');
      server = await world.serve();
      for (const caller of [root, ann.api, cleo.api, max.api, mia.api])
        caller.server = server;
    });
    await step(day, 'the command line exports the same', async () => {
      assert.equal((await world.export(source)).toString(), csv());
    });
    await step(day, 'another source takes the file as it is', async () => {
      const copy = await root.post('/non-employee-sources',
        sourceBody('Copy', world.admin.identity));
      for (const technicalName of columns)
        await root.post(`/non-employee-sources/${copy.id}/schema-attributes`,
          { type: 'TEXT', label: technicalName, technicalName });
      const job = await root.uploaded(copy, csv());
      assert.equal(job.status, 'COMPLETED');
      assert.equal(await root.export(copy), csv());
      await root.delete(`/non-employee-sources/${copy.id}`);
    });
    await step(day, 'what happened is on record', async () => {
      const { stdout } = await world.cli(['audit', 'list']);
      for (const event of ['NON_EMPLOYEE_SOURCE_CREATED',
        'NON_EMPLOYEE_CREATE_PASSED', 'NON_EMPLOYEE_UPDATE_PASSED',
        'NON_EMPLOYEE_DELETE_PASSED', 'NON_EMPLOYEE_REQUEST_CREATED',
        'NON_EMPLOYEE_APPROVAL_ACTION_COMPLETED',
        'NON_EMPLOYEE_BULK_IMPORT_PASSED'])
        assert.ok(stdout.includes(event), event);
      for (const secret of ['worker.n7@example.com', '+49 30 1234'])
        assert.ok(!stdout.includes(secret), secret);
    });
    await day.test('the source goes with all that is in it', async () => {
      await root.delete(`/non-employee-sources/${source.id}`);
      await root.refuse('404 Not found', 'GET',
        downloadPath(source.id, ''));
      assert.deepEqual(await root.get('/non-employee-records'), []);
      assert.deepEqual(await root.get('/non-employee-approvals'), []);
      assert.deepEqual(await new Caller(server, max.api.token)
        .get('/non-employee-requests/summary/me'),
      { approved: 0, rejected: 0, pending: 0, nonEmployeeCount: 0 });
    });
  });
});
