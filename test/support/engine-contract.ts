import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { text } from 'node:stream/consumers';
import { after, before, it } from 'node:test';
import { Demultiplexer } from '../../src/docker/demux.js';
import type { Engine } from '../../src/docker/engine.js';
import type { ContainerCreateBody, EngineEvent, ExecCreateBody } from '../../src/docker/types.js';
import { Code, CriError } from '../../src/util/cri-error.js';

export interface ContractSubject {
  engine: Engine;
  /** A local image that holds `/bin/sleep`, `echo`, `cat` and `false`. */
  image: string;
  /** Makes another local image and answers its name; the suite removes it. */
  makeImage: () => Promise<string>;
}

/** What every implementation of `Engine` does alike. To be called inside `describe`. */
export function engineContract(open: () => Promise<ContractSubject>): void {
  const mark = `cridock-contract-${randomBytes(4).toString('hex')}`;
  const missing = 'f'.repeat(64);
  let subject: ContractSubject;
  let engine: Engine;
  let counter = 0;

  const nextName = () => `${mark}-${++counter}`;
  const create = (name = nextName(), labels: Record<string, string> = {}) =>
    engine.createContainer(name, bodyOf(labels));
  const bodyOf = (labels: Record<string, string>): ContainerCreateBody => ({
    Image: subject.image,
    Entrypoint: ['/bin/sleep'],
    Cmd: ['1000'],
    Labels: { mark, ...labels },
    HostConfig: { NetworkMode: 'none', RestartPolicy: { Name: 'no' } },
  });

  before(async () => {
    subject = await open();
    ({ engine } = subject);
  });

  after(async () => {
    for (const { Id } of await engine.listContainers([`mark=${mark}`])) await engine.removeContainer(Id);
    engine.close();
  });

  it('agrees on an API version', async () => {
    const { apiVersion, version } = await engine.negotiate();
    assert.equal(engine.negotiated?.apiVersion, apiVersion);
    assert.ok(version.Version !== '');
    assert.ok(engine.supports('1.41'));
    assert.ok(!engine.supports('1.999'));
    const info = await engine.info();
    assert.ok(info.DockerRootDir.startsWith('/'));
  });

  it('tells that a container which never ran has changed nothing', async () => {
    assert.deepEqual(await engine.containerChanges(await create()), []);
    await assert.rejects(engine.containerChanges(missing), { code: Code.NOT_FOUND });
  });

  it('creates a container without starting it', async () => {
    const name = nextName();
    const id = await create(name, { colour: 'blue=green' });
    assert.match(id, /^[0-9a-f]{64}$/);
    const inspect = await engine.inspectContainer(id);
    assert.equal(inspect.Id, id);
    assert.equal(inspect.Name, `/${name}`);
    assert.equal(inspect.Config.Labels?.['colour'], 'blue=green');
    assert.deepEqual(inspect.Config.Cmd, ['1000']);
    assert.equal(inspect.HostConfig.NetworkMode, 'none');
    assert.equal(inspect.Image, (await engine.inspectImage(subject.image)).Id);
    const { Status, Running, Pid, StartedAt, FinishedAt } = inspect.State;
    assert.deepEqual({ Status, Running, Pid }, { Status: 'created', Running: false, Pid: 0 });
    assert.equal(StartedAt, '0001-01-01T00:00:00Z');
    assert.equal(FinishedAt, '0001-01-01T00:00:00Z');
  });

  it('refuses a taken name with ALREADY_EXISTS', async () => {
    const name = nextName();
    await create(name);
    await assert.rejects(create(name), withCode(Code.ALREADY_EXISTS));
  });

  it('refuses an image that is not there with NOT_FOUND', async () => {
    const body = { ...bodyOf({}), Image: `${mark}/none:1` };
    await assert.rejects(engine.createContainer(nextName(), body), withCode(Code.NOT_FOUND));
  });

  it('starts, again with success while it runs, and stops likewise', async () => {
    const id = await create();
    await engine.startContainer(id);
    await engine.startContainer(id);
    const running = (await engine.inspectContainer(id)).State;
    assert.equal(running.Status, 'running');
    assert.ok(running.Pid > 0);
    await engine.stopContainer(id, 0);
    await engine.stopContainer(id, 0);
    const { Status, Running, Pid, ExitCode, FinishedAt } = (await engine.inspectContainer(id)).State;
    assert.deepEqual(
      { Status, Running, Pid, ExitCode },
      { Status: 'exited', Running: false, Pid: 0, ExitCode: 137 },
    );
    assert.ok(FinishedAt >= running.StartedAt);
  });

  it('lists by all labels given, with and without value, whatever the state', async () => {
    const group = nextName();
    const first = await create(undefined, { group, kind: 'a' });
    const second = await create(undefined, { group, kind: 'b' });
    await engine.startContainer(second);
    const list = async (...labels: string[]) =>
      Object.fromEntries((await engine.listContainers(labels)).map((entry) => [entry.Id, entry.State]));
    const both = { [first]: 'created', [second]: 'running' };
    assert.deepEqual(await list(`group=${group}`), both);
    assert.deepEqual(await list(`mark=${mark}`, `group=${group}`, 'kind'), both);
    assert.deepEqual(await list(`group=${group}`, 'kind=b'), { [second]: 'running' });
    assert.deepEqual(await list(`group=${group}`, 'kind=c'), {});
  });

  it('removes a running container, once', async () => {
    const id = await create();
    await engine.startContainer(id);
    await engine.removeContainer(id);
    await assert.rejects(engine.inspectContainer(id), withCode(Code.NOT_FOUND));
    await assert.rejects(engine.removeContainer(id), withCode(Code.NOT_FOUND));
  });

  it('answers NOT_FOUND for unknown containers and images', async () => {
    await assert.rejects(engine.inspectContainer(missing), withCode(Code.NOT_FOUND));
    await assert.rejects(engine.startContainer(missing), withCode(Code.NOT_FOUND));
    const silent = { tty: false, follow: true, onMessages: () => undefined };
    await assert.rejects(engine.readLogs(missing, silent), withCode(Code.NOT_FOUND));
    await assert.rejects(engine.stopContainer(missing, 0), withCode(Code.NOT_FOUND));
    await assert.rejects(engine.updateContainer(missing, { CpuShares: 100 }), withCode(Code.NOT_FOUND));
    await assert.rejects(engine.inspectImage(`${mark}/none:1`), withCode(Code.NOT_FOUND));
    await assert.rejects(engine.removeImage(`sha256:${missing}`), withCode(Code.NOT_FOUND));
  });

  it('updates resources and leaves those not named', async () => {
    const id = await create();
    await engine.updateContainer(id, { CpuShares: 512 });
    await engine.updateContainer(id, { CpuPeriod: 50_000, CpuQuota: 20_000 });
    const { CpuShares, CpuPeriod, CpuQuota } = (await engine.inspectContainer(id)).HostConfig;
    assert.deepEqual(
      { CpuShares, CpuPeriod, CpuQuota },
      { CpuShares: 512, CpuPeriod: 50_000, CpuQuota: 20_000 },
    );
  });

  it('runs a command in a running container and tells how it ended', async () => {
    const id = await create();
    const output = { AttachStdin: false, AttachStdout: true, AttachStderr: true, Tty: false };
    await assert.rejects(
      engine.createExec(id, { ...output, Cmd: ['/bin/echo'] }),
      withCode(Code.FAILED_PRECONDITION),
    );
    await engine.startContainer(id);
    const run = async (body: Partial<ExecCreateBody> & { Cmd: string[] }, input?: string) => {
      const exec = await engine.createExec(id, { ...output, ...body });
      const connection = await engine.startExec(exec, body.Tty ?? false);
      if (input !== undefined) connection.end(input);
      const bytes = Buffer.from(await text(connection.setEncoding('latin1')), 'latin1');
      const pieces: string[] = [];
      const demux = new Demultiplexer((stream, piece) => pieces.push(`${stream}: ${piece.toString()}`));
      if (body.Tty !== true) demux.push(bytes);
      const { Running, ExitCode, Pid } = await engine.inspectExec(exec);
      return { output: body.Tty === true ? bytes.toString() : pieces.join(''), Running, ExitCode, Pid };
    };
    const { Pid: pid, ...ended } = await run({ Cmd: ['/bin/echo', 'a', 'b'] });
    assert.ok(pid > 0);
    assert.deepEqual(ended, { output: 'stdout: a b\n', Running: false, ExitCode: 0 });
    assert.equal((await run({ Cmd: ['/bin/false'] })).ExitCode, 1);
    assert.equal((await run({ Cmd: ['/bin/cat'], AttachStdin: true }, 'in')).output, 'stdout: in');
    assert.equal((await run({ Cmd: ['/bin/echo', 'x'], Tty: true })).output, 'x\r\n');
    const failed = await run({ Cmd: ['/no/such'] });
    assert.equal(failed.Pid, 0);
    assert.ok([126, 127].includes(failed.ExitCode ?? 0));
    assert.match(failed.output, /no such file or directory/);
  });

  it('attaches to a container, and resizes its terminal', async () => {
    const id = await create();
    await engine.startContainer(id);
    const streams = { stdin: false, stdout: true, stderr: true, detachKeys: '' };
    const connection = await engine.attachContainer(id, streams);
    await engine.resizeContainer(id, { width: 80, height: 25 });
    const closed = once(connection, 'close');
    connection.destroy();
    await closed;
    await assert.rejects(engine.attachContainer(missing, streams), withCode(Code.NOT_FOUND));
    await assert.rejects(engine.inspectExec(missing), withCode(Code.NOT_FOUND));
    await assert.rejects(engine.startExec(missing, false), withCode(Code.NOT_FOUND));
  });

  it('tells events in order, only those asked for', async () => {
    const group = nextName();
    const seen: EngineEvent[] = [];
    const progress = new EventEmitter();
    const stop = new AbortController();
    const opened = once(progress, 'open');
    const destroyed = once(progress, 'destroy');
    const following = engine.followEvents({
      signal: stop.signal,
      filters: {
        type: ['container'],
        event: ['create', 'start', 'die', 'destroy'],
        label: [`group=${group}`],
      },
      onOpen: () => progress.emit('open'),
      onEvent: (event) => {
        seen.push(event);
        progress.emit(event.Action);
      },
    });
    await Promise.race([opened, following]);
    const other = await create();
    const id = await create(undefined, { group });
    await engine.startContainer(id);
    await engine.stopContainer(id, 0);
    await engine.removeContainer(id);
    await engine.removeContainer(other);
    await Promise.race([destroyed, following]);
    stop.abort();
    await assert.rejects(following, withCode(Code.CANCELLED));

    assert.deepEqual(
      seen.map(({ Type, Action, Actor }) => [Type, Action, Actor.ID]),
      ['create', 'start', 'die', 'destroy'].map((action) => ['container', action, id]),
    );
    assert.equal(seen[2]?.Actor.Attributes?.['exitCode'], '137');
    assert.equal(seen[0]?.Actor.Attributes?.['group'], group);
    const times = seen.map(({ timeNano }) => timeNano);
    assert.deepEqual(
      times,
      times.toSorted((a, b) => Number(a - b)),
    );
    assert.ok((times[0] ?? 0n) > 1_600_000_000_000_000_000n);
  });

  it('reads a log to its end, and follows it until the container ends', async () => {
    const id = await create();
    await engine.startContainer(id);
    const read = (follow: boolean, signal?: AbortSignal) =>
      engine.readLogs(id, { tty: false, follow, signal, onMessages: () => assert.fail('sleep is silent') });
    await read(false);
    const stop = new AbortController();
    const givenUp = read(true, stop.signal);
    const followed = read(true);
    stop.abort();
    await assert.rejects(givenUp, withCode(Code.CANCELLED));
    await engine.stopContainer(id, 0);
    await followed;
    await read(true);
  });

  it('gives up a call whose signal is aborted', async () => {
    const id = await create();
    const reason = new CriError(Code.ABORTED, 'because');
    const call = (signal: AbortSignal) => engine.inspectContainer(id, { signal });
    await assert.rejects(call(AbortSignal.abort()), withCode(Code.CANCELLED));
    await assert.rejects(call(AbortSignal.abort(reason)), reason);
    const timeout = AbortSignal.abort(new DOMException('late', 'TimeoutError'));
    await assert.rejects(call(timeout), withCode(Code.DEADLINE_EXCEEDED));
  });

  it('knows images by name and id, and removes them under all names', async () => {
    const name = await subject.makeImage();
    const { Id: id, RepoTags: tags } = await engine.inspectImage(name);
    assert.ok(tags?.includes(name));
    assert.equal((await engine.inspectImage(id)).Id, id);
    const listed = (await engine.listImages()).find((image) => image.Id === id);
    assert.ok(listed);
    assert.ok(listed.RepoTags?.includes(name));
    assert.ok(listed.Size > 0);
    assert.ok(Math.abs(listed.Created - Date.now() / 1000) < 3600);
    assert.ok((await engine.imageDiskUsageBytes()) >= listed.Size);
    await engine.removeImage(id);
    await assert.rejects(engine.inspectImage(name), withCode(Code.NOT_FOUND));
  });

  it('keeps an image that a running container uses', async () => {
    const name = await subject.makeImage();
    const { Id: imageId } = await engine.inspectImage(name);
    const id = await engine.createContainer(nextName(), { ...bodyOf({}), Image: name });
    await engine.startContainer(id);
    await assert.rejects(engine.removeImage(imageId), withCode(Code.FAILED_PRECONDITION));
    assert.equal((await engine.inspectImage(name)).Id, imageId);
    await engine.removeContainer(id);
    await engine.removeImage(imageId);
  });
}

function withCode(code: Code): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof CriError, `not a CriError: ${String(error)}`);
    assert.equal(error.code, code, error.message);
    return true;
  };
}
