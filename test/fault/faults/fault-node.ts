import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DockerodeEngine } from '../../../src/docker/dockerode-engine.js';
import { silentLogger } from '../../../src/util/log.js';
import { allInTurn } from '../../support/all-in-turn.js';
import { makeTestDirectory, startCridock, type CridockProcess } from '../../support/cridock-process.js';
import { until } from '../../support/until.js';
import { FaultyEngine } from './faulty-engine.js';
import { Kubelet } from '../kubelet/kubelet.js';

/** The Engine that a run works on. */
export interface EngineUnderTest {
  readonly socketPath: string;
  /** Ends the daemon and starts it again. */
  restart(): Promise<void>;
}

/** How a CNI plugin behaves; `kill` ends cridock before or after the plugin's work. */
export type PluginFault = 'fail' | 'hang' | 'garbage' | 'kill-before' | 'kill-after' | 'del-fail' | 'gc-hang';

const PLUGIN_FOLDERS = ['/usr/lib/cni', '/opt/cni/bin'];
const WRAPPED = ['bridge', 'tuning'];
const STATE_DISK_BYTES = 2 * 1024 * 1024;
const REQUEST_TIMEOUT_S = 4;
/** A fault that is to end cridock may name a point that this run does not come to. */
const KILL_TIMEOUT_MS = 5_000;

/**
 * A node for one fault run: cridock with its state on a small disk, its Engine behind a proxy, CNI plugins that can be made
 * to fail, a clock that can be moved, and a kubelet that works on it.
 */
export class FaultNode {
  readonly cridock: CridockProcess;
  readonly proxy: FaultyEngine;
  readonly engine: EngineUnderTest;
  /** Straight to the Engine: the truth. */
  readonly direct: DockerodeEngine;
  readonly kubelet: Kubelet;

  private constructor(cridock: CridockProcess, proxy: FaultyEngine, engine: EngineUnderTest) {
    this.cridock = cridock;
    this.proxy = proxy;
    this.engine = engine;
    const endpoint = `unix://${engine.socketPath}`;
    this.direct = new DockerodeEngine({ endpoint, env: {}, log: silentLogger });
    const { client, directory } = cridock;
    this.kubelet = new Kubelet({ client, directory, image: 'busybox:latest', timeoutMs: 8_000 });
    this.kubelet.start();
  }

  static async start(engine: EngineUnderTest, preload: string | undefined): Promise<FaultNode> {
    const directory = makeTestDirectory();
    const proxySocket = join(directory, 'docker.sock');
    const stateDisk = join(directory, 'root');
    const proxy = await FaultyEngine.listen(engine.socketPath, proxySocket);
    mkdirSync(stateDisk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${STATE_DISK_BYTES}`, 'tmpfs', stateDisk]);
    try {
      wrapPlugins(directory);
      const cridock = await startCridock({
        directory,
        printLog: false,
        flags: [
          '--log-level=info',
          `--docker-endpoint=unix://${proxySocket}`,
          `--cni-bin-dir=${join(directory, 'plugins')}`,
          `--runtime-request-timeout=${REQUEST_TIMEOUT_S}s`,
        ],
        env:
          preload === undefined
            ? {}
            : { LD_PRELOAD: preload, CRIDOCK_FAULT_DIR: directory, CRIDOCK_FAULT_STATE: stateDisk },
      });
      addTuning(directory);
      return new FaultNode(cridock, proxy, engine);
    } catch (error) {
      execFileSync('umount', ['--lazy', stateDisk]);
      await proxy.close();
      throw error;
    }
  }

  /** Where cridock's checkpoints and other durable state are: a file system of their own. */
  get stateDisk(): string {
    return join(this.cridock.directory, 'root');
  }

  get cniConfig(): string {
    return join(this.cridock.directory, 'net.d', '10-test.conflist');
  }

  get cniCache(): string {
    return join(this.cridock.directory, 'cni-cache');
  }

  /** What a plugin does from now on; undefined heals it. */
  breakPlugin(plugin: string, fault: PluginFault | undefined): void {
    const path = join(this.cridock.directory, `fault-${plugin}`);
    if (fault === undefined) rmSync(path, { force: true });
    else writeFileSync(path, fault);
  }

  /** Takes a plugin's binary away, or brings it back. */
  setPluginPresent(plugin: string, isPresent: boolean): void {
    const path = join(this.cridock.directory, 'plugins', plugin);
    chmodSync(path, isPresent ? 0o755 : 0o644);
  }

  /** Ends cridock at the Nth change of a file of its state from now on. */
  killAtChange(number: number, when: 'before' | 'after'): void {
    writeFileSync(join(this.cridock.directory, 'kill-at'), `${number} ${when}`);
  }

  /** Moves cridock's wall clock; it stays where it is put. */
  setClockAhead(seconds: number): void {
    writeFileSync(join(this.cridock.directory, 'clock'), String(seconds));
  }

  /** Starts cridock again if it was killed by now, or, with `soon`, within a while. */
  async revive(when: 'by now' | 'soon'): Promise<void> {
    const isDead = (): boolean => !this.cridock.isRunning;
    if (when === 'soon') await until('cridock to be killed', isDead, KILL_TIMEOUT_MS).catch(() => undefined);
    if (isDead()) await this.cridock.restart();
  }

  /** Everything that the node itself needed; its pods must be gone. */
  async close(): Promise<void> {
    await allInTurn(
      () => this.kubelet.stop(),
      () => execFileSync('umount', ['--lazy', this.stateDisk]),
      () => this.cridock.stop(),
      () => this.direct.close(),
      () => this.proxy.close(),
    );
  }
}

