import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ContainerInspect, ContainerListEntry } from '../../../../src/docker/types.js';
import { listedInspect } from '../../../../src/state/mirror/listed-inspect.js';

const ENTRY: ContainerListEntry = {
  Id: 'a1',
  Names: ['/other/alias', '/k8s_c_pod_ns_uid_0'],
  Labels: { key: 'value' },
  State: 'running',
  Created: 1_800_000_000,
};

describe('listedInspect', () => {
  it('tells of an object that was never read what the list has of it', () => {
    const { Name, Created, Config, State } = listedInspect(ENTRY, undefined);
    assert.equal(Name, '/k8s_c_pod_ns_uid_0', 'the name that is no link of another container');
    assert.equal(Date.parse(Created), ENTRY.Created * 1_000);
    assert.deepEqual(Config.Labels, ENTRY.Labels);
    assert.deepEqual([State.Status, State.Running, State.Pid], ['running', true, 0]);
  });

  it('is the last inspect while the list has the object in the same state', () => {
    const last = listedInspect(ENTRY, undefined);
    assert.equal(listedInspect(ENTRY, last), last);
  });

  it('keeps what the last inspect told, but for the state', () => {
    const last: ContainerInspect = { ...listedInspect(ENTRY, undefined), LogPath: '/log' };
    const ended = listedInspect({ ...ENTRY, State: 'exited', Status: 'Exited (137) 5 minutes ago' }, last);
    assert.equal(ended.LogPath, '/log');
    assert.deepEqual([ended.State.Running, ended.State.Pid, ended.State.ExitCode], [false, 0, 137]);
    assert.ok(Date.parse(ended.State.FinishedAt) > 0, 'it ended between the two readings');
  });

  it('takes the end of a run that nobody saw for a failure', () => {
    assert.equal(listedInspect({ ...ENTRY, State: 'dead' }, undefined).State.ExitCode, 255);
  });

  it('has a paused object run, with the pid that it had', () => {
    const last = listedInspect(ENTRY, undefined);
    const { State } = listedInspect(
      { ...ENTRY, State: 'paused' },
      { ...last, State: { ...last.State, Pid: 42 } },
    );
    assert.deepEqual([State.Running, State.Paused, State.Pid], [true, true, 42]);
  });
});
