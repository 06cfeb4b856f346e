// Keeps what is on the screen true: parts that live are fetched again and again. Everything works without it, by loading
// the page again.
"use strict";

(() => {
  const root = document.documentElement;
  const offline = document.getElementById("offline");
  const said = document.getElementById("said");
  const lives = [...document.querySelectorAll("[data-live]")].map((node) => ({
    node,
    every: Number(node.dataset.every),
    valid: Number(node.dataset.valid) || Infinity,
    text: null,
    version: node.querySelector("[data-version]")?.dataset.version,
    good: performance.now(),
    timer: 0,
    asking: false,
  }));
  const ring = document.querySelector(".ring");
  const seconds = document.querySelector("[data-seconds]");
  const pass = lives.find((live) => live.valid < Infinity);
  let due = 0;

  root.classList.add("script");

  const say = (text) => {
    if (said && text && said.textContent !== text) said.textContent = text;
  };

  const put = (live, text) => {
    if (text === live.text) return;
    const part = new DOMParser().parseFromString(text, "text/html");
    live.text = text;
    live.node.replaceChildren(...part.body.childNodes);
    const version = live.node.querySelector("[data-version]");
    if (version && live.version && live.version !== version.dataset.version && !document.querySelector("details[open]")) {
      location.replace(location.pathname); // what stands around this part has changed with it
      return;
    }
    const told = live.node.querySelector("[data-say]");
    if (told) say(told.dataset.say);
  };

  const startRing = (live) => {
    due = performance.now() + live.every;
    if (!ring) return;
    ring.style.setProperty("--turn", `${live.every}ms`);
    ring.classList.remove("runs");
    ring.getBoundingClientRect(); // so that the animation begins anew
    ring.classList.add("runs");
  };

  const isOld = (live, old) => {
    live.node.classList.toggle("old", old);
    const stale = live.node.parentElement.querySelector(".stale");
    if (stale) stale.hidden = !old;
  };

  const ask = async (live) => {
    if (live.asking) return;
    clearTimeout(live.timer);
    live.asking = true;
    let wait = live.every;
    try {
      const answer = await fetch(live.node.dataset.live, {
        headers: { Accept: "text/html" },
        redirect: "error",
        signal: AbortSignal.timeout(8000),
      });
      if (!answer.ok) throw new Error(String(answer.status));
      const next = answer.headers.get("X-Next");
      if (next) {
        location.replace(next);
        return;
      }
      put(live, await answer.text());
      live.good = performance.now();
      offline.hidden = true;
      if (live === pass) {
        isOld(live, false);
        startRing(live);
      }
    } catch {
      offline.hidden = false;
      wait = Math.min(wait, 3000);
      if (performance.now() - live.good > live.valid) isOld(live, true);
    } finally {
      live.asking = false;
    }
    if (!document.hidden) live.timer = setTimeout(() => ask(live), wait);
  };

  const keepAwake = async () => {
    try {
      if (pass && navigator.wakeLock && !document.hidden) await navigator.wakeLock.request("screen");
    } catch {
      // A phone may refuse; it then sleeps as it always does.
    }
  };

  for (const live of lives) live.timer = setTimeout(() => ask(live), live.every);
  if (pass) {
    startRing(pass);
    const count = () => {
      seconds.textContent = String(Math.max(0, Math.ceil((due - performance.now()) / 1000)));
    };
    count();
    setInterval(count, 250);
    keepAwake();
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    for (const live of lives) ask(live);
    keepAwake();
  });

  // A form is sent once, however often its button is tapped.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
  window.addEventListener("pageshow", () => {
    for (const form of document.forms) delete form.dataset.sent;
  });
})();
