// What scripts say, in the visitor's language. English is the source; what a catalogue lacks is said in English.
const found = await fetch("/words.json").then((answer) => (answer.ok ? answer.json() : {})).catch(() => ({}));

export const locale = document.documentElement.lang;

/** Return `message` in this language with `values` in its {names}. */
export function _(message, values = {}) {
  return (found[message] ?? message).replace(/\{(\w+)\}/g, (_whole, name) => String(values[name]));
}

const clockIn = (timeZone) => new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZone });
let clock = clockIn();

/** Tell times of day as they are in the store from now on; a zone that this browser does not know changes nothing. */
export function useZone(name) {
  try {
    clock = clockIn(name);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
}

/** Return the time of day of `ms`, milliseconds of Unix time. */
export const timeOfDay = (ms) => clock.format(new Date(ms));
