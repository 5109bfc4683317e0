// The program as a child: exit codes, signals, folders with spaces.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../action/main.js', import.meta.url));
const POST = fileURLToPath(new URL('../../action/post.js', import.meta.url));

const made = [];
after(() => Promise.all(made.map((folder) => rm(folder, { recursive: true, force: true }))));

async function program(text) {
  const own = await mkdtemp(join(tmpdir(), 'tide gate '));
  made.push(own);
  const folder = join(own, 'a b');
  await mkdir(folder);
  const file = join(folder, 'fake tidegate');
  await writeFile(file, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  return file;
}

function start(script, binary, env = {}) {
  const child = spawn(process.execPath, [script], {
    env: { PATH: process.env.PATH, INPUT_BINARY: binary, 'INPUT_IF-BUSY': 'wait', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (data) => (said += data));
  const ended = new Promise((done) => child.on('close', (code) => done({ code, said })));
  const until = async (text) => {
    while (!said.includes(text)) await new Promise((done) => setTimeout(done, 10));
  };
  return { child, ended, until };
}

test('the program gets the command and the inputs, and its exit code is the step\'s', async () => {
  const file = await program('echo "args $*"; tr "\\0" "\\n" </proc/$$/environ | grep "^INPUT_IF-BUSY="; exit 6');
  const { code, said } = await start(MAIN, file).ended;
  assert.equal(code, 6);
  assert.equal(said, 'args run\nINPUT_IF-BUSY=wait\n');
});

for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143]]) {
  test(`${signal} is the program's to answer, and it is waited for`, async () => {
    const trap = `trap 'echo got ${signal}; sleep 0.3; echo back; exit ${code}' ${signal.slice(3)}`;
    const file = await program(`${trap}; echo ready; while :; do sleep 0.05; done`);
    const step = start(MAIN, file);
    await step.until('ready');
    step.child.kill(signal);
    const ended = await step.ended;
    assert.equal(ended.code, code);
    assert.equal(ended.said, `ready\ngot ${signal}\nback\n`);
  });
}

test('a program that is killed has the exit code of that', async () => {
  const { code } = await start(MAIN, await program('kill -9 $$')).ended;
  assert.equal(code, 137);
});

test('what cannot be run is told to the runner', async () => {
  const file = await program('');
  await writeFile(file, 'no program');
  const { code, said } = await start(MAIN, file, { INPUT_BINARY: `${file}\n::add-path::x` }).ended;
  assert.equal(code, 1);
  assert.match(said, /^::error title=tidegate::.*where no program is\n$/);
  assert.equal(said.split('\n').length, 2);
});

test('post asks the program only when the step began something and did not end', async () => {
  const file = await program('echo "args $*"');
  const post = (env) => start(POST, file, env).ended;
  assert.deepEqual(await post({}), { code: 0, said: '' });
  assert.deepEqual(await post({ STATE_environment: 'production', STATE_ended: 'true' }), { code: 0, said: '' });
  assert.deepEqual(await post({ STATE_environment: 'production' }), { code: 0, said: 'args run --post\n' });
});

test('the table of digests is that of a release, or empty', async () => {
  const table = JSON.parse(await readFile(new URL('../../action/checksums.json', import.meta.url), 'utf8'));
  assert.deepEqual(Object.keys(table).sort(), ['sha256', 'version']);
  for (const digest of Object.values(table.sha256)) assert.match(digest, /^[0-9a-f]{64}$/);
  assert.equal(table.version === null, Object.keys(table.sha256).length === 0);
});
