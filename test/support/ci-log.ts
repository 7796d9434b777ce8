import { NODES } from './compatibility.js';
import type { Run } from './ran.js';

/** The checks of `.ci/run` that are suites, under their names there: the Engines that they run on, and the nodes. */
export const CI_CHECKS: Readonly<Record<string, Pick<Run, 'suite' | 'engine' | 'node'>>> = {
  tests: { suite: 'tests', engine: '20.10', node: NODES.old },
  'fault tests': { suite: 'fault tests', engine: '20.10', node: NODES.old },
  package: { suite: 'package', engine: '', node: NODES.old },
  companion: {
    suite: 'companion',
    engine: '28.5.2, 28.5.2+containerd, 29.8+containerd, 20.10',
    node: NODES.old,
  },
  kubelet: { suite: 'kubelet 1.37.2', engine: '28.5.2', node: NODES.old },
  crictl: {
    suite: 'crictl',
    engine: '20.10, 26.1, 28.5.2, 28.5.2+containerd, 29.8+containerd',
    node: NODES.old,
  },
  critest: { suite: 'critest', engine: '28.5.2', node: NODES.old },
  'critest, user namespaces': { suite: 'critest, user namespaces', engine: '28.5.2', node: NODES.old },
  'critest, NRI': { suite: 'critest, NRI', engine: '28.5.2', node: NODES.old },
  'modern node': { suite: 'node-vm', engine: '28.5.2', node: NODES.modern },
};

type Counts = Pick<Run, 'passed' | 'failed' | 'skipped'>;

/** What a suite's output says at its end: "N passed, N failed, N skipped". */
export function closingLine(output: string): Counts | undefined {
  const [, passed, failed, skipped = '0'] =
    /(?:^|\n)(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\n*$/.exec(output) ?? [];
  return passed === undefined
    ? undefined
    : { passed: Number(passed), failed: Number(failed), skipped: Number(skipped) };
}

/** The suites that an output of `.ci/run` tells the end of; a check that was cut off has none. */
export function ciRuns(log: string, when: Pick<Run, 'date' | 'commit'>): Run[] {
  return Object.entries(CI_CHECKS).flatMap(([name, suite]) => {
    const began = log.indexOf(`== ${name}\n`);
    const ended = log.indexOf(`== ${name}: `, began);
    const counts = began < 0 || ended < 0 ? undefined : closingLine(log.slice(began, ended));
    return counts === undefined ? [] : [{ ...suite, ...counts, ...when }];
  });
}
