import type { Metric } from '../gen/runtime/v1/Metric.js';
import { WireWriter, messageTag, numberTag, varintLength } from '../util/wire-writer.js';
import { METRICS, type MetricName } from './metric-descriptors.js';

/** Of PodSandboxMetrics and of ContainerMetrics alike. */
const METRICS_FIELD = 2;
/** `Metric.value`, and the number inside of it. */
const VALUE_FIELD = 5;
const NUMBER_FIELD = 1;

/**
 * The metrics of one container or sandbox, encoded. All but the value is the same from call to call, names and labels
 * above all, and is encoded once.
 */
export class MetricSeries {
  readonly #heads = new Map<string, Buffer>();
  readonly #labelValues: readonly string[];
  readonly #encode: (metric: Metric) => Buffer;

  /** `labelValues` are those of COMMON_LABELS. */
  constructor(labelValues: readonly string[], encode: (metric: Metric) => Buffer) {
    this.#labelValues = labelValues;
    this.#encode = encode;
  }

  /** Writes one metric with the values of its own labels. What is not a number of 0 or more is left out. */
  write(writer: WireWriter, name: MetricName, value: number | undefined, labels: readonly string[]): void {
    if (value === undefined || !(value >= 0)) return;
    const whole = Math.floor(value);
    const head = this.#head(name, labels);
    const numberLength = 1 + varintLength(whole);
    writer.byte(messageTag(METRICS_FIELD));
    writer.varint(head.length + 1 + varintLength(numberLength) + numberLength);
    writer.bytes(head);
    writer.byte(messageTag(VALUE_FIELD));
    writer.varint(numberLength);
    writer.byte(numberTag(NUMBER_FIELD));
    writer.varint(whole);
  }

  #head(name: MetricName, labels: readonly string[]): Buffer {
    const key = labels.length === 0 ? name : `${name} ${labels.join(' ')}`;
    let head = this.#heads.get(key);
    if (head === undefined) {
      head = this.#encode({
        name,
        metric_type: METRICS[name].type,
        label_values: [...this.#labelValues, ...labels],
      });
      this.#heads.set(key, head);
    }
    return head;
  }
}