/** The CNI plugins by their names; two of them go through a shell that looks for the fault that they are to have. */
function wrapPlugins(directory: string): void {
  const folder = join(directory, 'plugins');
  mkdirSync(folder);
  for (const plugin of ['bridge', 'tuning', 'host-local', 'loopback']) {
    const real = PLUGIN_FOLDERS.map((from) => join(from, plugin)).find(existsSync);
    if (real === undefined) throw new Error(`no CNI plugin ${plugin} in ${PLUGIN_FOLDERS.join(' and ')}`);
    if (WRAPPED.includes(plugin))
      writeFileSync(join(folder, plugin), wrapper(directory, plugin, real), { mode: 0o755 });
    else symlinkSync(real, join(folder, plugin));
  }
}

function wrapper(directory: string, plugin: string, real: string): string {
  const file = join(directory, `fault-${plugin}`);
  return `#!/bin/sh
# One plugin alone ends cridock, and only the one that started it, by its helper or by itself.
end_cridock() {
  cridock=$PPID
  [ "$(cat /proc/$PPID/comm)" != cridock-cni ] || cridock=$(sed -n 's/^PPid:[[:space:]]*//p' /proc/$PPID/status)
  [ "\${cridock:-1}" -gt 1 ] && mv ${file} ${file}.done 2>/dev/null && kill -KILL "$cridock"
}
case "$CNI_COMMAND $(cat ${file} 2>/dev/null)" in
  *' fail' | 'DEL del-fail') echo '{"cniVersion": "1.0.0", "code": 11, "msg": "made to fail"}'; exit 1 ;;
  *' hang' | 'GC gc-hang') exec sleep 1000 ;;
  # It does its work: no runtime can make up for a DEL that was left out and called a success.
  *' garbage') ${real} >/dev/null; head -c 3000 /dev/urandom; exit 0 ;;
  'ADD kill-before' | 'DEL kill-before') end_cridock; exec ${real} ;;
  'ADD kill-after' | 'DEL kill-after') ${real}; status=$?; end_cridock; exit $status ;;
  # The plugins are older than CNI 1.1.0, and have nothing to collect.
  'GC '* | 'STATUS '*) exit 0 ;;
  *) sed 's/"1\\.1\\.0"/"1.0.0"/g' | ${real} ;;
esac
`;
}

/** A second plugin behind the bridge: a chain can break in its middle. */
function addTuning(directory: string): void {
  const path = join(directory, 'net.d', '10-test.conflist');
  const list = JSON.parse(readFileSync(path, 'utf8')) as { plugins: object[] };
  list.plugins.push({ type: 'tuning', sysctl: { 'net.core.somaxconn': '500' } });
  writeFileSync(path, JSON.stringify(list));
}
