const TIMEOUT_MS = 10_000;

/** The metrics that the service of this node serves, in Prometheus' text format. Rejects when they cannot be had. */
export async function readMetrics({
  host,
  port,
}: {
  readonly host: string;
  readonly port: number;
}): Promise<string> {
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}/metrics`;
  const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!response.ok) throw new Error(`${url} answers ${response.status}`);
  return response.text();
}
