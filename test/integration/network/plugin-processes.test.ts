import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { copyFile, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { PluginRunner } from '../../../src/network/cni/plugin-runner.js';
import { MAX_STDERR_BYTES, MAX_STDOUT_BYTES, REAP_MS } from '../../../src/network/cni/plugin-processes.js';
import type { PluginExit, PluginProcesses } from '../../../src/network/cni/plugin-processes.js';
import { SharedRunner } from '../../../src/network/cni/shared-runner.js';
import { SpawnedPlugins } from '../../../src/network/cni/spawned-plugins.js';
import { ownHelper } from '../../../src/util/own-program.js';
import { captureLog } from '../../support/captured-log.js';
import { until } from '../../support/until.js';

const HELPER = ownHelper('plugin-runner');
const noHelper = existsSync(HELPER) ? false : 'no C compiler on this machine';
const PROBE_TIMEOUT_MS = 10_000;
const never = new AbortController().signal;

/** Processes with this text in their command line. */
function processesWith(text: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(text);
      } catch {
        return false; // it has ended
      }
    })
    .map(Number);
}

for (const [what, start, skip] of [
  ['the helper', () => PluginRunner.start(HELPER, () => undefined), noHelper],
  ['this process', () => Promise.resolve(new SpawnedPlugins()), false],
] as [string, () => Promise<PluginProcesses>, string | false][]) {
  describe(`plugins that are run by ${what}`, { skip }, () => {
    let folder: string;
    let plugins: PluginProcesses;
    let made = 0;

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'plugins-'));
      plugins = await start();
    });
    after(async () => {
      plugins.close();
      await rm(folder, { recursive: true });
    });

    async function script(body: string): Promise<string> {
      const path = join(folder, `plugin-${(made += 1)}`);
      await writeFile(path, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
      return path;
    }
    async function run(
      body: string,
      {
        signal = never,
        env = {},
        input = '',
      }: { signal?: AbortSignal; env?: Record<string, string>; input?: string } = {},
    ): Promise<PluginExit> {
      return plugins.run({ path: await script(body), env: { PATH: '/usr/bin:/bin', ...env }, input }, signal);
    }

    it('get their input and their environment and nothing else, and their answer is told', async () => {
      const exit = await run('cat; env | sort >&2; exit 7', {
        env: { CNI_COMMAND: 'ADD', TEXT: 'a=b\nc é' },
        input: '{"a": "é"}',
      });
      assert.deepEqual(exit, {
        code: 7,
        stdout: '{"a": "é"}',
        stderr: exit.stderr,
        printedTooMuch: false,
      });
      assert.match(
        exit.stderr,
        /^CNI_COMMAND=ADD\nPATH=\S+\nPWD=\S*\nTEXT=a=b\nc é\n$|^(?=[^]*CNI_COMMAND=ADD)(?=[^]*TEXT=a=b\n)/,
      );
      assert.doesNotMatch(exit.stderr, /HOME|NODE/);
    });

    it('are of a session of their own, with the usual signals', async () => {
      const { stdout } = await run(
        'cut -d" " -f5,6 /proc/$$/stat; echo $$; grep -E "^Sig(Blk|Ign)" /proc/self/status',
      );
      const [groupAndSession = '', pid = '', ...signals] = stdout.trim().split('\n');
      assert.deepEqual(groupAndSession.split(' '), [pid, pid]);
      // glibc has its own two (32, 33) ignored in what posix_spawn starts.
      for (const line of signals) assert.match(line, /\t0{7}[01][08]0{7}$/, line);
    });

    it('may leave a large input unread, and read one that is larger than a pipe', async () => {
      const input = 'x'.repeat(3 << 20);
      assert.equal((await run('exit 0', { input })).code, 0);
      assert.equal((await run('sleep 0.05; wc -c', { input })).stdout.trim(), String(input.length));
    });

    it('are killed when they print too much; the end of what they say is kept', async () => {
      assert.equal((await run('exec yes')).printedTooMuch, true);
      const { stdout, stderr } = await run(`head -c ${MAX_STDOUT_BYTES} /dev/zero; seq 100000 >&2`);
      assert.equal(stdout.length, MAX_STDOUT_BYTES);
      assert.equal(stderr.length, MAX_STDERR_BYTES);
      assert.match(stderr, /\n99999\n100000\n$/);
    });

    it('that end by a signal have no code', async () => {
      assert.equal((await run('kill -9 $$')).code, null);
    });

    it('are waited for until nobody holds their output open', async () => {
      assert.equal((await run('(sleep 0.3; echo late) & echo early')).stdout, 'early\nlate\n');
    });

    it('are killed with their group when they are given up, also after their own end', async () => {
      for (const body of ['sleep 4321.5 & exec sleep 4321.5', 'sleep 4321.5 & exit 0']) {
        const abort = new AbortController();
        const running = run(body, { signal: abort.signal });
        await until('the processes', () => processesWith('4321.5').length > 0);
        abort.abort();
        await running;
        await until('their end', () => processesWith('4321.5').length === 0);
      }
    });

    it('are not waited for by those that left the group with their output', async () => {
      const abort = new AbortController();
      const running = run('setsid sleep 5432.5 & exec sleep 5432.5', { signal: abort.signal });
      await until('the processes', () => processesWith('5432.5').length === 2);
      abort.abort();
      await running;
      for (const pid of processesWith('5432.5')) process.kill(pid, 'SIGKILL');
    });

    it('that are given up before they start do not run on', async () => {
      const abort = new AbortController();
      abort.abort();
      await run('exec sleep 6543.5', { signal: abort.signal });
      await until('its end', () => processesWith('6543.5').length === 0);
    });

    it('that cannot be started say why', async () => {
      const start = (path: string) => plugins.run({ path, env: {}, input: '' }, never);
      await assert.rejects(start(join(folder, 'none')), { code: 'ENOENT' });
      await assert.rejects(start(folder), { code: 'EACCES' });
      const busy = join(folder, 'busy');
      await copyFile('/bin/true', busy);
      const writer = await open(busy, 'r+');
      try {
        await assert.rejects(start(busy), { code: 'ETXTBSY' });
      } finally {
        await writer.close();
      }
    });

    it('cannot be given variables by a value with a NUL in it', async () => {
      await assert.rejects(run('env', { env: { CNI_ARGS: 'K8S_POD_NAME=a\0LD_PRELOAD=/evil.so' } }));
    });

    it('are run 200 at a time, each with its own answer', async () => {
      const answers = await Promise.all(
        Array.from({ length: 200 }, (_, n) =>
          run(`read n; echo "out $n"; exit $((n % 100))`, { input: `${n}\n` }),
        ),
      );
      answers.forEach(({ code, stdout }, n) => assert.deepEqual([code, stdout], [n % 100, `out ${n}\n`]));
    });
  });
}

