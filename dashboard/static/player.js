// The clips of all cameras in step: the longest leads, the others follow it; and the slot before and after.
import { LitElement, html, nothing, repeat } from "./lit.js";
import { _ } from "./words.js";

const DRIFT_S = 0.08;
const SPEEDS = [1, 2, 0.5];
const AROUND = 1; // how much of its surroundings is shown beside a slot, in its own sizes

class DeskPlayer extends LitElement {
  static properties = { clips: { state: true }, isPlaying: { state: true }, atMs: { state: true }, endMs: { state: true }, large: { state: true }, speed: { state: true }, failed: { state: true } };
  #frame = 0;

  constructor() {
    super();
    this.isPlaying = false;
    this.atMs = 0;
    this.endMs = 0;
    this.large = null;
    this.speed = 1;
    this.failed = new Set();
  }

  createRenderRoot() {
    return this;
  }

  // The server's own videos say what there is; they work alone where there are no scripts.
  connectedCallback() {
    if (!this.clips) {
      this.clips = [...this.querySelectorAll("video")].map((video) => ({ camera: video.dataset.camera, src: video.getAttribute("src"),
        firstMs: Number(video.dataset.firstMs), pictures: Number(video.dataset.pictures), area: corners(video.dataset.area) }));
      this.replaceChildren();
    }
    super.connectedCallback();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    cancelAnimationFrame(this.#frame);
  }

  firstUpdated() {
    this.#compare();
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) this.play();
  }

  updated(changed) {
    if (changed.has("large") && changed.get("large") !== undefined) this.#compare();
  }

  render() {
    const many = this.clips.length;
    const speed = _("Speed: {speed} times", { speed: this.speed });
    return html`
      <div class=${`clips n${Math.min(many, 4)}${this.large === null ? "" : " has-large"}`}>
        ${repeat(this.clips, (each) => each.src, (clip, index) => html`
          <figure class=${`clip${this.large === index ? " large" : ""}`}>
            <button class="picture" @click=${() => { this.large = this.large === index ? null : index; }} aria-pressed=${this.large === index}
              aria-label=${this.large === index ? _("Camera {camera}: show it small", clip) : _("Camera {camera}: show it large", clip)}>
              <video src=${clip.src} .muted=${true} playsinline preload="auto" data-camera=${clip.camera} @loadedmetadata=${this.#measure}
                @ended=${this.#again} @error=${() => { this.failed = new Set([...this.failed, clip.camera]); }}></video>
            </button>
            <figcaption><b>${clip.camera}</b>${this.failed.has(clip.camera) ? html`<span class="told">${_("cannot be played")}</span>` : nothing}</figcaption>
          </figure>`)}
      </div>
      <div class="bar" role="group" aria-label=${_("Player")}>
        <button @click=${() => this.toggle()} aria-label=${this.isPlaying ? _("Pause") : _("Play")}>${sign(this.isPlaying ? "M7 5v14M17 5v14" : "M7 4l12 8-12 8z")}</button>
        <button @click=${() => this.step(-1)} aria-label=${_("One picture back")}>${sign("M15 5l-7 7 7 7")}</button>
        <input type="range" min="0" max=${this.endMs} step="10" .value=${String(this.atMs)} @input=${(event) => this.#scrub(Number(event.target.value))}
          aria-label=${_("Place in the clip")} aria-valuetext=${seconds(this.atMs)}>
        <button @click=${() => this.step(1)} aria-label=${_("One picture on")}>${sign("M9 5l7 7-7 7")}</button>
        <button class="speed" @click=${this.#faster} aria-label=${speed}>${this.speed} ×</button>
        <span class="soft time">${seconds(this.atMs)} / ${seconds(this.endMs)}</span>
      </div>
      <div class="compare">
        <figure><canvas class="before" width="400" height="300" role="img" aria-label=${_("The place before")}></canvas><figcaption>${_("Before")}</figcaption></figure>
        <figure><canvas class="after" width="400" height="300" role="img" aria-label=${_("The place after")}></canvas><figcaption>${_("After")}</figcaption></figure>
      </div>`;
  }

  toggle() {
    if (this.isPlaying) this.pause();
    else this.play();
  }

  play() {
    this.isPlaying = true;
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(this.#tick);
  }

  pause() {
    this.isPlaying = false;
    cancelAnimationFrame(this.#frame);
    for (const video of this.#videos()) video.pause();
    this.#follow();
  }

  /** Go `count` pictures on, or back. */
  step(count) {
    this.pause();
    const lead = this.#lead();
    if (!lead) return;
    const everyMs = this.endMs / Math.max(1, this.clips[lead.index].pictures - 1);
    this.#seek(Math.min(this.endMs, Math.max(0, (Math.round(this.atMs / everyMs) + count) * everyMs)));
  }

  #videos() {
    return [...this.querySelectorAll(".clips video")];
  }

  #lead() {
    const ready = this.#videos().map((video, index) => ({ video, index })).filter((each) => Number.isFinite(each.video.duration));
    return ready.reduce((best, each) => (best && best.video.duration >= each.video.duration ? best : each), null);
  }

  #measure = () => {
    this.endMs = Math.round((this.#lead()?.video.duration ?? 0) * 1000);
  };

  #tick = () => {
    const lead = this.#lead();
    if (lead && this.isPlaying) {
      this.atMs = Math.round(lead.video.currentTime * 1000);
      lead.video.playbackRate = this.speed;
      if (lead.video.paused && !lead.video.ended) lead.video.play().catch(() => {});
      this.#follow();
    }
    if (this.isPlaying) this.#frame = requestAnimationFrame(this.#tick);
  };

  #again = (event) => {
    if (this.isPlaying && event.target === this.#lead()?.video) this.#seek(0);
  };

  #scrub(atMs) {
    if (this.isPlaying) this.pause();
    this.#seek(atMs);
  }

  #seek(atMs) {
    const lead = this.#lead();
    if (!lead) return;
    this.atMs = Math.round(atMs);
    lead.video.currentTime = atMs / 1000;
    this.#follow(atMs);
  }

  // Cameras began some milliseconds apart: each is where the leader's instant is in its own clip.
  #follow(atMs = this.atMs) {
    const lead = this.#lead();
    if (!lead) return;
    this.#videos().forEach((video, index) => {
      if (video === lead.video || !Number.isFinite(video.duration) || video.seeking) return;
      const wanted = (atMs + this.clips[lead.index].firstMs - this.clips[index].firstMs) / 1000;
      const inside = Math.min(video.duration, Math.max(0, wanted));
      const runs = this.isPlaying && !lead.video.paused && inside === wanted;
      video.playbackRate = this.speed;
      if (runs && video.paused) video.play().catch(() => {});
      if (!runs && !video.paused) video.pause();
      if (Math.abs(video.currentTime - inside) > (runs ? DRIFT_S * this.speed : 0.001)) video.currentTime = inside;
    });
  }

  #faster = () => {
    this.speed = SPEEDS[(SPEEDS.indexOf(this.speed) + 1) % SPEEDS.length];
  };

  // The slot in the first and in the last picture, by the camera that is large or else sees it largest.
  #compare() {
    const sizes = this.clips.map((clip) => size(clip.area));
    const clip = this.clips[this.large ?? sizes.indexOf(Math.max(...sizes))];
    const video = Object.assign(document.createElement("video"), { muted: true, preload: "auto", src: clip.src });
    const places = [[".before", () => 0.001], [".after", () => Math.max(0, video.duration - 0.02)]];
    const next = () => {
      const place = places.shift();
      if (!place) return video.removeAttribute("src");
      video.onseeked = () => {
        draw(this.querySelector(place[0]), video, clip);
        next();
      };
      video.currentTime = place[1]();
    };
    video.onloadeddata = next;
  }
}

