import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UsageError, parseCommandLine } from '../../../src/cli/command-line.js';
import { OPTION_NAMES } from '../../../src/cli/options.js';

/** What flags give, by name. */
async function given(...argv: string[]): Promise<Record<string, readonly string[]>> {
  const command = await parseCommandLine(argv, 'cridock');
  assert.ok(command.kind === 'serve');
  return Object.fromEntries([...command.given].map(([name, { values }]) => [name, values]));
}

describe('parseCommandLine', () => {
  it('takes a flag with a blank and with an equals sign', async () => {
    const expected = { 'pod-cidr': ['10.0.0.0/8'], 'network-plugin-mtu': ['1500'], 'log-level': ['debug'] };
    assert.deepEqual(
      await given('--pod-cidr', '10.0.0.0/8', '--network-plugin-mtu', '1500', '--log-level', 'debug'),
      expected,
    );
    assert.deepEqual(
      await given('--pod-cidr=10.0.0.0/8', '--network-plugin-mtu=1500', '--log-level=debug'),
      expected,
    );
  });

  it('takes the flags as minikube and kubespray write them', async () => {
    assert.deepEqual(
      await given(
        '--container-runtime-endpoint',
        'fd://',
        '--pod-infra-container-image=registry.k8s.io/pause:3.10',
        '--network-plugin=',
        '--hairpin-mode=hairpin-veth',
        '--ipv6-dual-stack=True',
      ),
      {
        'container-runtime-endpoint': ['fd://'],
        'pod-infra-container-image': ['registry.k8s.io/pause:3.10'],
        'network-plugin': [''],
        'hairpin-mode': ['hairpin-veth'],
        'ipv6-dual-stack': ['True'],
      },
    );
  });

  it('takes empty values, boolean flags alone, the last of repeated flags, and all of a list', async () => {
    assert.deepEqual(await given('--network-plugin', ''), { 'network-plugin': [''] });
    assert.deepEqual(await given('--ipv6-dual-stack', '--log-level=warn'), {
      'ipv6-dual-stack': ['true'],
      'log-level': ['warn'],
    });
    assert.deepEqual(await given('--log-level=warn', '--log-level', 'debug'), { 'log-level': ['debug'] });
    assert.deepEqual(await given('--pinned-image', 'a', '--pinned-image=b'), { 'pinned-image': ['a', 'b'] });
  });

  it('finds the config file and the other commands', async () => {
    const serve = await parseCommandLine(['--config', '/etc/c.json'], 'cridock');
    assert.equal(serve.kind === 'serve' && serve.configFile, '/etc/c.json');
    for (const argv of [['version'], ['--version'], ['--log-level', 'debug', '--version']]) {
      assert.deepEqual(await parseCommandLine(argv, 'cridock'), { kind: 'version' });
    }
    assert.deepEqual(await parseCommandLine(['--buildinfo'], 'cridock'), { kind: 'build-info' });
  });

  it('helps with every flag', async () => {
    for (const argv of [['--help'], ['-h'], ['--nonsense', '--help']]) {
      const help = await parseCommandLine(argv, 'cri-dockerd');
      assert.ok(help.kind === 'help');
      assert.match(help.text, /^Usage: cri-dockerd \[flags\]/);
      for (const name of [...OPTION_NAMES, 'config', 'version', 'buildinfo', 'help']) {
        assert.ok(help.text.includes(`--${name} `), name);
      }
    }
  });

  const refused: [string[], RegExp][] = [
    [['--nonsense'], /nonsense \(see cridock --help\)/],
    [['--no-ipv6-dual-stack'], /no-ipv6-dual-stack/],
    [['--network-plugin'], /Not enough arguments following: network-plugin/],
    [['serve'], /unknown command: serve/],
    [['version', 'please'], /unknown command: version please/],
  ];
  for (const [argv, message] of refused) {
    it(`refuses ${argv.join(' ')}`, async () => {
      await assert.rejects(parseCommandLine(argv, 'cridock'), (error) => {
        assert.ok(error instanceof UsageError);
        assert.match(error.message, message);
        return true;
      });
    });
  }
});
