// Parts of a page that change: asked for again every few seconds while somebody looks, and put in their place.
for (const part of document.querySelectorAll("[data-refresh]")) {
  const everyMs = Number(part.dataset.refresh) * 1000;
  const again = async () => {
    if (!document.hidden) {
      try {
        const answer = await fetch(location.href, { headers: { "X-Fragment": "1" } });
        if (answer.redirected) location.reload();
        else if (answer.ok) put(part, await answer.text());
        part.classList.toggle("stale", !answer.ok);
      } catch {
        part.classList.add("stale");
      }
    }
    setTimeout(again, everyMs);
  };
  setTimeout(again, everyMs);
}

// Where somebody scrolls or reads with a keyboard, the same place is found again.
function put(part, html) {
  const id = part.contains(document.activeElement) ? document.activeElement.id : "";
  const scrolls = [...part.querySelectorAll(".scrolls")].map((each) => each.scrollLeft);
  const focused = [...part.querySelectorAll("[tabindex]")].indexOf(document.activeElement);
  const found = new DOMParser().parseFromString(html, "text/html");
  part.replaceChildren(...found.body.childNodes);
  [...part.querySelectorAll(".scrolls")].forEach((each, index) => { each.scrollLeft = scrolls[index] ?? 0; });
  if (id) document.getElementById(id)?.focus({ preventScroll: true });
  if (focused >= 0) part.querySelectorAll("[tabindex]")[focused]?.focus({ preventScroll: true });
}
