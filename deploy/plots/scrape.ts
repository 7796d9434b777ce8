/** One line of a scrape, as `name{label="value"} 1`. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** What Prometheus would take at one moment. */
export interface Scrape {
  /** Unix milliseconds. */
  readonly atMs: number;
  readonly samples: readonly Sample[];
}

/** Reads `/metrics` once. Throws when it does not answer 200. */
export async function scrape(url: string): Promise<Scrape> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: HTTP ${response.status}`);
  return { atMs: Date.now(), samples: parseExposition(await response.text()) };
}

/** Reads Prometheus' text format, version 0.0.4. Samples without a value are left out. */
export function parseExposition(text: string): Sample[] {
  const samples: Sample[] = [];
  for (const [, name = '', labels = '', value = ''] of text.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)/gm)) {
    const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key = '', of = '']) => [
      key,
      of,
    ]);
    if (Number.isNaN(Number(value))) continue;
    samples.push({ name, labels: Object.fromEntries(pairs) as Record<string, string>, value: Number(value) });
  }
  return samples;
}
