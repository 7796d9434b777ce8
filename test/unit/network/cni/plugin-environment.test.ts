import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { pluginEnvironment } from '../../../../src/network/cni/plugin-environment.js';

describe('pluginEnvironment', () => {
  it('passes what operators set for plugins', () => {
    const env = {
      PATH: '/bin',
      HTTPS_PROXY: 'http://proxy:3128',
      no_proxy: '10.0.0.0/8',
      SSL_CERT_FILE: '/etc/ca.pem',
      KUBECONFIG: '/etc/cni/kubeconfig',
      NODE_NAME: 'worker-1',
    };
    assert.deepEqual(pluginEnvironment(env), env);
  });

  it('keeps what is told to cridock alone', () => {
    const env = {
      PATH: '/bin',
      NOTIFY_SOCKET: '/run/systemd/notify',
      LISTEN_FDS: '1',
      LISTEN_PID: '4711',
      LISTEN_FDNAMES: 'cri',
      WATCHDOG_USEC: '1000000',
      NODE_OPTIONS: '--inspect',
      CNI_ARGS: 'K8S_POD_NAME=other',
    };
    assert.deepEqual(pluginEnvironment(env), { PATH: '/bin' });
  });

  it('gives a path where cridock has none', () => {
    assert.match(pluginEnvironment({})['PATH'] ?? '', /\/usr\/sbin/);
  });
});
