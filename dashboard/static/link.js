// The live socket: what the store tells, and which cameras are asked for. It comes back by itself.
const LEAST_MS = 500;
const MOST_MS = 15_000;
const SIGNED_OUT = new Set([4401, 4403]);
const decoder = new TextDecoder();

/** Tells its listeners "plan", "now", "floor" and "tile" with what came as `detail`, and "state" when it opens or closes. */
export class Link extends EventTarget {
  isOpen = false;
  #socket;
  #cameras = [];
  #waitMs = LEAST_MS;
  #timer = 0;

  start() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/v1/live`);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.#waitMs = LEAST_MS;
      this.#state(true);
      this.#ask();
    };
    socket.onmessage = (event) => this.#hear(event.data);
    socket.onclose = (event) => {
      this.#state(false);
      if (SIGNED_OUT.has(event.code)) {
        location.assign(`/sign-in?next=${encodeURIComponent(location.pathname)}`);
        return;
      }
      this.#timer = setTimeout(() => this.start(), this.#waitMs);
      this.#waitMs = Math.min(MOST_MS, this.#waitMs * 2);
    };
    this.#socket = socket;
  }

  stop() {
    clearTimeout(this.#timer);
    if (this.#socket) this.#socket.onclose = null;
    this.#socket?.close();
  }

  /** Ask for these cameras' pictures and no others. */
  watch(cameras) {
    if (cameras.join() === this.#cameras.join()) return;
    this.#cameras = cameras;
    this.#ask();
  }

  #ask() {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ watch: this.#cameras }));
  }

  #state(isOpen) {
    this.isOpen = isOpen;
    this.dispatchEvent(new CustomEvent("state", { detail: isOpen }));
  }

  #hear(data) {
    if (typeof data === "string") {
      const told = JSON.parse(data);
      this.dispatchEvent(new CustomEvent(told.kind, { detail: told }));
      return;
    }
    const length = new DataView(data).getUint32(0);
    const head = JSON.parse(decoder.decode(new Uint8Array(data, 4, length)));
    const jpeg = new Blob([new Uint8Array(data, 4 + length)], { type: "image/jpeg" });
    this.dispatchEvent(new CustomEvent("tile", { detail: { ...head, jpeg } }));
  }
}
