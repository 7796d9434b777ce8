import type { Sample, Scrape } from './scrape.js';

/** One line of a plot. */
export interface Series {
  readonly name: string;
  readonly points: readonly Point[];
}

export interface Point {
  readonly atMs: number;
  readonly value: number;
}

/** Chooses the line that a sample belongs to; undefined leaves it out. Samples of one line are added up. */
export type LineOf = (labels: Readonly<Record<string, string>>) => string | undefined;

/** What a gauge was. */
export function gauge(history: readonly Scrape[], metric: string, lineOf: LineOf): Series[] {
  const sums = history.map(({ samples }) => sumByLine(samples, metric, lineOf));
  return toSeries(history, sums);
}

/** How fast a counter grew, a second, from scrape to scrape. */
export function rate(history: readonly Scrape[], metric: string, lineOf: LineOf): Series[] {
  const sums = history.map(({ samples }) => sumByLine(samples, metric, lineOf));
  const rates = sums.slice(1).map((sum, index) => {
    const seconds = ((history[index + 1]?.atMs ?? 0) - (history[index]?.atMs ?? 0)) / 1000;
    return new Map(
      [...sum].map(([line, value]) => [line, (value - (sums[index]?.get(line) ?? 0)) / seconds]),
    );
  });
  return toSeries(history.slice(1), rates);
}

/**
 * The quantile (0 to 1) of what a histogram counted between two scrapes, as Prometheus estimates it: evenly spread inside of
 * a bucket. There is no point where nothing was counted.
 */
export function quantile(history: readonly Scrape[], histogram: string, q: number, lineOf: LineOf): Series[] {
  const buckets = history.map(({ samples }) => bucketsByLine(samples, histogram, lineOf));
  const quantiles = buckets.slice(1).map((now, index) => {
    const values = new Map<string, number>();
    for (const [line, counts] of now) {
      const value = quantileOf(grown(buckets[index]?.get(line), counts), q);
      if (value !== undefined) values.set(line, value);
    }
    return values;
  });
  return toSeries(history.slice(1), quantiles);
}

/** Cumulative counts by upper bound. */
type Buckets = ReadonlyMap<number, number>;

function bucketsByLine(samples: readonly Sample[], histogram: string, lineOf: LineOf): Map<string, Buckets> {
  const lines = new Map<string, Map<number, number>>();
  for (const { name, labels, value } of samples) {
    const line = name === `${histogram}_bucket` ? lineOf(labels) : undefined;
    if (line === undefined) continue;
    const buckets = lines.get(line) ?? new Map<number, number>();
    const bound = Number((labels['le'] ?? '').replace('+Inf', 'Infinity'));
    lines.set(line, buckets.set(bound, (buckets.get(bound) ?? 0) + value));
  }
  return lines;
}

function grown(before: Buckets | undefined, now: Buckets): Buckets {
  return new Map([...now].map(([bound, count]) => [bound, count - (before?.get(bound) ?? 0)]));
}

function quantileOf(buckets: Buckets, q: number): number | undefined {
  const sorted = [...buckets].sort(([a], [b]) => a - b);
  const rank = (sorted.at(-1)?.[1] ?? 0) * q;
  if (rank === 0) return undefined;
  let lower = { bound: 0, count: 0 };
  for (const [bound, count] of sorted) {
    if (count >= rank) {
      if (bound === Infinity) return lower.bound;
      return lower.bound + ((bound - lower.bound) * (rank - lower.count)) / (count - lower.count);
    }
    lower = { bound, count };
  }
  return undefined;
}

function sumByLine(samples: readonly Sample[], metric: string, lineOf: LineOf): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { name, labels, value } of samples) {
    const line = name === metric ? lineOf(labels) : undefined;
    if (line !== undefined) sums.set(line, (sums.get(line) ?? 0) + value);
  }
  return sums;
}

/** The lines with the largest sums first. */
function toSeries(history: readonly Scrape[], values: readonly ReadonlyMap<string, number>[]): Series[] {
  const lines = new Map<string, Point[]>();
  values.forEach((byLine, index) => {
    for (const [line, value] of byLine) {
      const points = lines.get(line) ?? [];
      lines.set(line, points);
      points.push({ atMs: history[index]?.atMs ?? 0, value });
    }
  });
  const total = (points: readonly Point[]): number => points.reduce((sum, { value }) => sum + value, 0);
  return [...lines]
    .map(([name, points]) => ({ name, points }))
    .sort((a, b) => total(b.points) - total(a.points));
}
