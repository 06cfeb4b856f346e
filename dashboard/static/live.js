// The live page: cameras, floor and carts, as they are now.
import { LitElement, html, nothing, repeat } from "./lit.js";
import { COLOURS } from "./colours.js";
import { Link } from "./link.js";
import "./map.js";
import "./tile.js";
import { _, timeOfDay, useZone } from "./words.js";

const KEPT = "desk.live";
const SHOWN = { boxes: true, skeletons: true, names: true, hands: true, slots: false };
const LABELS = { boxes: _("Boxes"), skeletons: _("Skeletons"), names: _("Names"), hands: _("Hands"), slots: _("Slots") };
const KEYS = { b: "boxes", k: "skeletons", n: "names", h: "hands", s: "slots" };
const STATES = { waiting: _("expected"), shopping: _("shopping"), left: _("has left") };

class DeskLive extends LitElement {
  static properties = { answers: { type: Boolean }, plan: { state: true }, now: { state: true }, floor: { state: true }, isOpen: { state: true }, shown: { state: true }, order: { state: true }, large: { state: true } };
  #link = new Link();

  constructor() {
    super();
    const kept = readKept();
    this.shown = { ...SHOWN, ...kept.shown };
    this.order = kept.order ?? [];
    this.large = null;
    this.isOpen = true;
  }

  createRenderRoot() {
    return this;
  }

