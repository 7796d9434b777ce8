import assert from 'node:assert/strict';
import { PassThrough, type Duplex } from 'node:stream';
import { describe, it } from 'node:test';
import { FrozenContainers } from '../../../../src/checkpoint/frozen-containers.js';
import { execSync, type ExecSyncDeps } from '../../../../src/cri/container/exec-sync.js';
import type { Engine } from '../../../../src/docker/engine.js';
import type { ExecSyncResponse } from '../../../../src/gen/runtime/v1/ExecSyncResponse.js';
import { afterAnswers } from '../../../../src/util/after-answers.js';
import { ByteBudget } from '../../../../src/util/byte-budget.js';
import { silentLogger } from '../../../../src/util/log.js';
import { frame } from '../../../support/frames.js';
import { hangingStart } from '../../../support/hanging-start.js';
import { until } from '../../../support/until.js';

const KIB = 1024;
/** What each output may have whatever the others have. */
const FREE = 16 * KIB;

/** Commands that write what the test writes, and the budget that their outputs share. */
class Commands {
  readonly outputs: PassThrough[] = [];
  /** How often the budget was told to be spent. */
  spent = 0;
  readonly #deps: ExecSyncDeps;

  constructor(budgetBytes: number, startExec: Engine['startExec'] = () => this.#started()) {
    const engine = {
      createExec: () => Promise.resolve('e'),
      startExec,
      inspectExec: () => Promise.resolve({ Running: false, ExitCode: 0, Pid: 1 }),
    };
    const container = { id: 'c', pid: 1, status: 'running' };
    this.#deps = {
      engine,
      execOutput: new ByteBudget(budgetBytes, () => (this.spent += 1)),
      mirror: { current: () => Promise.resolve({ containers: { resolve: () => container } }) },
      frozen: new FrozenContainers(),
      log: silentLogger,
    } as unknown as ExecSyncDeps;
  }

  #started(): Promise<Duplex> {
    const output = new PassThrough();
    this.outputs.push(output);
    return Promise.resolve(output);
  }

  /** Asks for one to be run. */
  ask(signal: AbortSignal): Promise<ExecSyncResponse> {
    const request = { container_id: 'c', cmd: ['print'], timeout: '0' };
    return execSync(this.#deps, request, { rpc: 'ExecSync', signal, log: silentLogger });
  }

  /** Runs one that has written so much, and is answered once `end` is called. */
  async run(bytes: number, stream = 1, signal = new AbortController().signal) {
    const answer = this.ask(signal);
    const number = this.outputs.length;
    await until('it runs', () => this.outputs.length > number);
    const output = this.outputs[number];
    assert.ok(output);
    for (let left = bytes; left > 0; left -= KIB) output.write(frame(stream, Buffer.alloc(KIB, 7)));
    await until('it has been read', () => output.readableLength === 0 && output.writableLength === 0);
    return { answer, end: () => ended(output, answer) };
  }
}

/** How much of its output a command is answered, once that is no longer kept. */
async function ended(output: PassThrough, answer: Promise<ExecSyncResponse>): Promise<number> {
  output.end();
  const { stdout, stderr } = await answer;
  await new Promise<void>(afterAnswers);
  return (stdout?.length ?? 0) + (stderr?.length ?? 0);
}

describe('ExecSync', () => {
  it('keeps no more of all outputs together than their budget, and some of each', async () => {
    const commands = new Commands(100 * KIB);
    const first = await commands.run(200 * KIB);
    const second = await commands.run(200 * KIB, 2);
    const third = await commands.run(10 * KIB);
    assert.equal(await second.end(), FREE);
    assert.equal(await first.end(), FREE + 100 * KIB);
    assert.equal(await third.end(), 10 * KIB);
    assert.equal(commands.spent, 1);
    assert.equal(await (await commands.run(110 * KIB)).end(), 110 * KIB);
    assert.equal(commands.spent, 1);
  });

  it('keeps the beginning of an output whole: what was dropped leaves no hole', async () => {
    const commands = new Commands(100 * KIB);
    const first = await commands.run(200 * KIB);
    const second = await commands.run(200 * KIB);
    await first.end();
    commands.outputs[1]?.write(frame(1, Buffer.alloc(KIB)));
    assert.equal(await second.end(), FREE);
  });

  it('keeps nothing of a command that broke off or was given up', async () => {
    const commands = new Commands(100 * KIB);
    const broken = await commands.run(200 * KIB);
    commands.outputs[0]?.destroy(new Error('gone'));
    await assert.rejects(broken.answer, /broke off: gone/);
    const caller = new AbortController();
    const givenUp = await commands.run(200 * KIB, 1, caller.signal);
    caller.abort(new Error('nobody waits'));
    await assert.rejects(givenUp.answer, /nobody waits/);
    assert.equal(await (await commands.run(110 * KIB)).end(), 110 * KIB);
  });

  it('gives up a start that hangs, a minute after its caller', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const start = hangingStart();
    const commands = new Commands(100 * KIB, start.startExec);
    const caller = new AbortController();
    const answer = commands.ask(caller.signal);
    await start.begun;
    caller.abort(new Error('nobody waits'));
    t.mock.timers.tick(59_999);
    assert.equal(start.isGivenUp(), false);
    t.mock.timers.tick(1);
    assert.equal(start.isGivenUp(), true);
    await assert.rejects(answer, /nobody waits/);
  });
});
