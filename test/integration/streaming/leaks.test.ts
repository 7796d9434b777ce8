import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { Code } from '../../../src/util/cri-error.js';
import { forEachLimited } from '../../../src/util/concurrency.js';
import { allInTurn } from '../../support/all-in-turn.js';
import { noEngine, startCridock, type CridockProcess } from '../../support/cridock-process.js';
import { processesWith } from '../../support/host-processes.js';
import { serveInNetns, type NetnsServer } from '../../support/netns-server.js';
import { makePod, removePod, type MadePod } from '../../support/pod-worker.js';
import { holdingsOf, type ProcessHoldings } from '../../support/process-holdings.js';
import { openRemote } from '../../support/remote-command.js';
import { SpdyClient } from '../../support/spdy-client.js';
import { until } from '../../support/until.js';

/** CRIDOCK_TEST_FULL: 2,000 ExecSync calls, 500 execs and 500 port-forwards instead of a tenth. */
const SCALE = process.env['CRIDOCK_TEST_FULL'] === undefined ? 0.1 : 1;
/** Connections to the Engine that are kept for later requests. */
const POOLED_CONNECTIONS = 32;

interface Holdings extends ProcessHoldings {
  readonly commands: number;
}

describe('what probes and broken sessions leave behind', { skip: noEngine }, () => {
  const mark = `${600_000 + process.pid}`;
  let cridock: CridockProcess;
  let pod: MadePod;
  let server: NetnsServer;

  const holdings = (): Holdings => ({
    ...holdingsOf(cridock.pid),
    commands: processesWith(mark).length,
  });
  const probes = (count: number) =>
    forEachLimited(Array.from({ length: count }).keys(), 25, async (index) => {
      const timesOut = index % 2 === 0;
      const cmd = timesOut ? ['sh', '-c', `sleep ${mark}1 & sleep ${mark}2`] : ['echo', 'fine'];
      const call = cridock.client.runtime.ExecSync({
        container_id: pod.containerIds[0] ?? '',
        cmd,
        timeout: 1,
      });
      if (timesOut) await assert.rejects(call, { code: Code.DEADLINE_EXCEEDED });
      else
        await call.catch((error: unknown) =>
          assert.equal((error as { code: number }).code, Code.DEADLINE_EXCEEDED),
        );
    });
  const abortedExecs = (count: number) =>
    forEachLimited(Array.from({ length: count }).keys(), 10, async (index) => {
      const streams = { tty: index % 2 === 0, stdin: true, stdout: true };
      const cmd = ['sh', '-c', `echo up; sleep ${mark}3`];
      const request = { container_id: pod.containerIds[0] ?? '', cmd, ...streams };
      const { url } = await cridock.client.runtime.Exec(request);
      const session = await openRemote(url, { ...streams, stderr: false });
      if (index % 3 > 0) await Promise.race([once(session.stdout, 'data'), session.result]);
      if (index % 5 === 0) session.client.socket.resetAndDestroy();
      else session.client.destroy();
    });
  const brokenForwards = (count: number) =>
    forEachLimited(Array.from({ length: count }).keys(), 5, async (index) => {
      const { url } = await cridock.client.runtime.PortForward({ pod_sandbox_id: pod.sandboxId });
      const client = await SpdyClient.connect(url, 'portforward.k8s.io');
      const headers = { port: String(server.port), requestid: '1' };
      await client.open({ ...headers, streamtype: 'error' });
      const data = await client.open({ ...headers, streamtype: 'data' });
      await data.write(Buffer.alloc(100_000));
      if (index % 2 === 0) await once(data, 'data');
      client.destroy();
    });
  /** Waits for what ends a little after its client. */
  const settled = (limit: (now: Holdings) => boolean) =>
    until('all has ended', () => limit(holdings()), 15_000).catch((error: unknown) => {
      const rest = JSON.stringify([holdings(), processesWith(mark)]);
      throw new Error(`still there: ${rest}`, { cause: error });
    });

  before(async () => {
    cridock = await startCridock({ flags: ['--log-level=info', '--exec-orphan=kill'] });
    const spec = { name: 'leaks', image: 'busybox:latest', directory: cridock.directory, containers: 1 };
    pod = await makePod(cridock.client, spec);
    const { info } = await cridock.client.runtime.PodSandboxStatus({
      pod_sandbox_id: pod.sandboxId,
      verbose: true,
    });
    server = await serveInNetns((JSON.parse(info['info'] ?? '{}') as { pid: number }).pid, '127.0.0.1');
  });
  after(async () => {
    await allInTurn(
      () => server.stop(),
      () => removePod(cridock.client, pod),
      () => cridock.stop(),
    );
  });

  it('is nothing', async (t) => {
    await probes(100 * Math.max(SCALE, 0.5));
    await abortedExecs(10);
    await brokenForwards(10);
    await settled(({ children, commands }) => children === 0 && commands === 0);
    const first = holdings();
    const load = async (): Promise<Holdings> => {
      await probes(2_000 * SCALE);
      await abortedExecs(500 * SCALE);
      await brokenForwards(500 * SCALE);
      await settled(
        ({ children, commands, fds }) =>
          children === 0 && commands === 0 && fds <= first.fds + POOLED_CONNECTIONS,
      );
      return holdings();
    };
    // What a process takes for its work it keeps; what it leaks grows each time.
    const held = [first, await load(), await load(), await load()];
    t.diagnostic(held.map((each) => JSON.stringify(each)).join(', '));
    const grown = held.slice(1).map(({ rssMib }, index) => rssMib - (held[index]?.rssMib ?? 0));
    assert.ok(Math.min(...grown) <= 16, `RSS grew by ${grown.join(', ')} MiB`);
  });
});
