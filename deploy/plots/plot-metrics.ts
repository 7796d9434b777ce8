/**
 * Draws what a running cridock does, as a page of plots, from its own `/metrics`: a look at one node without Prometheus.
 *
 * Usage:  node dist/deploy/plots/plot-metrics.js URL [SECONDS [EVERY]] >page.svg
 * Input:  URL, such as http://127.0.0.1:9099/metrics, where `--metrics-bind-addr` says; SECONDS to watch (default: 60), with
 *         a scrape EVERY so many (default: 2). SIGINT ends it early.
 * Output: an SVG image on stdout, for a browser, or for `rsvg-convert -o page.png page.svg`.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { renderPage } from './page.js';
import { PANELS } from './panels.js';
import { scrape, type Scrape } from './scrape.js';

const [url, seconds = '60', every = '2'] = process.argv.slice(2);
if (url === undefined || !(Number(seconds) > 0) || !(Number(every) > 0)) {
  console.error('usage: plot-metrics URL [SECONDS [EVERY]]');
  process.exit(2);
}
const interrupted = new AbortController();
process.once('SIGINT', () => interrupted.abort());

const history: Scrape[] = [await scrape(url)];
const endMs = Date.now() + Number(seconds) * 1000;
while (Date.now() < endMs && !interrupted.signal.aborted) {
  await delay(Number(every) * 1000, undefined, { signal: interrupted.signal }).catch(() => undefined);
  try {
    history.push(await scrape(url));
  } catch (error) {
    console.error(`plot-metrics: drawing what there is: ${String(error)}`);
    break;
  }
}
process.stdout.write(renderPage(`cridock at ${new URL(url).host}`, PANELS, history));