describe('the helper that runs plugins', { skip: noHelper }, () => {
  const helpers = (): number[] =>
    processesWith('libexec/plugin-runner').filter((pid) => parentOf(pid) === process.pid);
  const trueProgram = { path: '/bin/true', env: {}, input: '' };

  let shared: SharedRunner | undefined;
  afterEach(async () => {
    shared?.close();
    await until('the end of the helper', () => helpers().length === 0);
  });

  it('holds no descriptor and no process of a run that is over, once its answer is there', async () => {
    shared = new SharedRunner(captureLog());
    await shared.ready();
    const [helper = 0] = helpers();
    const held = (): [number, string] => [
      readdirSync(`/proc/${helper}/fd`).length,
      readFileSync(`/proc/${helper}/task/${helper}/children`, 'utf8'),
    ];
    const idle = held();
    for (let round = 0; round < 50; round += 1) {
      await shared.run(trueProgram, never);
      assert.deepEqual(held(), idle);
    }
  });

  it('makes network namespaces, whose loopback interface is up, and goes into none itself', async () => {
    const inside = (path: string) =>
      execFileSync('nsenter', [`--net=${path}`, 'ip', '-o', 'addr'], { encoding: 'utf8' });
    const own = readlinkSync('/proc/self/ns/net');
    const runner = await PluginRunner.start(HELPER, () => undefined);
    try {
      const made = await Promise.all([1, 2, 3].map(() => runner.newNamespace()));
      const all = new Set(made.map(({ path }) => readlinkSync(path)));
      assert.equal(all.size, 3);
      assert.ok(!all.has(own));
      assert.match(
        inside(made[0]?.path ?? ''),
        /^1: lo +inet 127\.0\.0\.1\/8 [^\n]*\n1: lo +inet6 ::1\/128 [^\n]*\n$/,
      );
      assert.equal((await runner.run(trueProgram, never)).code, 0);
      const [helper = ''] = made[0]?.path.split('/fd/') ?? [];
      assert.equal(readlinkSync(`${helper}/ns/net`), own);
      for (const each of made) each.letGo();
      await until('them to be let go', () => made.every(({ path }) => !existsSync(path)));
    } finally {
      runner.close();
    }
  });

  it('is started again when it has died; what it was running is told as failed', async () => {
    const log = captureLog();
    shared = new SharedRunner(log);
    const running = shared.run({ path: '/bin/sleep', env: {}, input: '' }, never);
    assert.equal((await running).code, 1); // it wants an operand
    const [helper = 0] = helpers();
    const cut = shared.run({ path: '/bin/cat', env: {}, input: '' }, never);
    process.kill(helper, 'SIGKILL');
    await cut.catch(() => undefined); // it may have ended before
    await until('news of its end', () => log.lines.some(({ message }) => message.includes('has ended')));
    assert.equal((await shared.run(trueProgram, never)).code, 0);
  });

  it('is started again when it hangs: a killed plugin is not told of, and nothing else is answered', async (t) => {
    const log = captureLog();
    shared = new SharedRunner(log);
    const caller = new AbortController();
    await shared.ready();
    const [helper = 0] = helpers();
    process.kill(helper, 'SIGSTOP'); // as while it waits for an exec that does not end
    t.after(() => {
      if (helpers().includes(helper)) process.kill(helper, 'SIGKILL');
    });
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const held = shared.run(trueProgram, caller.signal);
    await new Promise(setImmediate);
    caller.abort();
    t.mock.timers.tick(REAP_MS);
    await held;
    t.mock.timers.tick(PROBE_TIMEOUT_MS);
    t.mock.timers.reset();
    await until('its end', () => !helpers().includes(helper));
    assert.equal((await shared.run(trueProgram, never)).code, 0);
    assert.equal(log.lines.length, 1);
  });

  it('is kept where only a plugin that is killed takes long to end', async (t) => {
    shared = new SharedRunner(captureLog());
    const runner = await shared.ready();
    const [helper = 0] = helpers();
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const caller = new AbortController();
    const killed = runner.run({ path: '/bin/sleep', env: {}, input: '' }, caller.signal);
    caller.abort();
    t.mock.timers.tick(REAP_MS); // at once, before the helper can answer
    await killed;
    assert.equal((await runner.run(trueProgram, never)).code, 0); // behind what it was asked then
    t.mock.timers.tick(PROBE_TIMEOUT_MS);
    assert.equal((await runner.run(trueProgram, never)).code, 0);
    assert.deepEqual(helpers(), [helper]);
  });

  for (const file of ['/', '/bin/false']) {
    it(`is done without where it cannot be used, as ${file}`, async () => {
      const log = captureLog();
      shared = new SharedRunner(log, file);
      for (let times = 0; times < 2; times += 1) {
        assert.equal((await shared.run(trueProgram, never)).code, 0);
      }
      assert.deepEqual(
        log.lines.map(({ message }) => message),
        ['the helper that runs CNI plugins cannot be started'],
      );
    });
  }

  it('does not keep the process alive, and ends with it', async () => {
    const program = `
      import { SharedRunner } from ${JSON.stringify(new URL('../../../src/network/cni/shared-runner.js', import.meta.url).href)};
      import { silentLogger } from ${JSON.stringify(new URL('../../../src/util/log.js', import.meta.url).href)};
      const shared = new SharedRunner(silentLogger);
      const { code } = await shared.run({ path: '/bin/true', env: {}, input: '' }, new AbortController().signal);
      console.log(code);`;
    const output = execFileSync(process.execPath, ['--input-type=module', '-e', program], {
      encoding: 'utf8',
    });
    assert.equal(output, '0\n');
    await until('its end', () => helpers().length === 0);
  });
});

function parentOf(pid: number): number {
  try {
    return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  } catch {
    return 0;
  }
}
