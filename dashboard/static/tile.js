// One camera: its latest picture, and what was found in it drawn over it.
import { LitElement, html } from "./lit.js";
import { NOBODY, colourOf } from "./colours.js";
import { _, timeOfDay } from "./words.js";

// COCO's skeleton: which of its seventeen points are joined.
const BONES = [[5, 6], [5, 7], [7, 9], [6, 8], [8, 10], [5, 11], [6, 12], [11, 12], [11, 13], [13, 15], [12, 14], [14, 16]];

export class DeskTile extends LitElement {
  static properties = { camera: {}, health: {}, shown: {}, numbers: {}, lit: {}, large: { type: Boolean }, isFirst: {}, isLast: {} };
  #tile = null;
  #isBusy = false;

  createRenderRoot() {
    return this;
  }

  /** Show a picture; one that comes while the last is still being decoded is left out. */
  async show(tile) {
    if (this.#isBusy) return;
    this.#isBusy = true;
    try {
      const picture = await createImageBitmap(tile.jpeg);
      this.#tile?.picture.close();
      this.#tile = { ...tile, picture };
      this.#draw();
    } finally {
      this.#isBusy = false;
    }
  }

  updated() {
    this.#draw();
  }

  render() {
    const id = this.camera.id;
    const detail = this.health && !this.health.is_up ? this.health.detail || _("no picture") : this.health?.detail;
    return html`
      <figure class=${`tile${this.large ? " large" : ""}${this.health?.is_up === false ? " down" : ""}`}>
        <button class="picture" @click=${() => this.#tell("enlarge")} aria-pressed=${this.large}
          aria-label=${this.large ? _("Camera {camera}: show it small", { camera: id }) : _("Camera {camera}: show it large", { camera: id })}>
          <canvas width="640" height="360" role="presentation"></canvas>
        </button>
        <figcaption>
          <span class=${`dot ${this.health?.is_up ? (detail ? "wait" : "good") : "bad"}`}></span>
          <b>${id}</b>
          <span class="soft">${this.health ? _("{fps} fps", { fps: this.health.fps }) : ""}</span>
          <time class="soft"></time>
          <span class="told">${detail ?? ""}</span>
          <span class="moves">
            <button @click=${() => this.#tell("move", -1)} ?disabled=${this.isFirst} aria-label=${_("Move {camera} forward", { camera: id })}>‹</button>
            <button @click=${() => this.#tell("move", 1)} ?disabled=${this.isLast} aria-label=${_("Move {camera} back", { camera: id })}>›</button>
          </span>
        </figcaption>
      </figure>`;
  }

  #tell(what, detail = 0) {
    this.dispatchEvent(new CustomEvent(what, { detail, bubbles: true }));
  }

  #draw() {
    const canvas = this.querySelector("canvas");
    if (!this.#tile || !canvas) return;
    const { picture, bodies, at_ms } = this.#tile;
    const width = Math.max(picture.width, Math.round(canvas.clientWidth * devicePixelRatio));
    const scale = width / picture.width;
    const height = Math.round(picture.height * scale);
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    const pen = canvas.getContext("2d");
    pen.drawImage(picture, 0, 0, width, height);
    pen.lineJoin = "round";
    if (this.shown.slots) this.#slots(pen, width, height);
    for (const body of bodies) this.#body(pen, body, scale);
    this.querySelector("time").textContent = timeOfDay(at_ms);
    canvas.dataset.atMs = at_ms;
    canvas.dataset.bodies = bodies.length;
  }

  #slots(pen, width, height) {
    pen.lineWidth = Math.max(1, devicePixelRatio);
    for (const slot of this.camera.slots) {
      const isLit = this.lit.has(slot.id);
      pen.strokeStyle = isLit ? "#ffffff" : "rgba(255, 255, 255, .45)";
      pen.beginPath();
      slot.area.forEach(([x, y], index) => pen[index ? "lineTo" : "moveTo"](x * width, y * height));
      pen.closePath();
      pen.stroke();
      if (isLit) {
        pen.fillStyle = "rgba(255, 255, 255, .35)";
        pen.fill();
      }
    }
  }

  #body(pen, body, scale) {
    const number = this.numbers.get(body.person);
    const colour = number === undefined ? NOBODY : colourOf(number);
    const [left, top, right, bottom] = body.box.map((each) => each * scale);
    const line = Math.max(2, 2 * devicePixelRatio);
    if (this.shown.boxes) {
      outlined(pen, colour, line, () => pen.rect(left, top, right - left, bottom - top));
    }
    if (this.shown.skeletons) {
      for (const [from, to] of BONES) {
        const [a, b] = [body.points[from], body.points[to]];
        if (a && b) outlined(pen, colour, line, () => { pen.moveTo(a[0] * scale, a[1] * scale); pen.lineTo(b[0] * scale, b[1] * scale); });
      }
    }
    if (this.shown.hands) {
      for (const [x, y] of body.hands) outlined(pen, colour, line, () => pen.arc(x * scale, y * scale, 3 * line, 0, 7));
    }
    if (this.shown.names && body.person !== null) {
      const text = number === undefined ? _("person {person}", body) : _("visit {number}", { number: number + 1 });
      label(pen, text, left, top, colour);
    }
  }
}

function outlined(pen, colour, line, trace) {
  for (const [style, width] of [["rgba(0, 0, 0, .6)", line + 2], [colour, line]]) {
    pen.beginPath();
    trace();
    pen.strokeStyle = style;
    pen.lineWidth = width;
    pen.stroke();
  }
}

function label(pen, text, x, y, colour) {
  const size = 13 * devicePixelRatio;
  pen.font = `600 ${size}px system-ui, sans-serif`;
  const width = pen.measureText(text).width + size;
  const top = Math.max(0, y - 1.5 * size);
  const left = Math.min(Math.max(0, x), Math.max(0, pen.canvas.width - width));
  pen.fillStyle = colour;
  pen.fillRect(left, top, width, 1.5 * size);
  pen.fillStyle = "#101210";
  pen.fillText(text, left + size / 2, top + 1.1 * size);
}

customElements.define("desk-tile", DeskTile);
