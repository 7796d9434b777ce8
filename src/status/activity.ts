/** What the service has done since its start, by its metrics. */
export interface Activity {
  /** CRI calls that were answered. */
  readonly calls: number;
  /** Those that failed, by what failed, the most frequent first. */
  readonly failures: readonly { readonly rpc: string; readonly code: string; readonly count: number }[];
  /** Of the process; undefined where the metrics do not tell. */
  readonly memoryBytes: number | undefined;
  readonly cpuSeconds: number | undefined;
  /** Exec, attach and port-forward connections that were refused. */
  readonly refused: number;
}

/** Reads it from Prometheus' text format. */
export function activityIn(text: string): Activity {
  const samples = [...text.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)/gm)].map(([, name, labels = '', value]) => ({
    name,
    labels: new Map([...labels.matchAll(/(\w+)="((?:\\.|[^"\\])*)"/g)].map(([, key, text_]) => [key, text_])),
    value: Number(value),
  }));
  const named = (wanted: string) => samples.filter(({ name }) => name === wanted);
  const sum = (wanted: readonly { readonly value: number }[]): number =>
    wanted.reduce((total, { value }) => total + value, 0);
  const answered = named('cri_rpc_duration_seconds_count');
  return {
    calls: sum(answered),
    failures: answered
      .map(({ labels, value }) => ({
        rpc: labels.get('rpc') ?? '',
        code: labels.get('code') ?? '',
        count: value,
      }))
      .filter(({ code, count }) => code !== 'OK' && count > 0)
      .sort((one, other) => other.count - one.count),
    memoryBytes: named('process_resident_memory_bytes')[0]?.value,
    cpuSeconds: named('process_cpu_seconds_total')[0]?.value,
    refused: sum(named('cri_streaming_refused_total')),
  };
}
