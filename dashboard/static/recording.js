// One recording: its cameras in step, what really happened beside what a run saw, and labels by keys and clicks.
import { LitElement, html, svg, nothing, repeat } from "./lit.js";
import { _ } from "./words.js";

const DRIFT_S = 0.08;
const RUN_ASKED_MS = 1000;
const GRIP_S = 0.3; // so long before and after the instant of a key a hand is taken to be at the slot

class DeskRecording extends LitElement {
  static properties = {
    told: { state: true }, atS: { state: true }, endS: { state: true }, isPlaying: { state: true }, large: { state: true },
    chosen: { state: true }, draft: { state: true }, problem: { state: true }, run: { state: true },
  };
  #frame = 0;
  #isBusy = false;
  #asking = 0;

  constructor() {
    super();
    Object.assign(this, { told: null, atS: 0, endS: 0, isPlaying: false, large: null, chosen: null, problem: "", run: null });
    this.draft = { slot: "", sku: "", visit: "", quantity: 1 };
  }

  createRenderRoot() {
    return this;
  }

  connectedCallback() {
    this.replaceChildren();
    super.connectedCallback();
    document.addEventListener("keydown", this.#key);
    this.addEventListener("click", this.#letGo);
    this.#load();
    this.#askRun();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    document.removeEventListener("keydown", this.#key);
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#asking);
  }

  get #url() {
    return `/v1/desk/recordings/${encodeURIComponent(this.dataset.name)}`;
  }

  get #mayLabel() {
    return this.dataset.labels !== undefined;
  }

