import { existsSync } from 'node:fs';
import type { Panel } from '../../../deploy/plots/panels.js';
import { PANELS } from '../../../deploy/plots/panels.js';
import { scrape, type Scrape } from '../../../deploy/plots/scrape.js';
import { gauge } from '../../../deploy/plots/series.js';
import type { CridockProcess } from '../../support/cridock-process.js';
import { connectionsTo } from '../../support/process-holdings.js';

const EVERY_MS = 10_000;
const ENGINE_CONNECTIONS = 'engine_connections';
const RSS = 'process_resident_memory_bytes';
const FDS = 'process_open_fds';
const HEAP = 'nodejs_heap_size_used_bytes';

/** What an operator looks at, and what must not grow. */
export const SOAK_PANELS: readonly Panel[] = [
  {
    title: 'Open descriptors of cridock, and connections of its Engine',
    unit: 'count',
    lines: (history) => [
      ...gauge(history, FDS, () => 'descriptors'),
      ...gauge(history, ENGINE_CONNECTIONS, () => 'connections'),
    ],
  },
  ...PANELS,
];

/** Takes note of cridock's own figures while a soak runs. */
export class Watch {
  readonly history: Scrape[] = [];
  readonly #cridock: CridockProcess;
  readonly #url: string;
  readonly #engineSocket: string;
  #timer: NodeJS.Timeout | undefined;

  constructor(cridock: CridockProcess, url: string, engineSocket: string) {
    this.#cridock = cridock;
    this.#url = url;
    this.#engineSocket = engineSocket;
  }

  start(): void {
    this.#timer = setInterval(() => void this.#look(), EVERY_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** The last figures, in a line. */
  told(): string {
    const last = this.history.at(-1);
    if (last === undefined) return 'no figures yet';
    const rssMb = valueOf(last, RSS) / 1e6;
    return `${rssMb.toFixed(1)} MB, ${valueOf(last, FDS)} descriptors, ${valueOf(last, ENGINE_CONNECTIONS)} Engine connections`;
  }

  /** How the figures moved after the warm-up: least squares. */
  report(warmUpMs: number): string {
    const startMs = (this.history[0]?.atMs ?? 0) + warmUpMs;
    const after = this.history.filter(({ atMs }) => atMs >= startMs);
    const line = (what: string, name: string, unit: number, unitName: string): string => {
      const points = after.map((at) => ({
        hours: (at.atMs - startMs) / 3_600_000,
        value: valueOf(at, name) / unit,
      }));
      const values = points.map(({ value }) => value);
      return `${what}: ${Math.min(...values).toFixed(1)} to ${Math.max(...values).toFixed(1)} ${unitName}, slope ${slope(points).toFixed(2)} ${unitName}/h`;
    };
    const cpu = (name: string): number => valueOf(after.at(-1), name) - valueOf(after[0], name);
    const seconds = ((after.at(-1)?.atMs ?? 0) - (after[0]?.atMs ?? 0)) / 1_000;
    const share = (cpu('process_cpu_user_seconds_total') + cpu('process_cpu_system_seconds_total')) / seconds;
    return [
      `${after.length} looks in ${Math.round(seconds)} s after ${Math.round(warmUpMs / 1_000)} s of warm-up`,
      line('RSS', RSS, 1e6, 'MB'),
      line('heap used', HEAP, 1e6, 'MB'),
      line('descriptors', FDS, 1, ''),
      line('Engine connections', ENGINE_CONNECTIONS, 1, ''),
      `CPU of cridock: ${(100 * share).toFixed(1)} %`,
    ].join('\n');
  }

  async #look(): Promise<void> {
    if (!existsSync(`/proc/${this.#cridock.pid}`)) return;
    const { atMs, samples } = await scrape(this.#url);
    this.history.push({
      atMs,
      samples: [
        ...samples,
        { name: ENGINE_CONNECTIONS, labels: {}, value: connectionsTo(this.#engineSocket) },
      ],
    });
  }
}

function valueOf(at: Scrape | undefined, name: string): number {
  return at?.samples.find((sample) => sample.name === name)?.value ?? NaN;
}

function slope(points: readonly { hours: number; value: number }[]): number {
  const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [mean(points.map(({ hours }) => hours)), mean(points.map(({ value }) => value))];
  const over = points.reduce((sum, { hours, value }) => sum + (hours - x) * (value - y), 0);
  return over / points.reduce((sum, { hours }) => sum + (hours - x) ** 2, 0);
}