function draw(canvas, video, clip) {
  if (!canvas) return;
  const [width, height] = [video.videoWidth, video.videoHeight];
  const cut = around(clip.area, width, height);
  canvas.height = Math.round((canvas.width * cut.height) / cut.width);
  const pen = canvas.getContext("2d");
  const scale = canvas.width / cut.width;
  pen.drawImage(video, cut.left, cut.top, cut.width, cut.height, 0, 0, canvas.width, canvas.height);
  if (clip.area.length) {
    for (const [style, line] of [["rgba(0, 0, 0, .6)", 5], ["#ffffff", 2]]) {
      pen.beginPath();
      clip.area.forEach(([x, y], index) => pen[index ? "lineTo" : "moveTo"]((x * width - cut.left) * scale, (y * height - cut.top) * scale));
      pen.closePath();
      pen.strokeStyle = style;
      pen.lineWidth = line;
      pen.stroke();
    }
  }
  canvas.dataset.camera = clip.camera;
}

// Four by three, with the slot in its middle; the whole picture where no slot is known.
function around(area, width, height) {
  if (!area.length) return { left: 0, top: 0, width, height };
  const [xs, ys] = [area.map(([x]) => x * width), area.map(([, y]) => y * height)];
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const wide = Math.min(width, height * 4 / 3, Math.max((right - left) * (1 + 2 * AROUND), (bottom - top) * (1 + 2 * AROUND) * 4 / 3));
  const tall = wide * 3 / 4;
  const inside = (middle, length, end) => Math.min(end - length, Math.max(0, middle - length / 2));
  return { left: inside((left + right) / 2, wide, width), top: inside((top + bottom) / 2, tall, height), width: wide, height: tall };
}

const corners = (text) => (text ? text.split(" ").map((each) => each.split(",").map(Number)) : []);

function size(area) {
  if (!area.length) return 0;
  const [xs, ys] = [area.map(([x]) => x), area.map(([, y]) => y)];
  return (Math.max(...xs) - Math.min(...xs)) * (Math.max(...ys) - Math.min(...ys));
}

const sign = (path) => html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d=${path}></path></svg>`;
const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;

customElements.define("desk-player", DeskPlayer);
