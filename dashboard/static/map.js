// The floor from above: shelves, gates, cameras and what they see, people and where they walked.
import { LitElement, html, svg } from "./lit.js";
import { colourOf } from "./colours.js";
import { _ } from "./words.js";

const TRAIL_MS = 8_000;
const MARGIN_M = 0.6;

export class DeskMap extends LitElement {
  static properties = { plan: {}, floor: {}, cameras: {}, numbers: {}, chosen: {} };
  #trails = new Map();

  createRenderRoot() {
    return this;
  }

  willUpdate(changed) {
    if (!changed.has("floor") || !this.floor) return;
    const { at_ms, people } = this.floor;
    for (const walker of people) {
      const trail = this.#trails.get(walker.person) ?? [];
      trail.push({ at_ms, at: walker.at });
      this.#trails.set(walker.person, trail);
    }
    for (const [person, trail] of this.#trails) {
      const fresh = trail.filter((each) => Math.abs(at_ms - each.at_ms) < TRAIL_MS);
      if (fresh.length) this.#trails.set(person, fresh);
      else this.#trails.delete(person);
    }
  }

  render() {
    if (!this.plan) return html`<p class="soft">${_("Waiting for the store …")}</p>`;
    const xs = this.plan.floor.map(([x]) => x), ys = this.plan.floor.map(([, y]) => y);
    const [left, right] = [Math.min(...xs) - MARGIN_M, Math.max(...xs) + MARGIN_M];
    const [low, high] = [Math.min(...ys) - MARGIN_M, Math.max(...ys) + MARGIN_M];
    this.flip = (y) => low + high - y;
    const people = this.floor?.people ?? [];
    const told = _("Floor plan, {count} people", { count: people.length });
    return html`<svg class="map" role="img" aria-label=${told} viewBox=${`${left} ${low} ${right - left} ${high - low}`}>
      <title>${told}</title>
      <polygon class="floor" points=${this.#points(this.plan.floor)}></polygon>
      ${this.plan.zones.map((zone) => svg`<polygon class=${`zone ${zone.kind}`} points=${this.#points(zone.area)}></polygon>`)}
      ${this.plan.cameras.map((camera) => this.#camera(camera))}
      ${this.plan.gondolas.map((gondola) => this.#gondola(gondola))}
      ${this.plan.walls.map((wall) => svg`<polyline class="wall" points=${this.#points(wall)}></polyline>`)}
      ${this.plan.gates.map((gate) => svg`<polyline class="gate" points=${this.#points(gate.line)}><title>${gate.id}</title></polyline>`)}
      ${[...this.#trails].map(([person, trail]) => this.#trail(person, trail))}
      ${people.map((walker) => this.#walker(walker))}
    </svg>`;
  }

  #points(points) {
    return points.map(([x, y]) => `${x},${this.flip(y)}`).join(" ");
  }

  #camera(camera) {
    const health = this.cameras?.find((each) => each.camera === camera.id);
    const kind = health?.is_up === false ? "bad" : health?.detail ? "wait" : "good";
    const [x, y] = [camera.at[0], this.flip(camera.at[1])];
    return svg`<g class=${`camera ${kind}${camera.id === this.chosen ? " chosen" : ""}`}>
      <polygon class="view" points=${this.#points(camera.view)}></polygon>
      <circle cx=${x} cy=${y} r=".12"></circle>
      <text x=${x} y=${y - 0.2} text-anchor="middle">${camera.id}</text></g>`;
  }

  #gondola(gondola) {
    const [x, y] = middle(gondola.area), at = this.flip(y);
    const turned = isTall(gondola.area) ? `rotate(-90 ${x} ${at})` : "";
    return svg`<g class="gondola"><polygon points=${this.#points(gondola.area)}></polygon>
      <text x=${x} y=${at + 0.08} text-anchor="middle" transform=${turned}>${gondola.id}</text></g>`;
  }

  #trail(person, trail) {
    const points = this.#points(trail.map((each) => each.at));
    return svg`<polyline class="trail" stroke=${colourOf(this.numbers.get(person))} points=${points}></polyline>`;
  }

  #walker(walker) {
    const number = this.numbers.get(walker.person);
    const [x, y] = [walker.at[0], this.flip(walker.at[1])];
    return svg`<g class=${`walker${walker.seen ? "" : " unseen"}`}>
      <circle cx=${x} cy=${y} r=".22" fill=${colourOf(number)}></circle>
      <text x=${x} y=${y + 0.08} text-anchor="middle">${number === undefined ? "?" : number + 1}${walker.uncertain ? "?" : ""}</text></g>`;
  }
}

function middle(area) {
  const sum = area.reduce(([x, y], [a, b]) => [x + a, y + b], [0, 0]);
  return sum.map((each) => each / area.length);
}

function isTall(area) {
  const long = (axis) => Math.max(...area.map((each) => each[axis])) - Math.min(...area.map((each) => each[axis]));
  return long(1) > long(0);
}

customElements.define("desk-map", DeskMap);
