import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { containerOf } from '../support/api.js';
import type { Pod } from '../support/api.js';
import { cluster, docker } from '../support/cluster.js';
import { RUN_ON, engineId, subject, waitFor } from '../support/pod-case.js';

const folderOf = ({ metadata }: Pod): string =>
  path.join(cluster.data, 'pod-logs', `${metadata.namespace}_${metadata.name}_${metadata.uid}`, 'main');
/** What a container waits for that is to be followed first. */
const UNTIL_GO = 'until [ -e /tmp/go ]; do sleep 0.2; done';
const numbered = (text: string): number[] => text.trim().split('\n').map(Number);

subject('logs', ({ quick, whole }) => {
  quick('both streams are in the log, in order', async (world) => {
    const pod = await world.ended(
      await world.pod({
        restartPolicy: 'Never',
        run: 'echo out; sleep 0.2; echo err >&2; sleep 0.2; echo out',
      }),
    );
    assert.equal(await world.logs(pod), 'out\nerr\nout\n');
  });

  quick('--tail, --timestamps, --since-time and --limit-bytes', async (world) => {
    const pod = await world.ended(
      await world.pod({ restartPolicy: 'Never', run: 'seq 1 20; sleep 2; echo late' }),
    );
    assert.equal(await world.logs(pod, 'tailLines=2'), '20\nlate\n');
    assert.equal(await world.logs(pod, 'limitBytes=4'), '1\n2\n');
    const [first = '', ...others] = (await world.logs(pod, 'timestamps=true')).trim().split('\n');
    assert.match(first, /^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d) 1$/);
    const last = others.at(-1)?.split(' ')[0] ?? '';
    assert.equal(await world.logs(pod, `sinceTime=${encodeURIComponent(last)}`), 'late\n');
  });

  quick('--previous is the log of the run before', async (world) => {
    const pod = await world.pod({
      volumes: [{ name: 'work', emptyDir: {} }],
      containers: [
        {
          run: `echo x >>/work/n; echo run $(wc -l </work/n); [ $(wc -l </work/n) -ge 2 ] || exit 1; ${RUN_ON}`,
          volumeMounts: [{ name: 'work', mountPath: '/work' }],
        },
      ],
    });
    await world.container(
      pod,
      'the second run',
      ({ restartCount, state }) => restartCount === 1 && state.running !== undefined,
    );
    await world.untilLogs(pod, 'run 2');
    assert.equal(await world.logs(pod, 'previous=true'), 'run 1\n');
    assert.equal(await world.logs(pod), 'run 2\n');
  });

  whole('--previous of a container that ran once only is refused', async (world) => {
    const pod = await world.ready();
    await assert.rejects(world.logs(pod, 'previous=true'), /previous terminated container .* not found/);
  });

  quick('--follow ends with the container', async (world) => {
    const pod = await world.ready({
      restartPolicy: 'Never',
      run: `echo 0; ${UNTIL_GO}; seq 1 10 | while read n; do echo $n; sleep 0.3; done`,
    });
    const log = await world.follow(pod);
    await world.exec(pod, 'touch /tmp/go');
    const { code, stdout } = await log.output;
    assert.equal(code, 0);
    assert.deepEqual(numbered(stdout), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  quick('logs rotate by size, and none of them grows', async (world) => {
    const pod = await world.ready({
      run: `i=0; while :; do i=$((i+1)); echo "$i xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"; [ $((i % 200)) != 0 ] || sleep 0.3; done`,
    });
    const folder = folderOf(pod);
    await waitFor('rotated logs', () =>
      Promise.resolve(readdirSync(folder).some((name) => name.endsWith('.gz')) ? true : undefined),
    );
    assert.ok(readdirSync(folder).length <= 4, String(readdirSync(folder)));
    // Just after a rotation the log is empty.
    const before = await waitFor('a line', async () => (await world.logs(pod, 'tailLines=1')) || undefined);
    const later = await waitFor('lines of after the rotation', async () => {
      const now = await world.logs(pod, 'tailLines=1');
      return now === before || now === '' ? undefined : now;
    });
    assert.ok(parseInt(later, 10) > parseInt(before, 10), `${before} ${later}`);
  });

  quick('--follow goes on over a rotation and loses nothing', async (world) => {
    const pod = await world.ready({
      restartPolicy: 'Never',
      run: `echo 0; ${UNTIL_GO}; i=0; while [ $i -lt 6000 ]; do i=$((i+1)); echo $i ${'x'.repeat(60)}; [ $((i % 100)) != 0 ] || sleep 0.2; done; sleep 3`,
    });
    const log = await world.follow(pod, 'main', { timeoutMs: 240_000 });
    await world.exec(pod, 'touch /tmp/go');
    const lines = (await log.end)
      .trim()
      .split('\n')
      .map((line) => parseInt(line, 10));
    assert.deepEqual([lines.length, lines[0], lines.at(-1)], [6001, 0, 6000]);
  });

  quick('long lines come whole', async (world) => {
    const pod = await world.ended(
      await world.pod({
        restartPolicy: 'Never',
        run: 'head -c 50000 /dev/zero | tr "\\0" x; echo; echo end',
      }),
    );
    const [long = '', end] = (await world.logs(pod)).split('\n');
    assert.deepEqual([long.length, end], [50_000, 'end']);
  });

  whole('a last line without its end is there', async (world) => {
    const pod = await world.ended(await world.pod({ restartPolicy: 'Never', run: 'printf "no end"' }));
    assert.equal(await world.logs(pod), 'no end');
  });

  whole('the log of one container of several', async (world) => {
    const pod = await world.ended(
      await world.pod({
        restartPolicy: 'Never',
        containers: [{ run: 'echo one' }, { name: 'other', run: 'echo two' }],
      }),
    );
    assert.equal(await world.logs(pod, 'container=other'), 'two\n');
    const { stdout } = await world.kubectl(['logs', pod.metadata.name, '--all-containers', '--prefix']);
    assert.match(stdout, /main\] one/);
    assert.match(stdout, /other\] two/);
  });

  whole('the log of an init container, also afterwards', async (world) => {
    const pod = await world.ready({ initContainers: [{ name: 'init', run: 'echo prepared' }] });
    assert.equal(await world.logs(pod, 'container=init'), 'prepared\n');
  });

  whole('bytes that are no text come as they are', async (world) => {
    const pod = await world.ended(
      await world.pod({ restartPolicy: 'Never', run: "printf '\\303\\274 \\t tab\\n'" }),
    );
    assert.equal(await world.logs(pod), 'ü \t tab\n');
  });

  quick('the log of a container that was killed behind the kubelet stays', async (world) => {
    const pod = await world.ready({ restartPolicy: 'Never', run: `echo before; ${RUN_ON}` });
    await world.untilLogs(pod, 'before');
    await docker('kill', engineId(containerOf(await world.get(pod))));
    await world.ended(pod);
    assert.equal(await world.logs(pod), 'before\n');
  });

  whole('log files are what log collectors look for, and go with the pod', async (world) => {
    const pod = await world.ready({ run: `echo hello; ${RUN_ON}` });
    await world.untilLogs(pod, 'hello');
    const id = engineId(containerOf(await world.get(pod)));
    const link = `/var/log/containers/${pod.metadata.name}_${pod.metadata.namespace}_main-${id}.log`;
    await waitFor('the link', () => Promise.resolve(existsSync(link) ? true : undefined));
    assert.match(readFileSync(link, 'utf8'), /^\S+ stdout F hello\n$/);
    assert.ok(statSync(link).size > 0);
    const folder = path.dirname(folderOf(pod));
    await world.delete(pod, 1);
    await world.gone(pod);
    await waitFor('the end of its logs', () =>
      Promise.resolve(existsSync(folder) || existsSync(link) ? undefined : true),
    );
  });
});
