import { spawn, type ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { started } from '../../util/started.js';
import { MAX_STDERR_BYTES, MAX_STDOUT_BYTES, REAP_MS } from './plugin-processes.js';
import type { PluginExit, PluginProcesses, PluginProgram } from './plugin-processes.js';

type PluginProcess = ChildProcessByStdio<Writable, Readable, Readable>;

/** Plugins as children of this process: it stands still while each is started. */
export class SpawnedPlugins implements PluginProcesses {
  async run({ path, env, input }: PluginProgram, signal: AbortSignal): Promise<PluginExit> {
    const child: PluginProcess = await started(
      spawn(path, [], { env, detached: true, stdio: ['pipe', 'pipe', 'pipe'] }),
    );
    const stdout: Buffer[] = [];
    let stdoutBytes = 0;
    child.stdout.on('data', (chunk: Buffer) => {
      stdoutBytes += chunk.length;
      if (stdoutBytes > MAX_STDOUT_BYTES) killGroup(child);
      else stdout.push(chunk);
    });
    let stderr = Buffer.alloc(0);
    child.stderr.on('data', (chunk: Buffer) => {
      stderr = Buffer.concat([stderr, chunk]).subarray(-MAX_STDERR_BYTES);
    });
    child.stdin.on('error', () => undefined); // a plugin may end without reading its input
    child.stdin.end(input);
    const code = await exitCodeOf(child, signal);
    return {
      code,
      stdout: Buffer.concat(stdout).toString(),
      stderr: stderr.toString(),
      printedTooMuch: stdoutBytes > MAX_STDOUT_BYTES,
    };
  }

  async newNamespace(): Promise<undefined> {
    return Promise.resolve(undefined); // only a process of one thread can go into one and come back
  }

  close(): void {
    // Nothing was started beside the plugins.
  }
}

/** Waits until the plugin has ended and closed its output; after an abort, until it is dead. */
async function exitCodeOf(child: PluginProcess, signal: AbortSignal): Promise<number | null> {
  let reaping: NodeJS.Timeout | undefined;
  let onAbort = (): void => undefined;
  try {
    return await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
      onAbort = () => {
        killGroup(child);
        reaping = setTimeout(resolve, REAP_MS, null);
      };
      if (signal.aborted) onAbort();
      else signal.addEventListener('abort', onAbort, { once: true });
    });
  } finally {
    clearTimeout(reaping);
    signal.removeEventListener('abort', onAbort);
  }
}

function killGroup(child: PluginProcess): void {
  // A process that left the group could hold the pipes open: do not wait for it.
  child.stdout.destroy();
  child.stderr.destroy();
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // The group is gone already.
  }
}
