// For every operation of docs/api/openapi.yaml a call that goes well, made
// anew each time it is asked for.

import {
  HEADER, admin, person, personBody, replace, sourceBody,
} from './registry.js';

// A multipart body with one file.
export function multipart(csv) {
  return {
    type: 'multipart/form-data; boundary=b',
    body: '--b\r\nContent-Disposition: form-data; name="data"\r\n\r\n' +
      `${csv}\r\n--b--\r\n`,
  };
}

const form = {
  type: 'application/x-www-form-urlencoded', body: 'action=nonsense',
};

export const UNKNOWN = '0b5fd9d2-0000-7000-8000-000000000000';

// The path of an operation with ids in the places of its parameters.
export function pathOf(operation, { ids = [], query } = {}) {
  let at = 0;
  return operation.path.replace(/\{[^}]+\}/g, () => ids[at++] ?? UNKNOWN) +
    (query ? `?${query}` : '');
}

export async function makeCalls(world, server) {
  const root = await admin(world, server);
  const manager = await person(world, server, 'manager');
  const approver = await person(world, server, 'approver');
  let serial = 0;

  const newSource = () => root.post('/non-employee-sources', sourceBody(
    `Source ${++serial}`, world.admin.identity,
    { approvers: [approver], managers: [manager] }));
  const source = await newSource();
  const newBody = () => personBody(source, `made.n${++serial}`, 'manager');
  const newRecord = () => root.post('/non-employee-records', newBody());
  const newRequest = () =>
    manager.api.post('/non-employee-requests', newBody());
  const newItem = async () => (await newRequest()).approvalItems[0].id;
  const newAttribute = (on) => root.post(
    `/non-employee-sources/${on.id}/schema-attributes`,
    { type: 'TEXT', label: 'x', technicalName: `made${++serial}` });

  // What an operation needs to go well: ids for its path, a body; `by` whom,
  // if not the administrator; `bad`: what gets a 400 that a broken body or a
  // bad limit does not get; `large`: what is too large; `also`: another good
  // call; `others`: strangers are refused what is somebody else's, not their
  // own.
  const good = {
    createSource: async () =>
      ({ body: sourceBody(`Made ${++serial}`, world.admin.identity) }),
    getSource: async () => ({ ids: [source.id] }),
    patchSource: async () =>
      ({ ids: [source.id], body: replace('/description', 'x') }),
    deleteSource: async () => ({ ids: [(await newSource()).id] }),
    listSchemaAttributes: async () => ({ ids: [source.id] }),
    createSchemaAttribute: async () => ({
      ids: [(await newSource()).id],
      body: { type: 'TEXT', label: 'x', technicalName: 'x' },
    }),
    deleteSchemaAttributes: async () => ({ ids: [(await newSource()).id] }),
    getSchemaAttribute: async () => ({ ids: await attributeIds() }),
    patchSchemaAttribute: async () =>
      ({ ids: await attributeIds(), body: replace('/label', 'y') }),
    deleteSchemaAttribute: async () => {
      const ids = await attributeIds();
      const [builtIn] =
        await root.get(`/non-employee-sources/${ids[0]}/schema-attributes`);
      return { ids, bad: { ids: [ids[0], builtIn.id] } };
    },
    exportRecords: async () => ({ ids: [source.id], bad: { query: 'bom=x' } }),
    exportRecordsByForm: async () => ({
      ids: [source.id], type: form.type, body: 'x=y',
      bad: { query: 'bom=x' },
    }),
    getStatistics: async () => ({
      others: true, bad: { query: 'weeks=200' }, also: { query: 'weeks=3' },
    }),
    exportTemplate: async () =>
      ({ ids: [source.id], bad: { query: 'bom=x' } }),
    uploadRecords: async () => ({
      ids: [source.id], ...multipart(`${HEADER}\n`), bad: multipart('a,b\n'),
      large: multipart(`${HEADER}\n`.padEnd(6000, '\n')),
      also: { query: 'dryRun=true' },
    }),
    getUploadStatus: async () => ({ ids: [source.id] }),
    getUploadErrors: async () => ({ ids: [source.id, await refusedUpload()] }),
    listRecords: async () => ({}),
    createRecord: async () => ({ body: newBody() }),
    getRecord: async () => ({ ids: [(await newRecord()).id] }),
    putRecord: async () => {
      const record = await newRecord();
      return { ids: [record.id], body: record };
    },
    patchRecord: async () =>
      ({ ids: [(await newRecord()).id], body: replace('/phone', '1') }),
    deleteRecord: async () => ({ ids: [(await newRecord()).id] }),
    deleteRecords: async () => ({ body: { ids: [(await newRecord()).id] } }),
    listRequests: async () => ({ query: 'requested-for=me' }),
    createRequest: async () => ({ body: newBody() }),
    getRequest: async () => ({ ids: [(await newRequest()).id] }),
    deleteRequest: async () => ({ ids: [(await newRequest()).id] }),
    getRequestSummary: async () => ({ ids: ['me'], others: true }),
    listApprovals: async () => ({}),
    getApproval: async () =>
      ({ ids: [await newItem()], bad: { query: 'include-detail=x' } }),
    approve: async () => ({ ids: [await newItem()], body: {}, by: approver }),
    reject: async () =>
      ({ ids: [await newItem()], body: { comment: 'no' }, by: approver }),
    getApprovalSummary: async () => ({ ids: ['me'], others: true }),
    revokeToken: async () => ({
      body: `token=x&client_id=${world.admin.clientId}` +
        `&client_secret=${world.admin.clientSecret}`,
      type: form.type,
      bad: { body: `client_id=${world.admin.clientId}` +
        `&client_secret=${world.admin.clientSecret}` },
      also: { body: 'token=x&client_id=y&client_secret=z' },
    }),
    consoleFile: async () =>
      ({ ids: ['x', 'app.css'], also: { ids: ['x', 'nothing.js'] } }),
    createToken: async () => ({
      query: new URLSearchParams({
        grant_type: 'client_credentials', client_id: world.admin.clientId,
        client_secret: world.admin.clientSecret,
      }).toString(),
      also: { query: 'grant_type=client_credentials&client_id=nobody' +
        `&client_secret=${'0'.repeat(64)}` },
      bad: {
        query: `grant_type=nonsense&client_id=${world.admin.clientId}` +
          `&client_secret=${world.admin.clientSecret}`,
      },
    }),
    listTokens: async () => ({ query: 'owner-id=me' }),
    createPersonalToken: async () => ({ body: { name: `pat ${++serial}` } }),
    patchPersonalToken: async () =>
      ({ ids: [await tokenId()], body: replace('/name', `pat ${++serial}`) }),
    deletePersonalToken: async () => ({ ids: [await tokenId()] }),
    createClient: async () => ({ body: clientBody() }),
    getClient: async () => ({ ids: [await clientId()] }),
    patchClient: async () =>
      ({ ids: [await clientId()], body: replace('/description', 'x') }),
    deleteClient: async () => ({ ids: [await clientId()] }),
    authorizePage: async () => {
      const query = await signIn();
      return {
        query: query.toString(), bad: { query: 'client_id=nobody' },
        also: { query: query.toString().replace('type=code', 'type=x') },
      };
    },
    authorize: async () => ({
      query: (await signIn()).toString(), ...form, status: 403,
      bad: { query: 'client_id=nobody' },
    }),
    logout: async () => form,
  };

  // Nobody has more than ten: the last one goes first.
  let lastToken;
  async function tokenId() {
    if (lastToken)
      await root.call('DELETE', `/personal-access-tokens/${lastToken}`);
    const { id } = await root.post('/personal-access-tokens',
      { name: `pat ${++serial}` });
    lastToken = id;
    return id;
  }

  const clientBody = () => ({
    name: `client ${++serial}`, description: 'made by a test',
    accessTokenValiditySeconds: 750, grantTypes: ['CLIENT_CREDENTIALS'],
    accessType: 'OFFLINE', enabled: true,
  });
  const clientId = async () =>
    (await root.post('/oauth-clients', clientBody())).id;

  async function signIn() {
    const { clientId } = await world.client(`web ${++serial}`,
      { grants: ['AUTHORIZATION_CODE'] });
    return new URLSearchParams({
      client_id: clientId, response_type: 'code',
      redirect_uri: 'http://127.0.0.1:1/back', state: 'x',
    });
  }

  async function attributeIds() {
    const on = await newSource();
    return [on.id, (await newAttribute(on)).id];
  }

  async function refusedUpload() {
    const { type, body } = multipart(`${HEADER}\na,b,c,d,e,f,g,h\n`);
    const answer = await root.call('POST',
      `/non-employee-sources/${source.id}/non-employee-bulk-upload`, body,
      { type });
    return /([0-9a-f]{32})\/errors/.exec(answer.headers.link)[1];
  }

  return { root, manager, approver, source, good };
}
