import type { Panel } from './panels.js';
import type { Scrape } from './scrape.js';
import type { Series } from './series.js';

const COLUMNS = 2;
const PANEL = { width: 720, height: 250 };
const MARGIN = { top: 30, right: 14, bottom: 22, left: 62 };
const HEADER_HEIGHT = 56;
/** Room for the longest names of calls with their codes. */
const LEGEND_WIDTH = 300;
/** Lines beyond these are left out, and counted in the legend. */
const COLORS = ['#1f77b4', '#d62728', '#2ca02c', '#ff7f0e', '#9467bd', '#17becf', '#8c564b', '#7f7f7f'];
const TICKS = 4;

/** The page as an SVG image, which needs nothing beside it. */
export function renderPage(title: string, panels: readonly Panel[], history: readonly Scrape[]): string {
  const rows = Math.ceil(panels.length / COLUMNS);
  const [width, height] = [COLUMNS * PANEL.width, HEADER_HEIGHT + rows * PANEL.height];
  const drawn = panels.map((panel, index) => {
    const x = (index % COLUMNS) * PANEL.width;
    const y = HEADER_HEIGHT + Math.floor(index / COLUMNS) * PANEL.height;
    return `<g transform="translate(${x},${y})">${drawPanel(panel, history)}</g>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="11">`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
    `<text x="14" y="24" font-size="17">${escape(title)}</text>`,
    `<text x="14" y="42" fill="#555">${escape(describe(history))}</text>`,
    ...drawn,
    '</svg>\n',
  ].join('\n');
}

function describe(history: readonly Scrape[]): string {
  const [first, last] = [history[0], history.at(-1)];
  if (first === undefined || last === undefined) return 'no scrapes';
  const seconds = Math.round((last.atMs - first.atMs) / 1000);
  return `${history.length} scrapes in ${seconds} s, from ${new Date(first.atMs).toISOString()}`;
}

function drawPanel({ title, unit, lines }: Panel, history: readonly Scrape[]): string {
  const all = lines(history);
  const shown = all.slice(0, COLORS.length);
  const area = {
    width: PANEL.width - MARGIN.left - MARGIN.right - LEGEND_WIDTH,
    height: PANEL.height - MARGIN.top - MARGIN.bottom,
  };
  const startMs = history[0]?.atMs ?? 0;
  const lengthMs = Math.max(1, (history.at(-1)?.atMs ?? 0) - startMs);
  const top = niceTop(Math.max(0, ...shown.flatMap(({ points }) => points.map(({ value }) => value))));
  const xOf = (atMs: number): number => ((atMs - startMs) / lengthMs) * area.width;
  const yOf = (value: number): number => area.height * (1 - value / top);
  const grid = Array.from({ length: TICKS + 1 }, (_, tick) => {
    const value = (top * tick) / TICKS;
    return (
      `<line x2="${area.width}" y1="${yOf(value)}" y2="${yOf(value)}" stroke="#ddd"/>` +
      `<text x="-6" y="${yOf(value) + 4}" text-anchor="end" fill="#555">${format(value, unit)}</text>`
    );
  });
  const paths = shown.map((series, index) => drawLine(series, COLORS[index] ?? '', xOf, yOf));
  return [
    `<text x="${MARGIN.left}" y="18" font-size="13" font-weight="bold">${escape(title)}</text>`,
    `<g transform="translate(${MARGIN.left},${MARGIN.top})">`,
    ...grid,
    `<text y="${area.height + 15}" fill="#555">0 s</text>`,
    `<text x="${area.width}" y="${area.height + 15}" text-anchor="end" fill="#555">${Math.round(lengthMs / 1000)} s</text>`,
    ...paths,
    drawLegend(all, unit, area.width + 12),
    '</g>',
  ].join('\n');
}

function drawLine(
  { points }: Series,
  color: string,
  xOf: (atMs: number) => number,
  yOf: (value: number) => number,
): string {
  const places = points.map(({ atMs, value }) => [xOf(atMs).toFixed(1), yOf(value).toFixed(1)] as const);
  const path = `<polyline points="${places.map((place) => place.join(',')).join(' ')}" fill="none" stroke="${color}" stroke-width="1.5"/>`;
  // So that single points are seen too.
  const dots = places.map(([x, y]) => `<circle cx="${x}" cy="${y}" r="1.6" fill="${color}"/>`);
  return path + dots.join('');
}

/** The lines' names with their last values. */
function drawLegend(all: readonly Series[], unit: Panel['unit'], x: number): string {
  const entries = all.slice(0, COLORS.length).map(({ name, points }, index) => {
    const y = 8 + index * 16;
    const last = format(points.at(-1)?.value ?? 0, unit);
    return (
      `<rect x="${x}" y="${y - 8}" width="9" height="9" fill="${COLORS[index] ?? ''}"/>` +
      `<text x="${x + 13}" y="${y}">${escape(name)} <tspan fill="#555">${last}</tspan></text>`
    );
  });
  if (all.length > COLORS.length) {
    const y = 8 + COLORS.length * 16;
    entries.push(`<text x="${x + 13}" y="${y}" fill="#555">and ${all.length - COLORS.length} more</text>`);
  }
  if (all.length === 0) entries.push(`<text x="${x + 13}" y="8" fill="#555">nothing to show</text>`);
  return entries.join('\n');
}

/** The next of 1, 2, 4, 5, 8 times a power of ten. */
function niceTop(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 4, 5, 8, 10].find((step) => step * power >= value) ?? 10) * power;
}

function format(value: number, unit: Panel['unit']): string {
  switch (unit) {
    case 'seconds':
      return value === 0 ? '0' : value < 1 ? `${trimmed(value * 1000)} ms` : `${trimmed(value)} s`;
    case 'per second':
      return `${trimmed(value)}/s`;
    case 'bytes':
      return value >= 1e6
        ? `${trimmed(value / 1e6)} MB`
        : value >= 1e3
          ? `${trimmed(value / 1e3)} kB`
          : `${trimmed(value)} B`;
    case 'share':
      return `${trimmed(value * 100)} %`;
    case 'count':
      return trimmed(value);
  }
}

function trimmed(value: number): string {
  return String(Number(value.toPrecision(3)));
}

function escape(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}
