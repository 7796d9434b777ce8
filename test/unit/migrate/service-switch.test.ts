import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { planSwitch, type SwitchPlan } from '../../../src/migrate/service-switch.js';

const FLAGS = '--container-runtime-endpoint fd:// --network-plugin=';

describe('planSwitch', () => {
  let directory: string;
  let ran: string[] = [];
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'cridock-switch-'));
    writeFileSync(join(directory, 'unit'), `[Service]\nExecStart=/usr/local/bin/cri-dockerd ${FLAGS}\n`);
  });
  after(() => rmSync(directory, { recursive: true }));

  const dropIn = (): string => join(directory, 'cri-docker.service.d/zz-cridock.conf');

  /** For a unit of cri-dockerd's that runs; `verify` says whether cridock answers. */
  function planned(
    program: readonly string[],
    verify: () => Promise<void> = () => Promise.resolve(),
  ): Promise<SwitchPlan | undefined> {
    ran = [];
    return planSwitch('from', {
      program,
      unitDirectory: directory,
      verify,
      systemctl: (...args) => {
        if (args[0] !== 'show') ran.push(args.join(' '));
        const shown = `Id=cri-docker.service\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\nFragmentPath=${join(directory, 'unit')}\nMainPID=0\nNeedDaemonReload=no\nDropInPaths=\n`;
        return Promise.resolve(args[0] === 'show' ? shown : '');
      },
    });
  }

  it('writes a drop-in with the flags of the unit, and starts it', async () => {
    const plan = await planned(['/usr/local/bin/cridock']);
    await plan?.carryOut();
    assert.match(
      readFileSync(dropIn(), 'utf8'),
      new RegExp(`^ExecStart=/usr/local/bin/cridock ${FLAGS}$`, 'm'),
    );
    assert.deepEqual(ran, ['daemon-reload', 'reset-failed cri-docker.service', 'restart cri-docker.service']);
  });

  it('starts the old service again where cridock does not answer, also one that was started too often', async () => {
    const plan = await planned(['/usr/local/bin/cridock'], () => Promise.reject(new Error('no answer')));
    await assert.rejects(async () => plan?.carryOut(), /the old service is back: no answer/);
    assert.ok(!existsSync(dropIn()));
    const started = ['daemon-reload', 'reset-failed cri-docker.service', 'restart cri-docker.service'];
    assert.deepEqual(ran, [...started, ...started]);
  });

  it('does not let a unit start a program that will be gone after the next boot', async () => {
    for (const program of [['/tmp/cridock'], ['/usr/bin/node', '/run/x/main.js']]) {
      const plan = await planned(program);
      assert.match(plan?.obstacle ?? '', /does not stay there: put cridock into \/usr\/local\/bin/);
      assert.deepEqual(plan?.steps, []);
    }
  });
});
