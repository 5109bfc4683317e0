// The step: finds the program, and has it do what the event asks for.
import { obtain } from './binary.js';
import { fail, run } from './child.js';

try {
  process.exitCode = await run(await obtain(process.env), ['run'], process);
} catch (error) {
  process.exitCode = fail(error);
}
