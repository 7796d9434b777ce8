import { drawing, escape } from './svg.js';

/*
 * Usage: node architecture.js
 * Prints docs/architecture.svg: whom cridock speaks to, and its folders by who may import whom. test/unit/docs.test.ts holds the
 * table to the folders of src.
 */

interface Box {
  readonly name: string;
  readonly text: string;
  /** In columns of the row, of which there are twelve. */
  readonly columns: number;
  readonly kind?: 'outside';
}

interface Row {
  /** What goes from the row above to this one. */
  readonly arrows?: readonly { readonly column: number; readonly text: string }[];
  readonly boxes: readonly Box[];
}

const outside = (name: string, text: string, columns: number): Box => ({
  name,
  text,
  columns,
  kind: 'outside',
});
const part = (name: string, text: string, columns: number): Box => ({ name, text, columns });

/** From those who call cridock down to what it calls; a box may use those in the rows below it. */
const ROWS: readonly Row[] = [
  {
    boxes: [
      outside('kubelet, crictl', 'run and watch pods', 4),
      outside('kubectl', 'exec, attach, port-forward by the kubelet', 4),
      outside('you', 'cridock doctor, status, sysdump, migrate', 4),
    ],
  },
  {
    arrows: [
      { column: 2, text: 'CRI v1, gRPC' },
      { column: 6, text: 'SPDY, WebSocket' },
      { column: 10, text: 'command line' },
    ],
    boxes: [
      part('server', 'sockets, gRPC, a wrapper round each call', 4),
      part('streaming', 'tokens, framing, sessions', 4),
      part('cli · doctor · status', 'sysdump · migrate · unit · client', 4),
    ],
  },
  {
    boxes: [
      part('cri', 'one file an RPC: pods, containers, images, exec', 9),
      part('app', 'builds and wires all', 3),
    ],
  },
  { boxes: [part('checkpoint', 'the state of containers in archives, by criu', 12)] },
  {
    boxes: [
      part('images', 'what is known of them', 2),
      part('stats', 'usage, from cgroups', 2),
      part('limits', 'what Docker cannot set', 2),
      part('events', 'of containers', 2),
      part('companion', 'an OCI runtime of ours', 2),
      part('nri', 'plugins of the node', 2),
    ],
  },
  {
    boxes: [
      part('docker', 'requests, events', 2.5),
      part('state', 'picture, checkpoints', 2),
      part('network', 'CNI, namespaces', 2),
      part('logs', 'CRI log files', 2),
      part('node', 'look-ups', 1.5),
      part('observability', 'metrics, traces', 2),
    ],
  },
  {
    boxes: [
      part('convert', 'pure translation between CRI and Docker', 6),
      part('util', 'errors, locks', 3),
      part('gen', 'types of the CRI', 3),
    ],
  },
  {
    arrows: [
      { column: 1.5, text: 'HTTP on a unix socket' },
      { column: 6, text: 'programs by the CNI specification' },
      { column: 10.5, text: 'files' },
    ],
    boxes: [
      outside('Docker Engine', '20.10 to 29: containers, images, exec', 4),
      outside('CNI plugins', 'the network of each pod', 4),
      outside('the kernel', 'cgroups, /proc, /var/log/pods', 4),
    ],
  },
];

const COLUMN = 80;
const BOX = { height: 52, gap: 10, round: 6 };
const ARROW_HEIGHT = 40;
const MARGIN = 20;

const parts: string[] = [];
let y = MARGIN;
let frame: { top: number; bottom: number } | undefined;
for (const { arrows = [], boxes } of ROWS) {
  if (arrows.length > 0) {
    for (const { column, text } of arrows) {
      const x = MARGIN + column * COLUMN;
      parts.push(
        `<path class="arrow" d="M${x} ${y - BOX.gap + 4}v${ARROW_HEIGHT - 2}" marker-end="url(#head)"/>`,
      );
      parts.push(`<text class="small" x="${x + 10}" y="${y + ARROW_HEIGHT / 2 - 4}">${escape(text)}</text>`);
    }
    y += ARROW_HEIGHT;
  }
  let x = MARGIN;
  for (const { name, text, columns, kind = 'part' } of boxes) {
    const width = columns * COLUMN - BOX.gap;
    parts.push(
      `<rect class="${kind}" x="${x}" y="${y}" width="${width}" height="${BOX.height}" rx="${BOX.round}"/>`,
    );
    parts.push(`<text class="name" x="${x + width / 2}" y="${y + 22}">${escape(name)}</text>`);
    parts.push(`<text class="small middle" x="${x + width / 2}" y="${y + 40}">${escape(text)}</text>`);
    x += columns * COLUMN;
  }
  if (boxes[0]?.kind !== 'outside')
    frame = { top: frame?.top ?? y - BOX.gap, bottom: y + BOX.height + BOX.gap };
  y += BOX.height + BOX.gap;
}
const size = { width: 12 * COLUMN + 2 * MARGIN - BOX.gap, height: y - BOX.gap + MARGIN };
const own =
  frame === undefined
    ? ''
    : `<rect class="frame" x="${MARGIN / 2}" y="${frame.top}" width="${size.width - MARGIN}" height="${frame.bottom - frame.top}" rx="10"/>`;
console.log(drawing(size, [own, ...parts]));
