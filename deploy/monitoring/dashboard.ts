/*
 * Usage: node dashboard.js >cridock-dashboard.json
 * Writes the Grafana dashboard of cridock's metrics (--metrics-bind-addr), for Grafana 10 and newer.
 */

/** One plot: lines by PromQL. `$node` is the node, or nodes, that the reader has chosen. */
interface Plot {
  readonly title: string;
  readonly about: string;
  /** Grafana's name of the unit: s, ops, Bps, bytes, short, percentunit. */
  readonly unit: string;
  /** PromQL by the legend of its lines. */
  readonly lines: Readonly<Record<string, string>>;
}

const ON_NODE = '{instance=~"$node"}';
const rate = (metric: string, by: string, match = ''): string =>
  `sum by (${by}) (rate(${metric}{instance=~"$node"${match}}[$__rate_interval]))`;
const quantile = (q: number, histogram: string, by: string): string =>
  `histogram_quantile(${q}, ${rate(`${histogram}_bucket`, `le, ${by}`)})`;
const sum = (metric: string): string => `sum(${metric}${ON_NODE})`;
const FAILED = ', code!="OK"';
/** Objects that are gone are often asked for: their removal is news of them too. */
const FAILED_REQUEST = ', code!~"OK|NOT_FOUND"';
/** The metric holds the time between two samples, of which this much is due. */
const EVENT_LOOP_SAMPLE_S = 0.1;

const ROWS: Readonly<Record<string, readonly Plot[]>> = {
  'What the kubelet sees': [
    {
      title: 'CRI calls',
      about: 'Calls a second that were answered, by RPC.',
      unit: 'ops',
      lines: { '{{rpc}}': rate('cri_rpc_duration_seconds_count', 'rpc') },
    },
    {
      title: 'CRI calls: median time',
      about: 'Half of the calls are faster. A pull takes as long as its image is large.',
      unit: 's',
      lines: { '{{rpc}}': quantile(0.5, 'cri_rpc_duration_seconds', 'rpc') },
    },
    {
      title: 'CRI calls: 99 of 100 are faster',
      about: 'The slowest calls, by RPC.',
      unit: 's',
      lines: { '{{rpc}}': quantile(0.99, 'cri_rpc_duration_seconds', 'rpc') },
    },
    {
      title: 'Failed calls',
      about: 'Of the CRI, of the Engine and of CNI plugins, by their code.',
      unit: 'ops',
      lines: {
        '{{rpc}} {{code}}': rate('cri_rpc_duration_seconds_count', 'rpc, code', FAILED),
        'Engine: {{operation}} {{code}}': rate(
          'cri_engine_request_duration_seconds_count',
          'operation, code',
          FAILED_REQUEST,
        ),
        'CNI {{operation}} {{code}}': rate(
          'cri_cni_operation_duration_seconds_count',
          'operation, code',
          FAILED,
        ),
      },
    },
  ],
  'Docker Engine and the network': [
    {
      title: 'Engine requests',
      about: 'Requests a second to Docker Engine.',
      unit: 'ops',
      lines: { '{{operation}}': rate('cri_engine_request_duration_seconds_count', 'operation') },
    },
    {
      title: 'Engine requests: 99 of 100 are faster',
      about: 'A busy disk or a busy Engine shows here first.',
      unit: 's',
      lines: { '{{operation}}': quantile(0.99, 'cri_engine_request_duration_seconds', 'operation') },
    },
    {
      title: 'CNI: 99 of 100 are faster',
      about: 'ADD, DEL, CHECK, STATUS and GC, all plugins of a network together.',
      unit: 's',
      lines: { '{{operation}}': quantile(0.99, 'cri_cni_operation_duration_seconds', 'operation') },
    },
    {
      title: 'Images from registries',
      about: 'Bytes a second, as they come; counted when a pull has ended.',
      unit: 'Bps',
      lines: { '{{instance}}': rate('cri_image_fetched_bytes_total', 'instance') },
    },
  ],
  'Pods and containers': [
    {
      title: 'Sandboxes and containers',
      about: 'All that cridock knows of, whether they run or have ended.',
      unit: 'short',
      lines: { sandboxes: sum('cri_sandboxes'), containers: sum('cri_containers') },
    },
    {
      title: 'Steps in their lives',
      about: 'Created, started, stopped and removed, a second.',
      unit: 'ops',
      lines: { '{{transition}}': rate('cri_life_events_total', 'transition') },
    },
    {
      title: 'Sessions and pulls',
      about: 'Open sessions of exec, attach and port-forward, those refused a second, and pulls that go on.',
      unit: 'short',
      lines: {
        sessions: sum('cri_streaming_sessions'),
        pulls: sum('cri_image_pulls'),
        'refused: {{reason}}': rate('cri_streaming_refused_total', 'reason'),
      },
    },
    {
      title: 'What is amiss',
      about:
        'Objects that the Engine cannot read, logs that cannot be written, and differences found by readings of all.',
      unit: 'short',
      lines: {
        'objects that cannot be read': sum('cri_objects_unreadable'),
        'logs that cannot be written': sum('cri_logs_failing'),
        'corrections an hour': `sum(increase(cri_state_divergences_total${ON_NODE}[1h]))`,
        'Engines away': `sum(1 - cri_engine_up${ON_NODE})`,
      },
    },
  ],
  'cridock itself': [
    {
      title: 'CPU',
      about: 'Of one core.',
      unit: 'percentunit',
      lines: { '{{instance}}': rate('process_cpu_seconds_total', 'instance') },
    },
    {
      title: 'Memory',
      about: 'Resident memory, and the heap that is used.',
      unit: 'bytes',
      lines: {
        '{{instance}} resident': `process_resident_memory_bytes${ON_NODE}`,
        '{{instance}} heap': `nodejs_heap_size_used_bytes${ON_NODE}`,
      },
    },
    {
      title: 'Event loop',
      about: 'How late timers ran, 99 of 100: work that holds up all calls at once, or too little CPU.',
      unit: 's',
      lines: {
        '{{instance}}': `clamp_min(nodejs_eventloop_lag_p99_seconds${ON_NODE} - ${EVENT_LOOP_SAMPLE_S}, 0)`,
      },
    },
    {
      title: 'Open files',
      about: 'Descriptors; containers whose log is followed take one or two each.',
      unit: 'short',
      lines: {
        '{{instance}}': `process_open_fds${ON_NODE}`,
        '{{instance}} limit': `process_max_fds${ON_NODE}`,
      },
    },
  ],
};

