import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

// Compiled, this file is <root>/<outDir>/test/support/debian-node.js.
export const ROOT = path.join(import.meta.dirname, '../../..');
const DEBIAN_ROOT = path.join(ROOT, 'test/support/debian-root.sh');
const ARCH = process.arch === 'x64' ? 'amd64' : 'arm64';

/** Systems that debian-root.sh makes. */
export type NodeSystem = 'bookworm' | 'trixie' | 'ubuntu' | 'el';

/** A clean system that is booted in a container, with an Engine's socket. */
export interface DebianNode {
  /** Its root folder, from outside. */
  readonly root: string;
  /** Runs a shell's words on it; throws what they print when they fail. */
  on(script: string): string;
  /** The same for a script that may fail: its exit status, and all that it prints. */
  tried(script: string): { readonly status: number | null; readonly output: string };
  /** The socket of the kubelet, from outside. */
  criSocket(): string;
  /** Shuts it down in order, and boots it again. Containers of the Engine, which is outside, run on. */
  reboot(): void;
  isActive(unit: string): boolean;
  mainPid(unit?: string): string;
  /** The command line of a unit's main process, with blanks. */
  started(unit?: string): string;
  halt(): void;
}

/** Runs a script of deploy/package; answers the path that it prints last. */
export function build(script: string, ...args: string[]): string {
  const env = { ...process.env, CRIDOCK_PACKAGE_COMPRESSION: 'none' };
  const output = execFileSync(path.join(ROOT, 'deploy/package', script), args, {
    cwd: ROOT,
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'], // what it says on stderr is part of its error
  });
  return path.resolve(ROOT, output.trim().split('\n').at(-1) ?? '');
}

/** The executable of what is compiled now; it is made again only when that, or how it is made, is newer. */
export function buildExecutable(arch = ARCH): string {
  const executable = path.join(ROOT, `dist/package/cridock-linux-${arch}`);
  const newest = Math.max(
    ...['dist/src', 'deploy/package'].flatMap((folder) =>
      readdirSync(path.join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map(
        (name) => statSync(path.join(ROOT, folder, name)).mtimeMs,
      ),
    ),
  );
  if (!existsSync(executable) || statSync(executable).mtimeMs < newest) build('build-executable.sh', arch);
  return executable;
}

/** The package of it, by default this machine's deb. */
export function buildPackage(revision = '1', format: 'deb' | 'rpm' | 'tgz' = 'deb', arch = ARCH): string {
  buildExecutable(arch);
  return build('build-package.sh', format, arch, revision);
}

/**
 * Boots one, with the Engine's socket as /run/docker.sock or as another file; `with` are more packages, with commas. It has the
 * package, not installed, as /root/cridock.deb, or /root/cridock.rpm where there is no dpkg, and the machine's CNI plugins in
 * /usr/lib/cni.
 */
export function bootDebian(
  engineSocket: string,
  {
    with: packages = '',
    socketOnNode = '/run/docker.sock',
    system = 'bookworm',
  }: { with?: string; socketOnNode?: string; system?: NodeSystem } = {},
): DebianNode {
  const work = mkdtempSync(path.join(tmpdir(), 'cridock-package-'));
  const root = path.join(work, 'debian');
  const env = { ...process.env, CRIDOCK_DEBIAN_WITH: packages, CRIDOCK_NODE_SYSTEM: system };
  execFileSync(DEBIAN_ROOT, ['make', root], { stdio: ['ignore', 'inherit', 'inherit'], env });
  const format = system === 'el' ? 'rpm' : 'deb';
  copyFileSync(buildPackage('1', format), path.join(root, `root/cridock.${format}`));
  const plugins = ['/usr/lib/cni', '/opt/cni/bin'].find((folder) => existsSync(path.join(folder, 'bridge')));
  if (plugins !== undefined) cpSync(plugins, path.join(root, 'usr/lib/cni'), { recursive: true });
  const boot = (command: 'boot' | 'reboot'): string =>
    execFileSync(DEBIAN_ROOT, [command, root, engineSocket, socketOnNode], { encoding: 'utf8' }).trim();
  let init = boot('boot');
  const enter = (script: string) => {
    const args = [
      '-t',
      init,
      '-m',
      '-u',
      '-i',
      '-n',
      '-p',
      '--',
      'bash',
      '-e',
      '-o',
      'pipefail',
      '-c',
      script,
    ];
    const childEnv = { PATH: process.env['PATH'], HOME: '/root', LANG: 'C.UTF-8' };
    return spawnSync('nsenter', args, { encoding: 'utf8', timeout: 180_000, env: childEnv });
  };
  const on = (script: string): string => {
    const { status, stdout, stderr } = enter(script);
    // Of a command that does not end, what its threads wait for.
    const threads =
      status === null ? execFileSync('ps', ['-eLo', 'pid,tid,stat,wchan:32,args']).toString() : '';
    assert.equal(status, 0, `${script}\n${stdout}\n${stderr}\n${threads}`);
    return stdout;
  };
  const mainPid = (unit = 'cri-docker.service'): string => on(`systemctl show -P MainPID ${unit}`).trim();
  return {
    root,
    on,
    tried: (script) => {
      const { status, stdout, stderr } = enter(script);
      return { status, output: stdout + stderr };
    },
    criSocket: () => `/proc/${init}/root/run/cri-dockerd.sock`,
    reboot: () => {
      init = boot('reboot');
    },
    isActive: (unit) => /^active$/m.test(on(`systemctl is-active ${unit} || true`)),
    mainPid,
    started: (unit) => on(`tr '\\0' ' ' </proc/${mainPid(unit)}/cmdline`).trim(),
    halt: () => {
      execFileSync(DEBIAN_ROOT, ['halt', root]);
      rmSync(work, { recursive: true });
    },
  };
}
