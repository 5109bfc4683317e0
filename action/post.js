// After the job: what the step left under way, because it was cancelled, is taken back.
import { obtain } from './binary.js';
import { fail, run } from './child.js';

try {
  // Nothing was begun that could be left: not even the program is asked.
  const began = process.env.STATE_environment && process.env.STATE_ended !== 'true';
  process.exitCode = began ? await run(await obtain(process.env), ['run', '--post'], process) : 0;
} catch (error) {
  process.exitCode = fail(error);
}
