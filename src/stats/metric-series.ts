import { WireWriter } from '../util/wire-writer.js';
import { METRICS, type MetricName } from './metric-descriptors.js';

/** Of PodSandboxMetrics and of ContainerMetrics alike. */
const METRICS_FIELD = 2;

/** Field numbers of Metric. */
const NAME_FIELD = 1;
const TYPE_FIELD = 3;
const LABEL_VALUES_FIELD = 4;
const VALUE_FIELD = 5;

/** The first fields of each Metric, its name and type, encoded. */
export type MetricHeads = ReadonlyMap<MetricName, Buffer>;

export function encodeHeads(): MetricHeads {
  const writer = new WireWriter();
  return new Map(
    (Object.keys(METRICS) as MetricName[]).map((name) => [
      name,
      writer.encode(() => {
        writer.text(NAME_FIELD, name);
        writer.number(TYPE_FIELD, METRICS[name].type);
      }),
    ]),
  );
}

/** Writes the metrics of one container or sandbox. The labels that all of them have are encoded once. */
export class MetricSeries {
  readonly #heads: MetricHeads;
  readonly #commonLabels: Buffer;

  /** `labelValues` are those of COMMON_LABELS. */
  constructor(heads: MetricHeads, labelValues: readonly string[]) {
    this.#heads = heads;
    const writer = new WireWriter();
    this.#commonLabels = writer.encode(() => {
      for (const value of labelValues) writer.text(LABEL_VALUES_FIELD, value);
    });
  }

  /** Writes one metric with the values of its own labels. What is not a number of 0 or more is left out. */
  write(writer: WireWriter, name: MetricName, value: number | undefined, labels?: readonly string[]): void {
    const head = this.#heads.get(name);
    if (head === undefined || value === undefined || !(value >= 0)) return;
    const start = writer.begin(METRICS_FIELD);
    writer.bytes(head);
    writer.bytes(this.#commonLabels);
    if (labels !== undefined) for (const label of labels) writer.text(LABEL_VALUES_FIELD, label);
    writer.wrapped(VALUE_FIELD, Math.floor(value));
    writer.end(start);
  }
}
