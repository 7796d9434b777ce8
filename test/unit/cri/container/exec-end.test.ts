import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { execEnd } from '../../../../src/cri/container/exec-end.js';
import type { Engine } from '../../../../src/docker/engine.js';
import type { ExecInspect } from '../../../../src/docker/types.js';

const ended = (Pid: number, ExitCode: number): Engine => {
  const inspectExec = (): Promise<ExecInspect> => Promise.resolve({ Running: false, ExitCode, Pid });
  return { inspectExec } as unknown as Engine;
};

describe('execEnd', () => {
  it('a command without a pid was not started only where its code says so, too: Podman tells no pid of any that has ended', async () => {
    const rows: [pid: number, code: number, started: boolean][] = [
      [4711, 0, true],
      [4711, 127, true],
      [0, 126, false],
      [0, 127, false],
      [0, 128, false],
      [0, 0, true],
      [0, 1, true],
      [0, 137, true],
    ];
    for (const [pid, exitCode, started] of rows) {
      assert.deepEqual(
        await execEnd(ended(pid, exitCode), 'id'),
        { exitCode, started },
        `${pid} ${exitCode}`,
      );
    }
  });

  it('asks soon in the beginning, and ever more seldom of a command that closed its output and runs on', async () => {
    const pauses: number[] = [];
    const inspectExec = (): Promise<ExecInspect> =>
      Promise.resolve({ Running: pauses.length < 50, ExitCode: 0, Pid: 4711 });
    const engine = { inspectExec } as unknown as Engine;
    await execEnd(engine, 'id', undefined, (ms) => Promise.resolve(pauses.push(ms)));
    assert.deepEqual(pauses.slice(0, 10), [2, 4, 8, 16, 32, 64, 128, 250, 250, 250]);
    assert.equal(pauses.at(-1), 2_000);
    let pausedMs = 0;
    for (const pause of pauses) {
      assert.ok(pause <= Math.max(250, pausedMs / 8), `${pause} ms after ${pausedMs} ms`);
      pausedMs += pause;
    }
  });
});
