// A spark line: the last samples of a number as a small drawing.

const NS = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [84, 22];

/** How many samples are kept: a minute, at one a second. */
export const SAMPLES = 60;

/** An empty drawing. */
export function spark() {
  const svg = document.createElementNS(NS, "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("width", WIDTH);
  svg.setAttribute("height", HEIGHT);
  svg.setAttribute("class", "spark");
  svg.setAttribute("role", "img");
  for (const name of ["area", "line"]) {
    const path = document.createElementNS(NS, "path");
    path.setAttribute("class", name);
    svg.append(path);
  }
  return svg;
}

/**
 * Draws `samples`, the newest at the right edge. The height is their peak, at least 8: a depth of one
 * must not look like a mountain.
 */
export function drawSpark(svg, samples) {
  const peak = Math.max(8, ...samples);
  const step = WIDTH / (SAMPLES - 1);
  const start = WIDTH - (samples.length - 1) * step;
  const points = samples.map((value, i) => `${(start + i * step).toFixed(1)} ${(HEIGHT - 1.5 - (value / peak) * (HEIGHT - 4)).toFixed(1)}`);
  const line = points.length ? `M${points.join("L")}` : "";
  svg.children[0].setAttribute("d", points.length > 1 ? `${line}L${WIDTH} ${HEIGHT}L${start.toFixed(1)} ${HEIGHT}Z` : "");
  svg.children[1].setAttribute("d", line);
  svg.setAttribute("aria-label", `Depth in the last ${samples.length} samples: at most ${Math.max(0, ...samples)}, now ${samples.at(-1) ?? 0}`);
}
