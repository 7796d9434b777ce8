import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { AGNHOST } from '../support/agnhost.js';
import { digest } from '../support/channels.js';
import { converse, holdEcho, portForward } from '../support/port-forward.js';
import { subject, waitFor } from '../support/pod-case.js';

const echo = { run: 'exec nc -ll -p 7000 -e cat' };
const listens = { readinessProbe: { tcpSocket: { port: 7000 }, periodSeconds: 1 } };
const WAYS = { WebSocket: 'true', SPDY: 'false' };

subject('port-forward', ({ quick, whole }) => {
  for (const [way, flag] of Object.entries(WAYS)) {
    const env = { KUBECTL_PORT_FORWARD_WEBSOCKETS: flag };
    quick(`by ${way}: connections one after the other and side by side`, async (world) => {
      const pod = await world.ready({ containers: [{ ...echo, ...listens }] });
      const forward = await portForward(pod, 7000, env);
      try {
        assert.equal(await converse(forward.port, 'first'), 'first');
        // Opened one by one: this nc has room for two that wait, and the kernel resets more.
        const held = [];
        const texts = Array.from({ length: 10 }, (_, n) => `text ${n}`);
        for (const text of texts) held.push(await holdEcho(forward.port, text));
        assert.deepEqual(
          held.map(({ echo }) => echo),
          texts,
          forward.errors(),
        );
        assert.equal(await converse(forward.port, 'last'), 'last');
        for (const { end } of held) end();
      } finally {
        await forward.close();
      }
    });

    quick(`by ${way}: a large answer comes whole`, async (world) => {
      const pod = await world.ready({ containers: [{ ...echo, ...listens }] });
      const forward = await portForward(pod, 7000, env);
      try {
        const data = randomBytes(2 << 20).toString('hex');
        assert.equal(digest(await converse(forward.port, data)), digest(data));
      } finally {
        await forward.close();
      }
    });

    whole(`by ${way}: a port where nothing listens`, async (world) => {
      const pod = await world.ready();
      const forward = await portForward(pod, 7999, env);
      try {
        await converse(forward.port, 'hello').catch(() => undefined);
        await waitFor('its complaint', () =>
          Promise.resolve(/refused/i.test(forward.errors()) ? true : undefined),
        );
      } finally {
        await forward.close();
      }
    });
  }

  whole('to a web server', async (world) => {
    const pod = await world.ready({
      containers: [
        {
          image: AGNHOST,
          args: ['netexec', '--http-port=8080'],
          readinessProbe: { httpGet: { path: '/healthz', port: 8080 }, periodSeconds: 1 },
        },
      ],
    });
    const forward = await portForward(pod, 8080);
    try {
      for (let turn = 0; turn < 5; turn++) {
        assert.equal(
          await (await fetch(`http://127.0.0.1:${forward.port}/echo?msg=${turn}`)).text(),
          String(turn),
        );
      }
    } finally {
      await forward.close();
    }
  });

  whole('to a pod on the network of the node', async (world) => {
    const port = 7321;
    const pod = await world.ready({
      hostNetwork: true,
      containers: [
        { run: `exec nc -ll -p ${port} -e cat`, readinessProbe: { tcpSocket: { port }, periodSeconds: 1 } },
      ],
    });
    const forward = await portForward(pod, port);
    try {
      assert.equal(await converse(forward.port, 'host'), 'host');
    } finally {
      await forward.close();
    }
  });
});
