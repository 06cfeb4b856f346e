// The reviews' pages: keys, what runs out, and keeping a question while its page is open. Answers are the page's own forms.
import "./player.js";
import { _ } from "./words.js";

const HEARTBEAT_MS = 2000, CLIPS_MS = 1000, FIRST_MS = 700, GONE_MS = 1500;
const question = document.querySelector("#question");
const csrf = document.querySelector("input[name=csrf]").value;
let isSent = false;

for (const each of document.querySelectorAll("[data-scripts]")) each.hidden = false;
document.querySelector("[data-help]")?.addEventListener("click", help);

function help() {
  document.querySelector("#keys").showModal();
}

// -- what runs out: counted from when it was shown, for this browser's clock may be another one

const shown = new WeakMap();

function count() {
  for (const each of document.querySelectorAll("[data-left-ms]")) {
    if (!shown.has(each)) shown.set(each, performance.now());
    const leftMs = Number(each.dataset.leftMs) - (performance.now() - shown.get(each));
    each.textContent = leftMs > 90000 ? _("{minutes} min", { minutes: Math.ceil(leftMs / 60000) }) : _("{seconds} s", { seconds: Math.max(0, Math.ceil(leftMs / 1000)) });
    each.classList.toggle("bad", each.classList.contains("due") && leftMs < 10000);
    each.classList.toggle("wait", each.classList.contains("due") && leftMs >= 10000);
    if (leftMs < -GONE_MS) each.closest(".undo")?.remove();
  }
  for (const each of document.querySelectorAll("[data-refresh] [data-scripts]")) each.hidden = false;
}

count();
setInterval(count, 200);

// -- keys

const KEYS = {
  n: () => document.querySelector("#next")?.click(),
  z: () => document.querySelector("[data-undo]")?.click(),
  o: () => other("#product"),
  v: () => other("#visit"),
  t: () => way("#take"),
  p: () => way("#put"),
  "?": help,
  " ": () => player()?.toggle(),
  ArrowLeft: () => player()?.step(-1),
  ArrowRight: () => player()?.step(1),
};

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && event.target.closest("#else")) event.target.blur();
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog")) return;
  if (event.key === " " && event.target.closest("button, a, summary")) return;
  const answer = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  const act = answer ? () => answer.click() : KEYS[event.key];
  if (!act || (event.repeat && !event.key.startsWith("Arrow"))) return;
  event.preventDefault();
  act();
});

const player = () => document.querySelector("desk-player");

function other(field) {
  const part = document.querySelector("#else");
  if (!part) return;
  part.open = true;
  part.querySelector(field).focus();
}

function way(field) {
  other(field);
  document.querySelector(field)?.click();
  other("#product");
}

// A key that is pressed twice answers once.
for (const form of document.querySelectorAll("[data-answers]")) {
  form.addEventListener("submit", (event) => {
    if (isSent) event.preventDefault();
    isSent = true;
  });
}
window.addEventListener("pageshow", () => { isSent = false; });

// -- keeping the question

async function keep() {
  const answer = await fetch(`/v1/desk/reviews/${question.dataset.review}/claim`, { method: "POST", headers: { "X-CSRF": csrf } }).catch(() => null);
  const isMine = question.dataset.mine !== undefined;
  if (answer?.status === 401) return location.reload();
  if (answer?.status === 404) return gone();
  if ((answer?.ok && !isMine) || (answer?.status === 409 && isMine)) return location.reload();
  if (answer?.ok) await clips(await answer.json());
  setTimeout(keep, question.dataset.waits === undefined ? HEARTBEAT_MS : CLIPS_MS);
}

async function clips(told) {
  const cameras = told.clips.map((each) => each.camera_id).join(" ");
  if (!told.clips_wait && told.clips.length) delete question.dataset.waits;
  if (cameras === question.dataset.clips) return;
  const part = await fetch(location.href, { headers: { "X-Fragment": "1" } }).catch(() => null);
  if (!part?.ok) return;
  const found = new DOMParser().parseFromString(await part.text(), "text/html");
  document.querySelector("#clips").replaceChildren(...found.body.childNodes);
  question.dataset.clips = cameras;
}

function gone() {
  document.querySelector("#gone").hidden = false;
  for (const each of document.querySelectorAll("[data-answers] button")) each.disabled = true;
}

if (question) {
  setTimeout(keep, FIRST_MS); // soon: where a page is loaded again, the farewell of the one before may come after the claim
  window.addEventListener("pagehide", () => {
    if (question.dataset.mine !== undefined && !isSent) navigator.sendBeacon(`/reviews/${question.dataset.review}/leave`, new URLSearchParams({ csrf }));
  });
}
