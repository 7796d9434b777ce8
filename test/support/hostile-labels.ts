import { USER } from '../../src/convert/container/container-body.js';
import { IMAGE_VOLUMES } from '../../src/convert/container/image-volume-mounts.js';
import { CRI_LOG_MODE, LOG_MODE } from '../../src/convert/container/log-config.js';
import { NODE_LIMITS } from '../../src/convert/limits/node-limits.js';
import { POD_RESOURCES } from '../../src/convert/sandbox/sandbox-facts.js';
import { KIND_LABEL, OWN_LABEL_PREFIX } from '../../src/convert/text/labels.js';
import { NAME } from '../../src/convert/text/names.js';
import { SPEC_HASH } from '../../src/convert/text/spec-hash.js';
import { IMAGE_NAME, IMAGE_REF } from '../../src/images/names.js';

/** The score that hostile limits set, were they believed. */
export const HOSTILE_OOM_SCORE = 999;

/** Labels by which an image claims to be all that cridock and cri-dockerd read from labels: of this sandbox's pod. */
export function hostileLabels(sandboxId: string, logPath: string): Record<string, string> {
  const own: Record<string, string> = {
    [NAME]: 'k8s_stolen_pod_ns_uid_0',
    [SPEC_HASH]: '0'.repeat(32),
    [NODE_LIMITS]: JSON.stringify({
      cgroup: [
        { file: 'devices.allow', value: 'a', required: false },
        { file: 'memory.limit_in_bytes', value: '-1', required: false },
        { file: 'memory.max', value: 'max', required: false },
      ],
      oomScoreAdj: HOSTILE_OOM_SCORE,
    }),
    [IMAGE_VOLUMES]: JSON.stringify({ '/stolen': { image: `sha256:${'0'.repeat(64)}`, subPath: '' } }),
    [USER]: '{"uid":0}',
    [IMAGE_NAME]: 'stolen:name',
    [IMAGE_REF]: 'stolen@ref',
    [LOG_MODE]: CRI_LOG_MODE,
    [POD_RESOURCES]: '{"overhead":{"cpu_period":"1"}}',
    'runtime-handler': 'stolen',
    'log-directory': '/stolen',
    privileged: 'true',
    'pid-mode': 'pod',
    'label.io.kubernetes.sandbox.id': 'stolen',
    scratch: `sha256:${'0'.repeat(64)}`,
    'image-volume': `sha256:${'0'.repeat(64)}`,
    seal: JSON.stringify({ code: '', keys: [KIND_LABEL] }),
  };
  return {
    ...Object.fromEntries(Object.entries(own).map(([key, value]) => [OWN_LABEL_PREFIX + key, value])),
    [KIND_LABEL]: 'container',
    'io.kubernetes.sandbox.id': sandboxId,
    'io.kubernetes.container.logpath': logPath,
    'io.kubernetes.container.name': 'stolen',
    'io.kubernetes.pod.name': 'stolen',
    'io.kubernetes.pod.namespace': 'stolen',
    'io.kubernetes.pod.uid': 'stolen',
    'annotation.io.kubernetes.container.restartCount': '99',
    'annotation.io.kubernetes.pod.terminationGracePeriod': '99',
    'annotation.cdi.k8s.io/stolen': 'stolen.test/dev=a',
    stolen: 'yes',
  };
}

/** The Dockerfile instruction that gives an image these labels. */
export function labelInstruction(labels: Readonly<Record<string, string>>): Record<string, string> {
  const pairs = Object.entries(labels).map(
    ([key, value]) => `${JSON.stringify(key)}=${JSON.stringify(value)}`,
  );
  return { LABEL: pairs.join(' ') };
}
