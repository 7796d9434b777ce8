import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { noEngine, testDockerEndpoint } from '../support/cridock-process.js';
import { ROOT, bootDebian, buildPackage, type DebianNode } from '../support/debian-node.js';
import { until } from '../support/until.js';

const SUPPORT = path.join(ROOT, 'test/support');
const ENGINE = ['28.5.2', '--name', 'first-screen'];
const run = (file: string, ...args: string[]): string =>
  execFileSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }).trim();

/** The blocks of commands in a section of the README, each as its lines. */
function blocksOf(section: string): string[][] {
  const text = readFileSync(path.join(ROOT, 'README.md'), 'utf8');
  const [, part = ''] = new RegExp(`^## ${section}\n([\\s\\S]*?)^## `, 'm').exec(text) ?? [];
  return [...part.matchAll(/^```text\n([\s\S]*?)^```$/gm)].map(([, block = '']) => block.trim().split('\n'));
}

const [deb, rpm, archive] = blocksOf('Install');
const [firstPod] = blocksOf('A first pod');
const noCrictl = ((): string | false => {
  try {
    run(path.join(ROOT, 'test/conformance/build-tools.sh'));
    return false;
  } catch {
    return 'crictl cannot be built: no Go, or no module proxy';
  }
})();

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe("the README's first screen", { skip: noEngine !== false ? noEngine : noCrictl }, () => {
  let port = 0;
  let socket = '';

  before(async () => {
    port = await freePort();
    run(path.join(SUPPORT, 'images.sh'), 'registry', testDockerEndpoint, String(port));
    socket = run(path.join(SUPPORT, 'engine.sh'), 'start', ...ENGINE, '--registry', `127.0.0.1:${port}`);
  });
  after(() => {
    run(path.join(SUPPORT, 'engine.sh'), 'stop', ...ENGINE);
    run(path.join(SUPPORT, 'images.sh'), 'stop', String(port));
  });

  for (const { name, system, format, install, share } of [
    { name: 'Debian 13', system: 'trixie', format: 'deb', install: deb, share: '/usr/share' },
    { name: 'an Enterprise Linux 9', system: 'el', format: 'rpm', install: rpm, share: '/usr/share' },
    { name: 'any Linux', system: 'trixie', format: 'tgz', install: archive, share: '/usr/local/share' },
  ] as const) {
    it(`leads to a running pod on ${name}, each command as it is written`, async () => {
      const node: DebianNode = bootDebian(socket, { system });
      try {
        const file = buildPackage('1', format);
        copyFileSync(file, path.join(node.root, 'root', path.basename(file)));
        const crictl = path.join(run(path.join(ROOT, 'test/conformance/build-tools.sh')), 'crictl');
        copyFileSync(crictl, path.join(node.root, 'usr/local/bin/crictl'));
        // The container has no network, and a package manager that knows of nothing else fetches nothing else.
        rmSync(path.join(node.root, 'var/lib/apt/lists'), { recursive: true, force: true });
        const lines = [...(install ?? []), ...(firstPod ?? [])].map((line) =>
          line.replace('/usr/share', share),
        );
        assert.ok(lines.length >= 8);
        let folder = '/root';
        for (const line of lines) {
          const output = node.on(`cd ${folder}; ${line} 2>&1`);
          console.log(`# ${line}\n${output}`);
          if (line.startsWith('cd ')) folder = line.slice(3);
        }
        const containers = (): string => node.on('crictl ps --output json');
        assert.match(containers(), /"state": "CONTAINER_RUNNING"/);
        await until('its log', () => /hello from hello/.test(node.on('crictl logs $(crictl ps -q)')), 60_000);
        assert.ok(existsSync(path.join(node.root, 'var/log/pods/hello/hello.log')));
      } finally {
        node.tried('crictl rmp -f -a');
        node.halt();
      }
    });
  }
});