const PLOT_WIDTH = 6;
const PLOT_HEIGHT = 8;

const datasource = { type: 'prometheus', uid: '${datasource}' };

function plotPanel({ title, about, unit, lines }: Plot, id: number, x: number, y: number): object {
  return {
    id,
    type: 'timeseries',
    title,
    description: about,
    datasource,
    gridPos: { h: PLOT_HEIGHT, w: PLOT_WIDTH, x, y },
    fieldConfig: {
      defaults: { unit, min: 0, custom: { lineWidth: 1, fillOpacity: 10, showPoints: 'never' } },
      overrides: [],
    },
    options: {
      legend: { displayMode: 'list', placement: 'bottom', showLegend: true, calcs: [] },
      tooltip: { mode: 'multi', sort: 'desc' },
    },
    targets: Object.entries(lines).map(([legendFormat, expr], index) => ({
      refId: String.fromCharCode('A'.charCodeAt(0) + index),
      datasource,
      expr,
      legendFormat,
    })),
  };
}

function panels(): object[] {
  let id = 0;
  return Object.entries(ROWS).flatMap(([row, plots], rowIndex) => {
    const y = rowIndex * (PLOT_HEIGHT + 1);
    const heading = {
      id: (id += 1),
      type: 'row',
      title: row,
      collapsed: false,
      gridPos: { h: 1, w: 24, x: 0, y },
      panels: [],
    };
    return [heading, ...plots.map((plot, index) => plotPanel(plot, (id += 1), index * PLOT_WIDTH, y + 1))];
  });
}

const dashboard = {
  uid: 'cridock',
  title: 'cridock',
  description: 'CRI server for Kubernetes nodes that run Docker Engine',
  tags: ['kubernetes', 'cri', 'docker'],
  schemaVersion: 39,
  version: 1,
  editable: true,
  graphTooltip: 1,
  refresh: '30s',
  time: { from: 'now-3h', to: 'now' },
  timezone: 'browser',
  annotations: { list: [] },
  links: [],
  templating: {
    list: [
      {
        name: 'datasource',
        label: 'Data source',
        type: 'datasource',
        query: 'prometheus',
        hide: 0,
        refresh: 1,
        multi: false,
        includeAll: false,
      },
      {
        name: 'node',
        label: 'Node',
        type: 'query',
        datasource,
        query: 'label_values(cri_build_info, instance)',
        hide: 0,
        refresh: 2,
        sort: 1,
        multi: true,
        includeAll: true,
      },
    ],
  },
  panels: panels(),
};

console.log(JSON.stringify(dashboard, undefined, 2));
