/** The styles of all pictures of the documentation; they are seen on light and on dark pages. */
const STYLE = `
text { font: 12px sans-serif; fill: #24292f }
.name { font-size: 15px; font-weight: bold; text-anchor: middle }
.small { fill: #57606a }
.middle { text-anchor: middle }
.part { fill: #ddf4ff; stroke: #54aeff }
.outside { fill: #f6f8fa; stroke: #8c959f }
.frame { fill: #ffffff; stroke: #0969da; stroke-dasharray: 5 4 }
.arrow { stroke: #57606a; stroke-width: 1.5; fill: none }
.terminal { fill: #1c2128 }
.told, .command, .good, .bad { font: 14px "DejaVu Sans Mono", monospace; fill: #cdd9e5 }
.command { fill: #6cb6ff }
.good { fill: #6bc46d }
.bad { fill: #f47067 }`;

/** An SVG image that needs nothing beside it. */
export function drawing(
  size: { readonly width: number; readonly height: number },
  parts: readonly string[],
): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${size.width}" height="${size.height}" viewBox="0 0 ${size.width} ${size.height}">`,
    `<style>${STYLE}\n</style>`,
    '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" fill="#57606a"/></marker></defs>',
    `<rect width="${size.width}" height="${size.height}" rx="10" fill="#ffffff"/>`,
    ...parts,
    '</svg>',
  ].join('\n');
}

/** Text for XML. */
export function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
