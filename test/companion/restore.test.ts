import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { noCompanion } from '../support/companion-node.js';
import { testDockerEndpoint } from '../support/cridock-process.js';
import { testCriu, withCriu } from '../support/criu.js';
import { refusal, TestNode, type ContainerChanges, type TestPod } from '../support/test-node.js';
import { containerConfig } from '../support/pods.js';
import { until } from '../support/until.js';

const criu = noCompanion === false ? testCriu() : { missing: noCompanion };
const noCriu = 'missing' in criu && criu.missing;
const folder = 'folder' in criu ? criu.folder : '';

/** It counts on in the memory of its shell. */
const COUNTER = 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.1; done';
/** Answers each request with the number of it. */
const WEB =
  'n=0; while :; do n=$((n+1)); printf "HTTP/1.0 200 OK\\r\\n\\r\\nrequest $n" | nc -l -p 8080; done';
const TREE =
  'for n in 1 2 3; do (i=0; while :; do i=$((i+1)); echo $n:$i; sleep 0.1; done) & done; sleep 100000 & wait';

describe('containers that are restored from checkpoints', { skip: noCriu }, () => {
  let node: TestNode;
  let archives: string;

  before(async () => {
    node = await TestNode.start(['--restore-checkpoints'], withCriu(folder));
    archives = join(node.cridock.directory, 'archives');
    mkdirSync(archives);
  });
  after(() => node.close());

  const checkpoint = async (id: string, name: string): Promise<string> => {
    const location = join(archives, name);
    await node.runtime.CheckpointContainer({ container_id: id, location, timeout: '0' });
    return location;
  };
  const linesOf = async (id: string): Promise<string[]> => {
    const { log_path: path } = await node.status(id);
    const text = existsSync(path) ? await readFile(path, 'utf8') : '';
    return text.split('\n').flatMap((line) => line.split(' F ').slice(1));
  };
  const restored = async (pod: TestPod, image: string, changes: ContainerChanges = {}): Promise<string> => {
    const id = await node.create(pod, { image: { image }, ...changes });
    await node.runtime.StartContainer({ container_id: id });
    return id;
  };
  const output = async (id: string, ...cmd: string[]): Promise<string> => {
    const { stdout } = await node.runtime.ExecSync({ container_id: id, cmd, timeout: '0' });
    return stdout.toString();
  };
  const left = (): string[] => {
    const restore = join(node.cridock.directory, 'root', 'restore');
    return existsSync(restore) ? readdirSync(restore) : [];
  };
  const docker = (...words: string[]): string =>
    execFileSync(process.env['DOCKER'] ?? 'docker', ['-H', testDockerEndpoint, ...words], {
      env: { ...process.env, DOCKER_CONFIG: '/nonexistent' },
      encoding: 'utf8',
    });

  it('a counter counts on in a new pod, with its files, while the first one runs on', async () => {
    const first = await node.start(await node.pod(), {
      run: `echo kept >/kept; rm /etc/group; mkdir /made; echo deep >/made/deep; ${COUNTER}`,
    });
    await until('it to count', async () => (await linesOf(first.id)).length > 5);
    const archive = await checkpoint(first.id, 'counter.tar');
    const pod = await node.pod();
    const atMost = Number((await linesOf(first.id)).at(-1));
    const id = await restored(pod, archive);
    await until('it to count on', async () => (await linesOf(id)).length > 3);
    const counts = (await linesOf(id)).map(Number);
    assert.ok((counts[0] ?? 0) > 5 && (counts[0] ?? 0) <= atMost + 1, `${counts[0]} after ${atMost}`);
    assert.deepEqual(
      counts,
      counts.map((_, index) => (counts[0] ?? 0) + index),
    );
    assert.equal(await output(id, 'cat', '/kept', '/made/deep'), 'kept\ndeep\n');
    assert.equal(
      await output(id, 'sh', '-c', 'ls /etc/group 2>&1 || true'),
      'ls: /etc/group: No such file or directory\n',
    );
    const before = (await linesOf(first.id)).length;
    await until('the first to go on', async () => (await linesOf(first.id)).length > before);
    assert.deepEqual(left(), []);
    // It is a container like others.
    await node.runtime.StopContainer({ container_id: id, timeout: '5' });
    const { exit_code: code } = await node.ended(id);
    assert.equal(code, 0, 'its trap ends it');
  });

  it('a web server answers in a new pod, at its own address, with what it has in memory', async () => {
    const pod = await node.pod();
    const first = await node.start(pod, { run: WEB });
    const ask = (id: string): Promise<string> =>
      output(id, 'sh', '-c', 'printf "GET / HTTP/1.0\\r\\n\\r\\n" | nc 127.0.0.1 8080 | tail -n 1');
    let said = 0;
    // Its nc serves one connection, and is away for a moment before the next one.
    await until('it to answer', async () => {
      said = Number((await ask(first.id)).split(' ')[1]);
      return said > 0;
    });
    await until('it to listen again', async () =>
      (await output(first.id, 'netstat', '-ltn')).includes(':8080'),
    );
    const archive = await checkpoint(first.id, 'web.tar');
    const id = await restored(await node.pod(), archive);
    const next = Number((await ask(id)).split(' ')[1]);
    assert.ok(next > said, `request ${next} after ${said}`);
    await until('the first to answer', async () => (await ask(first.id)).startsWith('request'));
  });

  it('a tree of processes goes on as it was', async () => {
    const first = await node.start(await node.pod(), { run: TREE });
    await until(
      'all to count',
      async () => new Set((await linesOf(first.id)).map((line) => line[0])).size === 3,
    );
    const processes =
      'for p in /proc/[0-9]*; do tr "\\0" " " <$p/cmdline; echo; done | grep -c "sleep 100000"';
    const archive = await checkpoint(first.id, 'tree.tar');
    const id = await restored(await node.pod(), archive);
    await until(
      'all to count on',
      async () => new Set((await linesOf(id)).map((line) => line[0])).size === 3,
    );
    const lines = await linesOf(id);
    for (const n of ['1', '2', '3']) {
      const counts = lines.filter((line) => line.startsWith(`${n}:`)).map((line) => Number(line.slice(2)));
      assert.ok((counts[0] ?? 0) > 1, `${n} begins at ${counts[0]}`);
    }
    assert.notEqual(Number(await output(id, 'sh', '-c', processes)), 0);
  });

  it('an image that holds a checkpoint, by its label or without any program, is restored by another cridock', async (t) => {
    const first = await node.start(await node.pod(), { run: `echo kept >/kept; ${COUNTER}` });
    await until('it to count', async () => (await linesOf(first.id)).length > 5);
    const archive = await checkpoint(first.id, 'image.tar');
    const names = ['cridock.test/checkpoint:labelled', 'cridock.test/checkpoint:plain'];
    t.after(() => {
      try {
        docker('rmi', '-f', ...names);
      } catch {
        // Docker has said why on stderr; a hook that throws would keep the next one from its work.
      }
    });
    docker('import', '-c', 'LABEL org.criu.checkpoint.container.name=x', archive, names[0] ?? '');
    docker('import', archive, names[1] ?? '');
    for (const name of names) {
      const id = await restored(await node.pod(), name);
      await until('it to count on', async () => (await linesOf(id)).length > 3);
      assert.ok(Number((await linesOf(id))[0]) > 5);
      assert.equal(await output(id, 'cat', '/kept'), 'kept\n');
      const { image } = await node.status(id);
      assert.equal(image?.image, node.image, 'it is told by the image that it was made of');
    }
    const other = await TestNode.start(['--restore-checkpoints'], withCriu(folder));
    t.after(() => other.close());
    const id = await other.create(await other.pod(), { image: { image: archive } });
    await other.runtime.StartContainer({ container_id: id });
    const { log_path: path } = await other.status(id);
    await until(
      'it to count on there',
      () => existsSync(path) && readFileSync(path, 'utf8').split('\n').length > 3,
    );
    assert.deepEqual(left(), []);
  });

  it('the same request again answers the same container, and what was not started leaves nothing', async () => {
    const first = await node.start(await node.pod(), { run: COUNTER });
    const archive = await checkpoint(first.id, 'again.tar');
    const pod = await node.pod();
    const config = containerConfig('again', archive, 'exit 1');
    const request = { pod_sandbox_id: pod.id, config, sandbox_config: pod.config };
    const [one, other] = await Promise.all([1, 2].map(() => node.runtime.CreateContainer(request)));
    const { container_id: id } = await node.runtime.CreateContainer(request);
    assert.deepEqual([one?.container_id, other?.container_id], [id, id]);
    assert.equal(left().length, 1);
    await node.runtime.RemoveContainer({ container_id: id });
    await node.cridock.restart();
    await until('the sweep', () => left().length === 0);
  });

  it('refuses what is hostile, and leaves no trace', async () => {
    const first = await node.start(await node.pod(), { run: COUNTER });
    const archive = await checkpoint(first.id, 'good.tar');
    const pod = await node.pod();
    const before = left();
    const work = join(archives, 'hostile');
    const build = (name: string, script: string): string => {
      const path = join(archives, `${name}.tar`);
      mkdirSync(work);
      execFileSync(
        'sh',
        ['-ec', `tar -xf ${archive} -C ${work}; cd ${work}; ${script}; cd ..; rm -rf ${work}`],
        {
          env: { ...process.env, OUT: path },
        },
      );
      return path;
    };
    const all = 'config.dump spec.dump checkpoint';
    const json = (name: string, text: string): string =>
      `printf '%s' '${text}' >${name}; tar -cf $OUT ${all}`;
    const hostile: Record<string, string> = {
      climbing: build('climbing', `echo x >x; tar -cPf $OUT --transform 's,^x$,../escaped,' ${all} x`),
      absolute: build(
        'absolute',
        `echo x >x; tar -cPf $OUT --transform 's,^x$,${archives}/escaped,' ${all} x`,
      ),
      inside: build(
        'inside',
        `echo x >x; tar -cPf $OUT --transform 's,^x$,checkpoint/../../escaped,' ${all} x`,
      ),
      strange: build('strange', `echo x >checkpoint/"a b"; tar -cf $OUT ${all}`),
      deeper: build('deeper', `mkdir checkpoint/d; echo x >checkpoint/d/x; tar -cf $OUT ${all}`),
      link: build('link', `ln -s /etc/passwd checkpoint/extra.img; tar -cf $OUT ${all}`),
      folderLink: build('folderLink', `mv checkpoint c; ln -s ${archives} checkpoint; tar -cf $OUT ${all}`),
      hardLink: build('hardLink', `ln spec.dump checkpoint/hard.img; tar -cf $OUT ${all}`),
      fifo: build('fifo', `mkfifo checkpoint/fifo.img; tar -cf $OUT ${all}`),
      device: build('device', `mknod checkpoint/sda.img b 8 0; tar -cf $OUT ${all}`),
      linkedConfig: build(
        'linkedConfig',
        `rm config.dump; ln -s /etc/shadow config.dump; tar -cf $OUT ${all}`,
      ),
      twice: build('twice', `tar -cf $OUT ${all}; tar -rf $OUT config.dump`),
      unknown: build('unknown', `echo x >authorized_keys; tar -cf $OUT ${all} authorized_keys`),
      long: build('long', `head -c 2000000 /dev/zero >config.dump; tar -cf $OUT ${all}`),
      cut: build('cut', `tar -cf all.tar ${all}; head -c 30000 all.tar >$OUT`),
      empty: build('empty', ': >$OUT'),
      noTar: build('noTar', 'head -c 100000 /dev/urandom >$OUT'),
      zipped: build('zipped', `tar -czf $OUT ${all}`),
      noImages: build('noImages', 'tar -cf $OUT config.dump spec.dump'),
      noConfig: build('noConfig', 'tar -cf $OUT spec.dump checkpoint'),
      noJson: build('noJson', json('config.dump', '{')),
      noObject: build('noObject', json('config.dump', '[]')),
      noImage: build('noImage', json('config.dump', '{}')),
      oddImage: build('oddImage', json('config.dump', '{"rootfsImageName":{"a":1}}')),
      oddMounts: build('oddMounts', json('spec.dump', '{"mounts":{"length":1}}')),
      oddMount: build('oddMount', json('spec.dump', '{"mounts":[null]}')),
      deleted: build(
        'deleted',
        `echo '["/../../etc/passwd"]' >deleted.files; tar -cf $OUT ${all} deleted.files`,
      ),
    };
    for (const [name, path] of Object.entries(hostile)) {
      const { code, text } = await refusal(node.create(pod, { image: { image: path } }));
      assert.equal(code, 'INVALID_ARGUMENT', `${name}: ${text}`);
      assert.match(text, /^config\.image\.image: is no checkpoint/, name);
    }
    const others: [string, string, RegExp][] = [
      [
        build('otherImage', json('config.dump', '{"rootfsImageName":"no.such/image:1"}')),
        'NOT_FOUND',
        /no\.such\/image/,
      ],
      [
        build('mount', json('spec.dump', '{"mounts":[{"destination":"/host","type":"bind","source":"/"}]}')),
        'FAILED_PRECONDITION',
        /\/host/,
      ],
      ['/no/such.tar', 'NOT_FOUND', /no archive/],
      [archives, 'INVALID_ARGUMENT', /is no file/],
      ['/dev/zero', 'INVALID_ARGUMENT', /is no file/],
    ];
    for (const [path, wanted, words] of others) {
      const { code, text } = await refusal(node.create(pod, { image: { image: path } }));
      assert.equal(code, wanted, `${path}: ${text}`);
      assert.match(text, words);
    }
    assert.equal(existsSync(join(archives, 'escaped')), false);
    const { containers } = await node.runtime.ListContainers({ filter: { pod_sandbox_id: pod.id } });
    assert.deepEqual(containers, []);
    assert.deepEqual(left(), before);
    // Images of criu that are none fail the start, and the node stays as it was.
    const broken = build('broken', `for f in checkpoint/*.img; do echo x >$f; done; tar -cf $OUT ${all}`);
    const id = await node.create(pod, { image: { image: broken } });
    const { text } = await refusal(node.runtime.StartContainer({ container_id: id }));
    assert.match(text, /criu/);
  });

  it('refuses all of it where it is not switched on', async (t) => {
    const plain = await TestNode.start([], withCriu(folder));
    t.after(() => plain.close());
    const pod = await plain.pod();
    const { code, text } = await refusal(plain.create(pod, { image: { image: '/etc/passwd' } }));
    assert.deepEqual([code, /--restore-checkpoints/.test(text)], ['FAILED_PRECONDITION', true], text);
  });
});
