import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createAgent } from '../../../src/docker/agent.js';
import { DockerodeEngine } from '../../../src/docker/dockerode-engine.js';
import { silentLogger } from '../../../src/util/log.js';
import { until } from '../../support/until.js';

describe('the pool of connections to the Engine', () => {
  it('keeps few of those that a burst of requests has opened', async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'cridock-agent-'));
    const socketPath = join(directory, 'docker.sock');
    const waiting: http.ServerResponse[] = [];
    const server = http.createServer((_, response) => void waiting.push(response));
    await new Promise<void>((resolve) => server.listen(socketPath, resolve));
    const agent = createAgent({ kind: 'unix', text: `unix://${socketPath}`, socketPath }, 64);
    t.after(() => {
      agent.destroy();
      server.close();
      rmSync(directory, { recursive: true });
    });
    const connections = (): Promise<number> =>
      new Promise((resolve, reject) =>
        server.getConnections((error, count) => (error === null ? resolve(count) : reject(error))),
      );
    const requests = Array.from(
      { length: 40 },
      () =>
        new Promise<void>((resolve, reject) => {
          http
            .get({ socketPath, agent }, (response) => response.resume().on('end', resolve))
            .on('error', reject);
        }),
    );
    await until('all requests', () => waiting.length === 40);
    assert.equal(await connections(), 40);
    for (const response of waiting) response.end();
    await Promise.all(requests);
    await until('the rest to be closed', async () => (await connections()) <= 8);
    assert.ok((await connections()) > 0, 'the next request needs no new one');
  });

  it('uses a connection for request after request, also over TLS', async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'cridock-agent-'));
    t.after(() => rmSync(directory, { recursive: true }));
    const files = ['-keyout', join(directory, 'key.pem'), '-out', join(directory, 'cert.pem')];
    const subject = ['-subj', '/CN=engine', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2', '-nodes'];
    const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
    execFileSync('openssl', ['req', '-x509', ...subject, ...kind, ...files], { stdio: 'ignore' });
    copyFileSync(join(directory, 'cert.pem'), join(directory, 'ca.pem'));
    const cert = readFileSync(join(directory, 'cert.pem'));
    const server = https.createServer(
      { cert, key: readFileSync(join(directory, 'key.pem')) },
      (_, response) =>
        response.end(JSON.stringify({ Version: 't', ApiVersion: '1.45', MinAPIVersion: '1.24' })),
    );
    let connections = 0;
    server.on('secureConnection', () => connections++);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const env = {
      DOCKER_HOST: `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`,
      DOCKER_CERT_PATH: directory,
      DOCKER_TLS_VERIFY: '1',
    };
    const engine = new DockerodeEngine({ endpoint: '', env, log: silentLogger });
    t.after(() => engine.close());
    for (let call = 0; call < 3; call++) await engine.info();
    assert.equal(connections, 2, 'one for the handshake, which may take long, one for what is short');
  });
});
