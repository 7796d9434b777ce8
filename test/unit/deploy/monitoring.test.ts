import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { parse } from 'yaml';
import { watchState } from '../../../src/app/watch-state.js';
import { createMetrics } from '../../../src/observability/metrics.js';

// Compiled, this file is <root>/<outDir>/test/unit/deploy/monitoring.test.js.
const ROOT = join(import.meta.dirname, '../../../..');
const MONITORING = join(ROOT, 'deploy/monitoring');

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly gridPos: { readonly h: number; readonly w: number; readonly x: number; readonly y: number };
  readonly targets?: readonly { readonly expr: string }[];
}
interface Rules {
  readonly groups: readonly {
    readonly rules: readonly { readonly alert: string; readonly expr: string }[];
  }[];
}

describe('the dashboard and the alerts', () => {
  const dashboard = JSON.parse(readFileSync(join(MONITORING, 'cridock-dashboard.json'), 'utf8')) as {
    panels: readonly Panel[];
  };
  const alerts = parse(readFileSync(join(MONITORING, 'alerts.yaml'), 'utf8')) as Rules;
  let served: ReadonlySet<string>;

  before(async () => {
    const metrics = createMetrics();
    const nothing: never[] = [];
    watchState(
      metrics,
      {
        mirror: { lastKnown: { sandboxes: new Map(), containers: new Map() }, unreadable: nothing },
        events: { readers: 0 },
        logs: { followed: 0, problems: nothing },
        pulls: { size: 0 },
      } as never,
      { sessionCount: 0 } as never,
    );
    served = new Set([...(await metrics.text()).matchAll(/^# TYPE (\S+)/gm)].map(([, name = '']) => name));
  });

  const assertServed = (title: string, expr: string): void => {
    for (const [name] of expr.matchAll(/\b(?:cri|process|nodejs)_\w+/g)) {
      const family = name.replace(/_(?:bucket|count|sum)$/, '');
      assert.ok(served.has(family) || served.has(name), `${title}: nothing serves ${name}`);
    }
  };

  it('the dashboard is what its source makes', () => {
    const script = join(import.meta.dirname, '../../../deploy/monitoring/dashboard.js');
    assert.deepEqual(dashboard, JSON.parse(execFileSync(process.execPath, [script], { encoding: 'utf8' })));
  });

  it('both ask for metrics that cridock serves', () => {
    const queries = dashboard.panels.flatMap(({ title, targets = [] }) =>
      targets.map(({ expr }) => ({ title, expr })),
    );
    assert.ok(queries.length > 20);
    for (const { title, expr } of queries) assertServed(title, expr);
    for (const { rules } of alerts.groups) for (const { alert, expr } of rules) assertServed(alert, expr);
  });

  it('no two panels of the dashboard lie on each other', () => {
    const cells = new Map<string, string>();
    for (const { title, gridPos } of dashboard.panels) {
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
          assert.equal(cells.get(`${x} ${y}`), undefined, `${title} lies on ${cells.get(`${x} ${y}`) ?? ''}`);
          cells.set(`${x} ${y}`, title);
        }
      }
    }
    assert.equal(new Set(dashboard.panels.map(({ id }) => id)).size, dashboard.panels.length);
  });
});