  connectedCallback() {
    super.connectedCallback();
    this.#link.addEventListener("plan", (event) => { useZone(event.detail.time_zone); this.plan = event.detail; });
    this.#link.addEventListener("now", (event) => { this.now = event.detail; });
    this.#link.addEventListener("floor", (event) => { this.floor = event.detail; });
    this.#link.addEventListener("state", (event) => { this.isOpen = event.detail; });
    this.#link.addEventListener("tile", ({ detail }) => {
      [...this.querySelectorAll("desk-tile")].find((each) => each.camera.id === detail.camera)?.show(detail);
    });
    document.addEventListener("keydown", this.#press);
    document.addEventListener("visibilitychange", this.#watch);
    this.#link.start();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    document.removeEventListener("keydown", this.#press);
    document.removeEventListener("visibilitychange", this.#watch);
    this.#link.stop();
  }

  updated(changed) {
    if (changed.has("plan") || changed.has("large")) this.#watch();
    if (changed.has("shown") || changed.has("order")) localStorage.setItem(KEPT, JSON.stringify({ shown: this.shown, order: this.order }));
  }

  render() {
    if (!this.plan) return html`<p class="soft">${this.isOpen ? _("Waiting for the store …") : _("No connection. Trying again …")}</p>`;
    const numbers = this.#numbers(), cameras = this.#cameras();
    return html`
      ${this.isOpen ? nothing : html`<p class="notice wait" role="status">${_("No connection. Trying again …")}</p>`}
      ${this.#summary()}
      <section class="cameras" aria-label=${_("Cameras")}>
        <div class="tools" role="group" aria-label=${_("Drawn over the pictures")}>
          ${Object.keys(SHOWN).map((name) => html`<button class="switch" aria-pressed=${this.shown[name]} @click=${() => this.#toggle(name)}
            title=${_("Key: {key}", { key: keyOf(name) })}>${LABELS[name]}</button>`)}
          <button class="switch help" @click=${() => this.querySelector("dialog").showModal()} aria-label=${_("Keys of this page")}>?</button>
        </div>
        <div class=${`tiles${this.large ? " has-large" : ""}`}>
          ${repeat(cameras, (each) => each.id, (camera, index) => html`
            <desk-tile .camera=${camera} .health=${this.now?.cameras.find((each) => each.camera === camera.id)} .shown=${this.shown}
              .numbers=${numbers} .lit=${new Set()} ?large=${camera.id === this.large} .isFirst=${index === 0} .isLast=${index === cameras.length - 1}
              draggable="true" @dragstart=${(event) => event.dataTransfer.setData("text/plain", camera.id)} @dragover=${(event) => event.preventDefault()}
              @drop=${(event) => { event.preventDefault(); this.#place(event.dataTransfer.getData("text/plain"), index); }}
              @enlarge=${() => { this.large = this.large === camera.id ? null : camera.id; }}
              @move=${(event) => this.#place(camera.id, index + event.detail)}></desk-tile>`)}
        </div>
      </section>
      <aside class="side">
        <section class="card" aria-labelledby="floor-head"><h2 id="floor-head">${_("Floor")}</h2>
          <desk-map .plan=${this.plan} .floor=${this.floor} .cameras=${this.now?.cameras} .numbers=${numbers} .chosen=${this.large}></desk-map></section>
        <section class="card" aria-labelledby="carts-head"><h2 id="carts-head">${_("Carts")}</h2>${this.#carts()}</section>
      </aside>
      ${this.#help()}`;
  }

  #summary() {
    const now = this.now;
    if (!now) return nothing;
    const faults = now.faults.map((each) => html`<p class="notice bad" role="alert">${each}</p>`);
    const alert = now.alerts.at(-1);
    return html`<div class="summary">
      <span class=${`pill ${now.is_open && !now.faults.length ? "good" : "bad"}`}>${now.is_open ? _("Open") : _("Closed")}</span>
      <span><b>${now.people_inside}</b> ${_("inside")}</span>
      <span><b>${now.visits.length}</b> ${now.visits.length === 1 ? _("visit") : _("visits")}</span>
      ${this.answers ? html`<a class=${now.reviews ? "ask" : ""} href="/reviews"><b>${now.reviews}</b> ${_("to review")}</a>`
        : html`<span class=${now.reviews ? "ask" : ""}><b>${now.reviews}</b> ${_("to review")}</span>`}
      </div>${faults}${alert ? html`<p class="notice wait" role="status">${alert}</p>` : nothing}`;
  }

  #carts() {
    const visits = this.now?.visits ?? [];
    if (!visits.length) return html`<p class="soft">${_("Nobody is shopping. A cart appears here when somebody comes in.")}</p>`;
    return html`<ul class="carts" aria-live="polite">${repeat(visits, (each) => each.visit_id, (visit) => html`
      <li class=${`cart c${visit.number % COLOURS.length}`}>
        <header><b>${_("visit {number}", { number: visit.number + 1 })}</b>
          <span class="soft">${STATES[visit.state]} · ${_("since {time}", { time: timeOfDay(visit.opened_ms) })}${visit.party_size > 1 ? ` · ${_("group of {count}", { count: visit.party_size })}` : ""}</span></header>
        ${visit.reviews ? html`<p class="pill wait">${_("waits for an answer")}</p>` : nothing}
        ${visit.trouble ? html`<p class="pill bad">${visit.trouble}</p>` : nothing}
        ${visit.lines.length ? html`<ul class="lines">${repeat(visit.lines, (line) => line.sku, (line) => this.#line(line))}</ul>` : html`<p class="soft">${_("nothing yet")}</p>`}
      </li>`)}</ul>`;
  }

  #line(line) {
    const sure = Math.round(line.probability * 100);
    return html`<li><span>${line.quantity} × ${line.name}</span>
      <meter min="0" max="100" low="60" high="85" optimum="100" value=${sure} aria-label=${_("How sure: {sure} of 100", { sure })}></meter>
      <small class="soft">${sure} %</small></li>`;
  }

  #help() {
    return html`<dialog aria-labelledby="keys-head"><h2 id="keys-head">${_("Keys of this page")}</h2>
      <dl class="keys">
        <dt><kbd>1</kbd> – <kbd>9</kbd></dt><dd>${_("show a camera large, or all again")}</dd>
        <dt><kbd>Esc</kbd></dt><dd>${_("show all cameras")}</dd>
        ${Object.entries(KEYS).map(([key, name]) => html`<dt><kbd>${key}</kbd></dt><dd>${LABELS[name]}</dd>`)}
      </dl>
      <form method="dialog"><button class="primary" autofocus>${_("Close")}</button></form></dialog>`;
  }

  #numbers() {
    const numbers = new Map();
    for (const visit of this.now?.visits ?? []) for (const person of visit.people) numbers.set(person, visit.number);
    return numbers;
  }

  #cameras() {
    const place = (camera) => { const index = this.order.indexOf(camera.id); return index < 0 ? this.order.length : index; };
    return this.plan.cameras.toSorted((a, b) => place(a) - place(b));
  }

  #place(id, index) {
    const ids = this.#cameras().map((each) => each.id);
    if (!ids.includes(id)) return;
    const others = ids.filter((each) => each !== id);
    others.splice(Math.max(0, index), 0, id);
    this.order = others;
  }

  #toggle(name) {
    this.shown = { ...this.shown, [name]: !this.shown[name] };
  }

  // A page that nobody sees asks for no pictures; a large camera alone is asked for at its size, the others stay small beside it.
  #watch = () => {
    if (this.plan) this.#link.watch(document.hidden ? [] : this.plan.cameras.map((each) => each.id));
  };

  #press = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input, textarea, select, dialog")) return;
    const camera = this.plan && /^[1-9]$/.test(event.key) ? this.#cameras()[Number(event.key) - 1] : null;
    if (camera) this.large = this.large === camera.id ? null : camera.id;
    else if (event.key === "Escape") this.large = null;
    else if (event.key === "?") this.querySelector("dialog")?.showModal();
    else if (KEYS[event.key]) this.#toggle(KEYS[event.key]);
  };
}

const keyOf = (name) => Object.keys(KEYS).find((key) => KEYS[key] === name);

function readKept() {
  try {
    return JSON.parse(localStorage.getItem(KEPT)) ?? {};
  } catch {
    return {};
  }
}

customElements.define("desk-live", DeskLive);
