// Where the shim has the program from. Nothing here leaves the loopback.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';

import { addresses, obtain } from '../../action/binary.js';

const PROGRAM = Buffer.from('#!/bin/sh\necho tidegate\n');
const SHA = createHash('sha256').update(PROGRAM).digest('hex');
const KNOWN = { version: '1.2.3', sha256: { 'linux-x64': SHA, 'linux-arm64': SHA } };

let server, home, asked, answer;

before(async () => {
  server = createServer((request, response) => {
    asked.push(request.url);
    response.writeHead(200).end(answer);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
});
after(() => server.close());
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'tide gate '));
  [asked, answer] = [[], PROGRAM];
});
afterEach(() => rm(home, { recursive: true, force: true }));

const env = () => ({
  GITHUB_SERVER_URL: `http://127.0.0.1:${server.address().port}/`,
  GITHUB_ACTION_REPOSITORY: 'acme/gate',
  RUNNER_TOOL_CACHE: join(home, 'tool cache'),
});

test('a release is downloaded once, held against its digest, and kept', async () => {
  const file = await obtain(env(), KNOWN, 'linux-x64');
  assert.deepEqual(await readFile(file), PROGRAM);
  assert.equal((await stat(file)).mode & 0o777, 0o755);
  assert.equal(await obtain(env(), KNOWN, 'linux-x64'), file);
  assert.deepEqual(asked, ['/acme/gate/releases/download/v1.2.3/tidegate-linux-x64']);
  assert.deepEqual(await readdir(join(home, 'tool cache/tidegate/1.2.3/x64')), ['tidegate']);
});

test('what has another digest is neither used nor kept', async () => {
  answer = 'something else';
  await assert.rejects(obtain(env(), KNOWN, 'linux-x64'), /has the digest .* it is not used/);
  await assert.rejects(stat(join(home, 'tool cache/tidegate')), /ENOENT/);
});

test('a kept program that was changed is downloaded anew', async () => {
  const file = await obtain(env(), KNOWN, 'linux-arm64');
  await writeFile(file, 'changed');
  await obtain(env(), KNOWN, 'linux-arm64');
  assert.deepEqual(await readFile(file), PROGRAM);
  assert.equal(asked.length, 2);
});

test('a server that fails for a moment is asked again, and the other one meanwhile', async () => {
  const to = [];
  const answers = [new Response('', { status: 503 }), new Response('', { status: 404 }), new Response(PROGRAM)];
  const ask = async (address) => (to.push(new URL(address).host), answers.shift());
  const env = { GITHUB_SERVER_URL: 'https://git.acme.test', RUNNER_TOOL_CACHE: home };
  assert.deepEqual(await readFile(await obtain(env, KNOWN, 'linux-x64', ask)), PROGRAM);
  assert.deepEqual(to, ['git.acme.test', 'github.com', 'git.acme.test']);
});

test('a release that is not there is told at once', async () => {
  const ask = async () => new Response('', { status: 404 });
  await assert.rejects(obtain(env(), KNOWN, 'linux-x64', ask), /cannot be downloaded: .* answers 404/);
});

test('a platform without a program is told with those that have one', async () => {
  for (const platform of ['darwin-arm64', 'constructor-x64', '__proto__']) {
    await assert.rejects(obtain(env(), KNOWN, platform), /there is no program for .*linux-x64, linux-arm64/);
  }
});

test('a commit that is no release says so', async () => {
  await assert.rejects(obtain(env(), { version: null, sha256: {} }, 'linux-x64'), /is no release/);
});

test('a named program is used as it is, from the workspace, and must be there', async () => {
  await mkdir(join(home, 'my build'));
  const file = join(home, 'my build/tidegate');
  await writeFile(file, PROGRAM, { mode: 0o755 });
  const named = (INPUT_BINARY) => obtain({ GITHUB_WORKSPACE: home, INPUT_BINARY }, KNOWN, 'win32-x64');
  assert.equal(await named(' my build/tidegate '), file);
  assert.equal(await named(file), file);
  await assert.rejects(named('absent'), /names .*absent, where no program is/);
  await assert.rejects(named('my build'), /where no program is/);
});

test('an Enterprise Server is asked before github.com', () => {
  const found = addresses({ GITHUB_SERVER_URL: 'https://git.acme.test', GITHUB_ACTION_REPOSITORY: '' }, '1.0.0', 'linux-x64');
  assert.deepEqual(found, [
    'https://git.acme.test/tidegate/tidegate/releases/download/v1.0.0/tidegate-linux-x64',
    'https://github.com/tidegate/tidegate/releases/download/v1.0.0/tidegate-linux-x64',
  ]);
  assert.equal(addresses({}, '1.0.0', 'linux-x64').length, 1);
});