  get #label() {
    return this.told?.labels.find((each) => each.id === this.chosen) ?? null;
  }

  async #load() {
    const answer = await fetch(this.#url).catch(() => null);
    if (!answer?.ok) {
      this.problem = await reason(answer);
      return;
    }
    const told = await answer.json();
    if (!this.told) this.draft = { ...this.draft, visit: told.visits[0]?.id ?? "" };
    this.told = told;
  }

  // -- the run: asked after once a second while it lasts ------------------------------------

  async #askRun() {
    clearTimeout(this.#asking);
    const answer = await fetch(`${this.#url}/run`).catch(() => null);
    this.#takeRun(answer?.ok ? await answer.json() : this.run);
  }

  async #runs(what) {
    const answer = await fetch(`${this.#url}/run${what}`, { method: "POST", headers: { "X-CSRF": this.dataset.csrf } }).catch(() => null);
    this.problem = answer?.ok ? "" : await reason(answer);
    if (answer?.ok) this.#takeRun(await answer.json());
  }

  #takeRun(run) {
    const wasOn = this.run && !this.run.is_over;
    this.run = run;
    if (run && !run.is_over) this.#asking = setTimeout(() => this.#askRun(), RUN_ASKED_MS);
    else if (wasOn) this.#load();
  }

  #runner() {
    const { run } = this;
    if (!run?.can_run) return this.told.has_run ? nothing : html`<p class="soft small">${_("No run lies beside this recording: tillfree replay writes one to its folder run.")}</p>`;
    if (run.is_over) {
      return html`${run.problem ? html`<p class="notice bad" role="alert"><span>${run.problem}</span></p>` : nothing}
        ${this.#mayLabel ? html`<div class="tools"><button @click=${() => this.#runs("")}>${this.told.has_run ? _("Run the pipeline again") : _("Run the pipeline")}</button></div>` : nothing}`;
    }
    const percent = Math.round(run.share * 100);
    return html`<div class="bar"><progress max="100" value=${percent} aria-label=${_("The pipeline's progress")}></progress><output class="soft time">${percent} %</output>
      ${this.#mayLabel ? html`<button @click=${() => this.#runs("/cancel")}>${_("Cancel")}</button>` : nothing}</div>`;
  }

  // -- labels -------------------------------------------------------------------------

  async #change(what, more = {}) {
    if (!this.#mayLabel || this.#isBusy) return;
    this.#isBusy = true;
    const before = new Set(this.told.labels.map((each) => each.id));
    const body = JSON.stringify({ revision: this.told.revision, what, ...more });
    const headers = { "Content-Type": "application/json", "X-CSRF": this.dataset.csrf };
    const answer = await fetch(`${this.#url}/changes`, { method: "POST", headers, body }).catch(() => null);
    this.#isBusy = false;
    this.problem = answer?.ok ? "" : await reason(answer);
    if (answer?.ok) this.told = { ...this.told, ...(await answer.json()) };
    else if (answer?.status === 409) await this.#load();
    if (what === "add" && answer?.ok) this.#choose(this.told.labels.find((each) => !before.has(each.id)) ?? null);
    if (!this.#label) this.chosen = null;
  }

  #add(kind) {
    const slot = this.told.slots.find((each) => each.id === this.draft.slot);
    if (!slot) {
      this.problem = _("Choose a slot first: in a picture, or in the list.");
      return;
    }
    this.pause();
    const { sku, visit, quantity } = this.draft;
    const event = { kind, shelf: slot.shelf, slot: slot.id, sku: sku || slot.sku || null, visit: visit || null, quantity,
      from_s: Math.max(0, this.atS - GRIP_S), to_s: this.atS + GRIP_S };
    this.#change("add", { event });
  }

  #edit(changes) {
    const label = this.#label;
    if (!label) return;
    const { kind, shelf, slot, sku, quantity, visit, from_s, to_s } = { ...label, ...changes };
    this.#change("edit", { id: label.id, event: { kind, shelf, slot, sku, quantity, visit, from_s, to_s } });
  }

  #confirm() {
    const at = this.told.labels.findIndex((each) => each.id === this.chosen);
    if (at < 0) return;
    const next = this.told.labels.slice(at + 1).find((each) => each.provenance === "proposed");
    this.#change("confirm", { id: this.chosen }).then(() => next && this.#choose(next, true));
  }

  #choose(label, goes = false) {
    this.chosen = label?.id ?? null;
    if (!label) return;
    this.draft = { slot: label.slot ?? "", sku: label.sku ?? "", visit: label.visit ?? "", quantity: label.quantity };
    if (goes) this.#go((label.from_s + label.to_s) / 2);
  }

  // A slot that is chosen in a picture is for the next label: the one that was chosen before stays as it is.
  #chooseSlot(slot) {
    this.chosen = null;
    this.draft = { ...this.draft, slot, sku: "", quantity: 1 };
    this.problem = "";
  }

  #field(changes) {
    this.draft = { ...this.draft, ...changes };
    if (!this.#label) {
      if ("slot" in changes) this.draft = { ...this.draft, sku: "" };
      return;
    }
    const found = this.told.slots.find((each) => each.id === this.draft.slot);
    this.#edit({ slot: found?.id ?? null, shelf: found?.shelf ?? this.#label.shelf, sku: this.draft.sku || null, visit: this.draft.visit || null, quantity: this.draft.quantity });
  }

  #bound(which) {
    const label = this.#label;
    if (!label) return;
    const at_s = Math.max(0, this.atS);
    if (which === "from") this.#edit({ from_s: at_s, to_s: Math.max(at_s, label.to_s) });
    else this.#edit({ from_s: Math.min(at_s, label.from_s), to_s: at_s });
  }

  #move(count) {
    const rows = this.#rows().filter((each) => each.label);
    const at = rows.findIndex((each) => each.label.id === this.chosen);
    const next = rows[Math.min(rows.length - 1, Math.max(0, at + count))];
    if (next) this.#choose(next.label, true);
  }

  // A button that was clicked, not typed, lets the keys go: Enter then confirms, and space plays.
  #letGo = (event) => {
    if (event.detail > 0) event.target.closest("button")?.blur();
  };

  #key = (event) => {
    if (!this.told || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog")) return;
    const onButton = event.target.closest("button, a, summary") && !event.target.closest("[aria-current=true]");
    const does = { " ": () => this.toggle(), ArrowLeft: () => this.step(-1), ArrowRight: () => this.step(1), ArrowUp: () => this.#move(-1), ArrowDown: () => this.#move(1),
      Escape: () => { this.chosen = null; }, t: () => this.#add("pick"), p: () => this.#add("put_back"), Enter: () => this.#confirm(),
      Delete: () => this.chosen !== null && this.#change("remove", { id: this.chosen }), z: () => this.#change("undo"), "[": () => this.#bound("from"), "]": () => this.#bound("to") }[event.key];
    if (!does || (onButton && (event.key === " " || event.key === "Enter"))) return;
    event.preventDefault();
    does();
  };

  // -- the player: all videos follow the one that ends last, each by its own offset -------

  toggle() {
    if (this.isPlaying) this.pause();
    else this.play();
  }

  play() {
    if (this.atS >= this.endS - 0.05) this.#go(0);
    this.isPlaying = true;
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(this.#tick);
  }

  pause() {
    this.isPlaying = false;
    cancelAnimationFrame(this.#frame);
    for (const video of this.#videos()) video.pause();
  }

  /** Go `count` pictures on, or back. */
  step(count) {
    const lead = this.#lead();
    if (!lead) return;
    this.pause();
    const { fps, offset_s } = this.#camera(lead);
    this.#go((Math.round((this.atS - offset_s) * fps) + count) / fps + offset_s);
  }

  #videos() {
    return [...this.querySelectorAll("video")];
  }

  #camera(video) {
    return this.told.cameras.find((each) => each.id === video.dataset.camera);
  }

  #end(video) {
    return Number.isFinite(video.duration) ? video.duration + this.#camera(video).offset_s : -1;
  }

  #lead() {
    return this.#videos().reduce((best, each) => (this.#end(each) > (best ? this.#end(best) : 0) ? each : best), null);
  }

  #measure = () => {
    const lead = this.#lead();
    if (lead) this.endS = this.#end(lead);
  };

  #tick = () => {
    const lead = this.#lead();
    if (lead) {
      this.atS = lead.currentTime + this.#camera(lead).offset_s;
      if (lead.ended) return this.pause();
      if (lead.paused) lead.play().catch(() => {});
      this.#follow(lead);
    }
    this.#frame = requestAnimationFrame(this.#tick);
  };

  #go(atS) {
    const lead = this.#lead();
    this.atS = Math.min(this.endS, Math.max(0, atS));
    if (lead) this.#place(lead);
    this.#follow(lead);
  }

  // A little into the picture: its exact first instant is now and then shown as the one before.
  #place(video) {
    const wanted = this.atS - this.#camera(video).offset_s + (this.isPlaying ? 0 : 0.002);
    video.currentTime = Math.min(video.duration, Math.max(0, wanted));
  }

  #follow(lead) {
    for (const video of this.#videos()) {
      if (video === lead || !Number.isFinite(video.duration) || video.seeking) continue;
      const wanted = this.atS - this.#camera(video).offset_s;
      const runs = this.isPlaying && wanted >= 0 && wanted < video.duration;
      if (runs && video.paused) video.play().catch(() => {});
      if (!runs && !video.paused) video.pause();
      if (!runs || Math.abs(video.currentTime - wanted) > DRIFT_S) this.#place(video);
    }
  }

  // -- what is shown ----------------------------------------------------------------------

  render() {
    const alarm = this.problem ? html`<p class="notice bad" role="alert"><span>${this.problem}</span></p>` : nothing;
    if (!this.told) return this.problem ? alarm : html`<p class="soft">${_("Loading …")}</p>`;
    return html`${alarm}
      <div class="recording">
        <section class="card stack" aria-label=${_("Pictures")}>${this.#pictures()}${this.#bar()}</section>
        <div class="stack">${this.#mayLabel ? this.#desk() : nothing}${this.#table()}</div>
      </div>`;
  }

  #pictures() {
    return html`<div class=${`tiles${this.large ? " has-large" : ""}`}>${repeat(this.told.cameras, (each) => each.id, (camera) => html`
      <figure class=${`tile${this.large === camera.id ? " large" : ""}`}>
        ${camera.plays ? html`<div class="scene">
          <video src=${`${this.#url}/videos/${encodeURIComponent(camera.id)}`} .muted=${true} playsinline preload="auto" data-camera=${camera.id} @loadedmetadata=${this.#measure}
            @error=${() => this.#broken(camera)}></video>
          <svg viewBox="0 0 1 1" preserveAspectRatio="none" aria-hidden="true">${camera.slots.map((slot) => svg`<polygon data-slot=${slot.id} points=${slot.area.map((each) => each.join()).join(" ")}
            class=${this.draft.slot === slot.id ? "chosen" : ""} @click=${() => this.#mayLabel && this.#chooseSlot(slot.id)}><title>${slot.id}</title></polygon>`)}</svg></div>`
        : html`<p class="soft gone">${_("Pictures in a folder: no browser plays them.")}</p>`}
        <figcaption><b>${camera.id}</b><span class="moves"><button aria-pressed=${this.large === camera.id} aria-label=${_("Camera {camera}: show it large", { camera: camera.id })}
          @click=${() => { this.large = this.large === camera.id ? null : camera.id; }}>⤢</button></span></figcaption>
      </figure>`)}</div>`;
  }

  #bar() {
    return html`<div class="bar" role="group" aria-label=${_("Player")}>
      <button @click=${() => this.toggle()}>${this.isPlaying ? _("Pause") : _("Play")}</button>
      <button @click=${() => this.step(-1)} aria-label=${_("One picture back")}>←</button>
      <input type="range" min="0" max=${this.endS || 1} step="0.01" .value=${String(this.atS)} aria-label=${_("Place in the recording")} aria-valuetext=${seconds(this.atS)}
        @input=${(event) => { this.pause(); this.#go(Number(event.target.value)); }}>
      <button @click=${() => this.step(1)} aria-label=${_("One picture on")}>→</button>
      <output class="soft time">${seconds(this.atS)} / ${seconds(this.endS)}</output>
    </div>`;
  }

  #desk() {
    const { draft, told } = this;
    const label = this.#label;
    const own = told.slots.find((each) => each.id === draft.slot)?.sku;
    return html`<section class="card" aria-labelledby="desk-head">
      <h2 id="desk-head">${this.#headline(label)}
        ${label ? source(label.provenance) : nothing}</h2>
      <div class="fields">
        <div><label for="f-slot">${_("Slot")}</label><select id="f-slot" .value=${draft.slot} @change=${(event) => this.#field({ slot: event.target.value })}>
          <option value="" ?selected=${!draft.slot}>–</option>${told.slots.map((each) => html`<option value=${each.id} ?selected=${each.id === draft.slot}>${each.id}</option>`)}</select></div>
        <div><label for="f-sku">${_("Product")}</label><select id="f-sku" .value=${draft.sku} @change=${(event) => this.#field({ sku: event.target.value })}>
          <option value="" ?selected=${!draft.sku}>${this.#noProduct(label, own)}</option>${told.products.map((each) => html`<option value=${each.sku} ?selected=${each.sku === draft.sku}>${each.name}</option>`)}</select></div>
        <div><label for="f-visit">${_("Who")}</label><select id="f-visit" .value=${draft.visit} @change=${(event) => this.#field({ visit: event.target.value })}>
          <option value="" ?selected=${!draft.visit}>${_("not known")}</option>${told.visits.map((each) => html`<option value=${each.id} ?selected=${each.id === draft.visit}>${_("{visit}, in at {at}", { visit: each.id, at: seconds(each.scanned_at_s) })}</option>`)}</select></div>
        <div><label for="f-quantity">${_("How many")}</label><input id="f-quantity" type="number" min="1" max="100" .value=${String(draft.quantity)} @change=${(event) => this.#field({ quantity: Math.max(1, Math.trunc(Number(event.target.value)) || 1) })}></div>
      </div>
      <div class="tools">
        <button @click=${() => this.#add("pick")}>${_("Took")} <kbd>t</kbd></button>
        <button @click=${() => this.#add("put_back")}>${_("Put back")} <kbd>p</kbd></button>
        <button ?disabled=${label?.provenance !== "proposed"} @click=${() => this.#confirm()}>${_("Confirm")} <kbd>Enter</kbd></button>
        <button ?disabled=${!label} @click=${() => this.#change("remove", { id: this.chosen })}>${_("Remove")} <kbd>Delete</kbd></button>
        <button ?disabled=${!label} @click=${() => this.#bound("from")}>${_("Begins here")} <kbd>[</kbd></button>
        <button ?disabled=${!label} @click=${() => this.#bound("to")}>${_("Ends here")} <kbd>]</kbd></button>
        <button ?disabled=${!told.can_undo} @click=${() => this.#change("undo")}>${_("Undo")} <kbd>z</kbd></button>
      </div>
      <div class="tools">
        <button ?disabled=${!told.seen.length} @click=${() => this.#change("propose")}>${_("Propose what the run saw")}</button>
        <label class="check"><input type="checkbox" .checked=${told.is_complete} ?disabled=${this.#proposed > 0} @change=${(event) => this.#change(event.target.checked ? "complete" : "incomplete")}>
          ${_("Everything that happened is labelled")}</label>
      </div>
      <p class="soft small">${this.#outlook()}</p>
    </section>`;
  }

  #broken(camera) {
    this.problem = _("The video of {camera} cannot be played here.", { camera: camera.id });
  }

  #headline(label) {
    if (label) return _("Chosen label, {from} to {to}", { from: seconds(label.from_s), to: seconds(label.to_s) });
    return _("New label at {at}", { at: seconds(this.atS) });
  }

  #noProduct(label, own) {
    return !label && own ? _("as the slot has: {name}", { name: this.#name(own) }) : _("not known");
  }

  #outlook() {
    if (this.#proposed) return _("Only proposed: {count}. Confirm or remove each.", { count: this.#proposed });
    return this.told.is_complete ? _("Ready for tillfree evaluate.") : _("Picks and put-backs are scored once all are labelled.");
  }

  get #proposed() {
    return this.told.labels.filter((each) => each.provenance === "proposed").length;
  }

  #rows() {
    const { labels, seen } = this.told;
    const rows = labels.map((label) => ({ label, seen: label.pair === null ? null : seen[label.pair], at: label.from_s }));
    rows.push(...seen.filter((each) => each.pair === null).map((each) => ({ label: null, seen: each, at: each.from_s })));
    return rows.sort((a, b) => a.at - b.at);
  }

  #table() {
    const { told } = this;
    const rows = this.#rows();
    return html`<section class="card" aria-labelledby="events-head"><h2 id="events-head">${_("What happened, and what the run saw")}</h2>
      ${told.run_problem ? html`<p class="notice wait" role="status"><span>${told.run_problem}</span></p>` : nothing}
      ${this.#runner()}
      ${rows.length ? html`<table class="events"><thead><tr><th scope="col">${_("At")}</th><th scope="col">${_("Truth")}</th><th scope="col">${_("Run")}</th></tr></thead>
        <tbody>${rows.map((row) => this.#row(row))}</tbody></table>` : html`<p class="soft">${_("Nothing yet.")}</p>`}
    </section>`;
  }

  #row({ label, seen, at }) {
    const wrong = label && seen ? ["slot", "sku", "visit", "quantity"].filter((each) => label[each] !== null && label[each] !== seen[each]) : [];
    const isChosen = label !== null && label.id === this.chosen;
    return html`<tr class=${isChosen ? "chosen" : ""}>
      <td><button class="switch" aria-current=${isChosen ? "true" : "false"} aria-label=${goTo(at)}
        @click=${() => (label ? this.#choose(label, true) : this.#go((seen.from_s + seen.to_s) / 2))}>${seconds(at)}</button></td>
      <td>${label ? html`${this.#said(label, [])} ${source(label.provenance)}` : html`<span class="pill wait">${_("not in the truth")}</span>`}</td>
      <td>${seen ? this.#said(seen, wrong) : this.told.has_run ? html`<span class="pill bad">${_("missed")}</span>` : "–"}${wrong.length ? html` <span class="pill bad">${_("differs")}</span>` : nothing}</td>
    </tr>`;
  }

  #said(event, wrong) {
    const part = (name, text) => (wrong.includes(name) ? html`<mark>${text}</mark>` : text);
    return html`<b>${event.kind === "pick" ? _("took") : _("put back")}</b> ${part("quantity", event.quantity)} × ${part("sku", event.sku ? this.#name(event.sku) : "?")}
      <span class="soft small">${part("slot", event.slot ?? event.shelf)} · ${part("visit", event.visit ?? "?")}</span>`;
  }

  #name(sku) {
    return this.told.products.find((each) => each.sku === sku)?.name ?? sku;
  }
}

const SOURCES = { proposed: ["wait", _("proposed")], confirmed: ["good", _("confirmed")], edited: ["good", _("edited")], added: ["good", _("added")] };

function source(provenance) {
  const found = SOURCES[provenance];
  return found ? html`<span class=${`pill ${found[0]}`}>${found[1]}</span>` : nothing;
}

async function reason(answer) {
  if (!answer) return _("No connection.");
  const told = await answer.json().catch(() => ({}));
  return told.detail ?? _("That was not done ({status}).", { status: answer.status });
}

const goTo = (at) => _("Go to {at}", { at: seconds(at) });

const seconds = (value) => `${value.toFixed(2)} s`;

customElements.define("desk-recording", DeskRecording);
