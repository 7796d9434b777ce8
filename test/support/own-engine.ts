import { execFile, execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** An Engine that nothing else uses, with the images that pods need. */
export interface OwnEngine {
  readonly socketPath: string;
  /** Ends the daemon and starts it again. */
  restart(): Promise<void>;
  /** Ends the daemon alone, as a service manager would; `goOn` starts it with what it had. */
  halt(): void;
  goOn(): void;
  /** Ends it with all that is in it. */
  stop(): void;
}

/** Starts it. `version` may have "+containerd" behind it, for that image store. */
export function startOwnEngine(version: string, name: string, liveRestore = false): OwnEngine {
  const [number = '', store] = version.split('+');
  const named = [
    number,
    ...['--name', name],
    ...(liveRestore ? ['--live-restore'] : []),
    ...(store === undefined ? [] : ['--containerd-store']),
  ];
  const socketPath = runScript('engine.sh', ['start', ...named]);
  const docker = runScript('engine.sh', ['docker', number]);
  runScript('images.sh', ['load', `unix://${socketPath}`], { DOCKER: docker });
  return {
    socketPath,
    restart: async () => {
      await promisify(execFile)(sourceFile('support/engine.sh'), ['restart', ...named]);
    },
    halt: () => void runScript('engine.sh', ['halt', ...named]),
    goOn: () => void runScript('engine.sh', ['start', ...named]),
    stop: () => void runScript('engine.sh', ['stop', ...named]),
  };
}

/** A file of the sources. Compiled, this one is <root>/<outDir>/test/support/own-engine.js. */
export function sourceFile(path: string): string {
  return fileURLToPath(new URL(`../../../test/${path}`, import.meta.url));
}

/** Runs one of the repository's own scripts; what it says goes to stderr. */
function runScript(name: string, args: readonly string[], env: Record<string, string> = {}): string {
  return execFileSync(sourceFile(`support/${name}`), args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  }).trim();
}
