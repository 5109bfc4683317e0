// The program as a child of this process.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';

// What a runner sends to a step that is cancelled: SIGINT, and 7.5 s later SIGTERM.
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];

// Runs the program with what this process has: environment, folder, standard streams. Signals are its own to answer: it is given
// them, and waited for. Resolves to its exit code; that of one that a signal ended is 128 and the signal's number.
export function run(program, args, parent) {
  return new Promise((resolve, reject) => {
    // Before there is a child: one that runs could otherwise outlive this process. A signal is heard only after this turn.
    let child;
    const pass = (signal) => child.kill(signal);
    for (const signal of SIGNALS) parent.on(signal, pass);
    child = spawn(program, args, { stdio: 'inherit', windowsHide: true });
    const settle = (how, value) => {
      for (const signal of SIGNALS) parent.off(signal, pass);
      how(value);
    };
    child.on('error', (error) => settle(reject, new Error(`${program} cannot be run: ${error.message}`)));
    child.on('close', (code, signal) => settle(resolve, signal ? 128 + (constants.signals[signal] ?? 0) : code));
  });
}

// Tells the runner what kept the program from being run. Resolves to the exit code for it.
export function fail(error) {
  const text = String(error?.message ?? error);
  const escaped = text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
  process.stdout.write(`::error title=tidegate::${escaped}\n`);
  return 1;
}
