// The database of one world: a SQLite file, or, with
// NELM_TEST_DATABASE=postgresql, a database of the cluster that tests/run.js
// started, which with =pgbouncer is reached through PgBouncer. Statements are given in the dialect of SQLite: what differs is
// translated here, or is a function that is made here.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import crypto from 'node:crypto';
import path from 'node:path';
import readline from 'node:readline';

import { run } from './nelm.js';

export const PGBOUNCER = process.env.NELM_TEST_DATABASE === 'pgbouncer';
export const POSTGRESQL = PGBOUNCER ||
  process.env.NELM_TEST_DATABASE === 'postgresql';

// What test() takes as `skip`: why it is not for this database.
export const skipOnPostgresql = (why) => (POSTGRESQL ? why : false);

// A command line that answers one line for each question.
class Session {
  constructor(program, args, question) {
    this.child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.lines = readline.createInterface({ input: this.child.stdout })
      [Symbol.asyncIterator]();
    this.question = question;
  }

  async version() {
    this.child.stdin.write(`${this.question};\n`);
    return (await this.lines.next()).value;
  }

  stop() {
    this.child.stdin.end();
  }
}

export class Sqlite {
  constructor(dir) {
    this.file = path.join(dir, 'nelm.db');
    this.url = `sqlite:${this.file}`;
    this.spool = `${this.file}-spool`;
    this.env = {};
  }

  async sql(statement) {
    const result = await run('sqlite3',
      ['-cmd', '.timeout 10000', this.file, statement]);
    assert.equal(result.code, 0, result.stderr);
    return result.stdout.toString().trim();
  }

  async checkIntact() {
    assert.equal(await this.sql('PRAGMA integrity_check'), 'ok');
    assert.equal(await this.sql('PRAGMA foreign_key_check'), '');
  }

  // Its version() is another one after somebody wrote.
  async watch() {
    return new Session('sqlite3', [this.file], 'PRAGMA data_version');
  }

  drop() {} // goes with the directory
}

const FUNCTIONS = `
  CREATE FUNCTION hex(BYTEA) RETURNS TEXT LANGUAGE sql
    AS 'SELECT upper(encode($1, ''hex''))';
  CREATE FUNCTION randomblob(INTEGER) RETURNS BYTEA LANGUAGE sql
    AS 'SELECT substr(uuid_send(gen_random_uuid()), 1, $1)';
  CREATE FUNCTION max(BIGINT, BIGINT) RETURNS BIGINT LANGUAGE sql
    AS 'SELECT greatest($1, $2)';`;

const WATCH = `
  CREATE TABLE written (number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
  CREATE FUNCTION note_write() RETURNS TRIGGER LANGUAGE plpgsql
    AS 'BEGIN INSERT INTO written DEFAULT VALUES; RETURN NULL; END';
  DO 'DECLARE name TEXT; BEGIN
    FOR name IN SELECT tablename FROM pg_tables
        WHERE schemaname = ''public'' AND tablename <> ''written'' LOOP
      EXECUTE ''CREATE TRIGGER note_write AFTER INSERT OR UPDATE OR DELETE ON ''
        || name || '' FOR EACH ROW EXECUTE FUNCTION note_write()'';
    END LOOP; END';`;

class Postgresql {
  constructor(dir) {
    this.spool = path.join(dir, 'spool');
    this.env = {
      NELM_CACHE_DIR: path.join(dir, 'cache'), NELM_SPOOL_DIR: this.spool,
      ...(PGBOUNCER ? { NELM_DATABASE_PREPARE: 'off' } : {}),
    };
    this.server = process.env.NELM_TEST_POSTGRESQL;
    assert.ok(this.server, 'tests/run.js starts the cluster for this');
    this.name = `nelm_${crypto.randomBytes(8).toString('hex')}`;
    this.url = `${process.env.NELM_TEST_PGBOUNCER ?? this.server}/${this.name}`;
    this.ask('postgres', `CREATE DATABASE ${this.name}`);
    this.ask(this.name, FUNCTIONS);
  }

  args(database = this.name) {
    return ['-XAtq', '-v', 'ON_ERROR_STOP=1', `${this.server}/${database}`];
  }

  ask(database, statement) {
    execFileSync('psql', [...this.args(database), '-c', statement]);
  }

  async sql(statement) {
    const text = statement.replace(/\bx'([0-9a-f]*)'/gi, "'\\x$1'::bytea")
      .replace(/\bBEGIN IMMEDIATE\b/g, 'BEGIN');
    const result = await run('psql', [...this.args(), '-c', text]);
    assert.equal(result.code, 0, result.stderr);
    return result.stdout.toString().trim();
  }

  async checkIntact() {} // nothing that a test of nelm could break

  async watch() {
    await this.sql(WATCH);
    return new Session('psql', this.args(),
      'SELECT coalesce(max(number), 0) FROM written');
  }

  drop() {
    this.ask('postgres', `DROP DATABASE IF EXISTS ${this.name} WITH (FORCE)`);
  }
}

export const newDatabase = (dir) => (POSTGRESQL
  ? new Postgresql(dir) : new Sqlite(dir));
