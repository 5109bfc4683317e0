// The program for this runner: one that the workflow names, or the released one, whose digest is known here.
import { createHash, randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

// How long a download may take, in milliseconds.
const PATIENCE = 120_000;
// How often it is tried, with a pause that doubles.
const TRIES = 4;
const FIRST_PAUSE = 1000;

const table = async () => JSON.parse(await readFile(new URL('./checksums.json', import.meta.url), 'utf8'));

// The path of the program. `known` is the table of the release, `platform` the runner's, `ask` sends a request.
export async function obtain(env, known, platform = `${process.platform}-${process.arch}`, ask = fetch) {
  const named = (env.INPUT_BINARY ?? '').trim();
  if (named) return local(resolve(env.GITHUB_WORKSPACE || '.', named));
  const { version, sha256 } = known ?? (await table());
  if (!version) throw new Error('this commit of the action is no release: name a program by the input `binary`, or use a release');
  const wanted = Object.hasOwn(sha256, platform) ? sha256[platform] : undefined;
  if (!wanted) {
    throw new Error(`there is no program for ${platform}, but for ${Object.keys(sha256).join(', ')}; use such a runner`);
  }
  const folder = join(env.RUNNER_TOOL_CACHE || join(tmpdir(), 'tool-cache'), 'tidegate', version, platform.split('-')[1]);
  const file = join(folder, 'tidegate');
  if ((await digest(file)) === wanted) return file;
  const bytes = await download(addresses(env, version, platform), ask);
  const got = createHash('sha256').update(bytes).digest('hex');
  if (got !== wanted) throw new Error(`what was downloaded has the digest ${got}, and ${wanted} is the program's: it is not used`);
  return keep(bytes, folder, file);
}

async function local(file) {
  const found = await stat(file).catch(() => undefined);
  if (!found?.isFile()) throw new Error(`the input \`binary\` names ${file}, where no program is`);
  return file;
}

async function digest(file) {
  const bytes = await readFile(file).catch(() => undefined);
  return bytes && createHash('sha256').update(bytes).digest('hex');
}

// Whole, or not there: another job may look for it at the same moment.
async function keep(bytes, folder, file) {
  await mkdir(folder, { recursive: true });
  const fresh = `${file}.${randomBytes(8).toString('hex')}`;
  try {
    await writeFile(fresh, bytes, { mode: 0o755 });
    await chmod(fresh, 0o755);
    await rename(fresh, file);
  } finally {
    await rm(fresh, { force: true });
  }
  return file;
}

// Where the release lies: on the server that runs the workflow, or on github.com, where an Enterprise Server has actions from.
export function addresses(env, version, platform) {
  const repository = env.GITHUB_ACTION_REPOSITORY || 'tidegate/tidegate';
  const servers = new Set([env.GITHUB_SERVER_URL || 'https://github.com', 'https://github.com']);
  const path = `${repository}/releases/download/v${version}/tidegate-${platform}`;
  return [...servers].map((server) => `${server.replace(/\/+$/, '')}/${path}`);
}

async function download(all, ask) {
  let why;
  for (let left = TRIES, pause = FIRST_PAUSE; left > 0; left -= 1, pause *= 2) {
    let again = false;
    for (const address of all) {
      try {
        const answer = await ask(address, { signal: AbortSignal.timeout(PATIENCE) });
        if (answer.ok) return Buffer.from(await answer.arrayBuffer());
        why = `${address} answers ${answer.status}`;
        again ||= answer.status >= 500 || answer.status === 429;
      } catch (error) {
        why = `${address} cannot be reached (${error.cause?.message ?? error.message})`;
        again = true;
      }
    }
    if (!again) break;
    if (left > 1) await new Promise((done) => setTimeout(done, pause));
  }
  throw new Error(`the program cannot be downloaded: ${why}`);
}
