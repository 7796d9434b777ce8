import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UsageError, parseCommandLine } from '../../../src/cli/command-line.js';
import { COMMAND_NAMES, commandSpec } from '../../../src/cli/commands.js';
import { OPTION_NAMES } from '../../../src/cli/options.js';

/** What flags give, by name. */
async function given(...argv: string[]): Promise<Record<string, readonly string[]>> {
  const command = await parseCommandLine(argv, 'cridock');
  assert.ok(command.kind === 'serve');
  return Object.fromEntries([...command.settings.flags].map(([name, { values }]) => [name, values]));
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
    const serve = await parseCommandLine(['--config', '/etc/c.yaml'], 'cridock');
    assert.equal(serve.kind === 'serve' && serve.settings.configFile, '/etc/c.yaml');
    for (const argv of [['version'], ['--version'], ['--log-level', 'debug', '--version']]) {
      assert.deepEqual(await parseCommandLine(argv, 'cridock'), { kind: 'version' });
    }
    assert.deepEqual(await parseCommandLine(['--buildinfo'], 'cridock'), { kind: 'build-info' });
  });

  it('takes the commands with their own flags, and settings beside them', async () => {
    const doctor = await parseCommandLine(
      ['doctor', '--json', '--kubelet-config=/k', '--cni-conf-dir', '/c'],
      'cridock',
    );
    assert.ok(doctor.kind === 'doctor');
    assert.deepEqual([doctor.json, doctor.kubeletConfig], [true, '/k']);
    assert.deepEqual([...doctor.settings.flags.keys()], ['cni-conf-dir']);
    const migrate = await parseCommandLine(['migrate', '--from', 'cri-dockerd', '--dry-run'], 'cridock');
    assert.ok(migrate.kind === 'migrate');
    assert.deepEqual([migrate.direction, migrate.dryRun, migrate.json], ['from', true, false]);
    const back = await parseCommandLine(['migrate', '--to=cri-dockerd'], 'cridock');
    assert.ok(back.kind === 'migrate');
    assert.deepEqual([back.direction, back.dryRun], ['to', false]);
    assert.equal((await parseCommandLine(['config', 'print'], 'cridock')).kind, 'config-print');
    assert.deepEqual(await parseCommandLine(['completion'], 'cridock'), {
      kind: 'completion',
      shell: 'bash',
    });
    assert.deepEqual(await parseCommandLine(['completion', 'fish'], 'cridock'), {
      kind: 'completion',
      shell: 'fish',
    });
    assert.deepEqual(await parseCommandLine(['config', 'import', '/u'], 'cridock'), {
      kind: 'config-import',
      unitFile: '/u',
    });
    const status = await parseCommandLine(['status', '--watch'], 'cridock');
    assert.ok(status.kind === 'status');
    assert.deepEqual([status.json, status.watch], [false, true]);
    for (const argv of [
      ['sysdump', '-o', '/d'],
      ['sysdump', '--output=/d'],
    ]) {
      const sysdump = await parseCommandLine(argv, 'cridock');
      assert.equal(sysdump.kind === 'sysdump' && sysdump.output, '/d');
    }
  });

  it('helps with every flag', async () => {
    for (const argv of [['--help'], ['-h'], ['--nonsense', '--help'], ['help']]) {
      const help = await parseCommandLine(argv, 'cri-dockerd');
      assert.ok(help.kind === 'help');
      assert.match(help.text, /^Usage: cri-dockerd \[command\] \[flags\]/);
      for (const name of [...OPTION_NAMES, 'config', 'version', 'buildinfo', 'help']) {
        assert.match(help.text, new RegExp(`^  --${name}( |$)`, 'm'), name);
      }
    }
  });

  it('helps with each command alone, with examples that it understands', async () => {
    for (const name of COMMAND_NAMES.filter((one) => one !== '')) {
      for (const argv of [
        [...name.split(' '), '--help'],
        ['help', ...name.split(' ')],
      ]) {
        const help = await parseCommandLine(argv, 'cridock');
        assert.ok(help.kind === 'help', name);
        assert.ok(help.text.startsWith(`Usage: cridock ${name} `), help.text);
        assert.doesNotMatch(help.text, /--cni-conf-dir/, 'no settings: they are in the help of the service');
      }
    }
    const examples = COMMAND_NAMES.flatMap((name) => commandSpec(name).examples.map(([line]) => line));
    assert.ok(examples.length > 10);
    for (const line of examples) {
      const words = (line.split(' >')[0] ?? '').split(' ').filter((word) => word !== '');
      await parseCommandLine(
        words.map((word) => (word === "''" ? '' : word)),
        'cridock',
      );
    }
  });

  it('lists the commands that begin with config', async () => {
    const help = await parseCommandLine(['config'], 'cridock');
    assert.ok(help.kind === 'help');
    assert.match(help.text, /config print .*\n.*config import/);
  });

  const refused: [string[], RegExp][] = [
    [['--nonsense'], /nonsense \(see cridock --help\)/],
    [['--no-ipv6-dual-stack'], /no-ipv6-dual-stack/],
    [['--network-plugin'], /Not enough arguments following: network-plugin/],
    [['serve'], /unknown command: serve/],
    [['version', 'please'], /unknown command: version please/],
    [['--json'], /--json is for doctor and status and migrate/],
    [['doctor', '--dry-run'], /--dry-run is for migrate/],
    [['migrate'], /migrate needs --from cri-dockerd or --to cri-dockerd/],
    [['migrate', '--from', 'containerd'], /migrate needs --from cri-dockerd/],
    [['migrate', '--from', 'cri-dockerd', '--to', 'cri-dockerd'], /migrate needs/],
    [['config', 'nonsense'], /unknown command: config nonsense/],
    [['help', 'nonsense'], /unknown command: nonsense/],
    [['doctor', 'please'], /unknown command: doctor please/],
    [['config', 'import'], /config import needs the path of a unit file/],
    [['completion', 'tcsh'], /completion is for bash, zsh, fish, not for tcsh/],
    [['status', '--json', '--watch'], /status takes --json or --watch/],
    [['status', '-o', '/x'], /--output is for sysdump/],
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
