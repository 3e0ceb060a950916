"use strict";
/* Writes times in the reader's zone, and tells where an open page is old. Every page says all it has to say without it. */
const written = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
for (const element of document.querySelectorAll("time[datetime]")) {
  const moment = new Date(element.dateTime);
  if (Number.isNaN(moment.getTime())) continue;
  element.title = element.dateTime;
  element.textContent = written.format(moment);
}
for (const element of document.querySelectorAll("[data-zone]")) {
  element.textContent = Intl.DateTimeFormat().resolvedOptions().timeZone;
}
for (const offset of document.querySelectorAll("[data-offset-of]")) {
  const field = document.getElementById(offset.dataset.offsetOf);
  field.addEventListener("change", () => {
    const chosen = new Date(field.value); /* without a zone: read in the reader's own, of that day */
    offset.value = Number.isNaN(chosen.getTime()) ? "0" : String(chosen.getTimezoneOffset());
  });
}
for (const sound of document.querySelectorAll("audio")) {
  sound.addEventListener("error", () => { /* it is fetched only once it is played */
    sound.hidden = true;
    sound.parentElement.querySelector("[data-gone]").hidden = false;
  });
}
const live = document.querySelector("[data-live]");
if (live) {
  const every = 10_000, soonest = 2_000, room = 60_000;
  const moved = live.querySelector("[data-live-moved]"), lost = live.querySelector("[data-live-lost]");
  const page = live.dataset.page || location.href; /* what a form answered has no address that could be asked again */
  moved.querySelector("a").href = page;
  let timer = 0, isLooking = false, looked = 0, source = null, known = "";
  /* Asks for the page anew and compares its digest; polls only where nothing is streamed. */
  const look = async () => {
    clearTimeout(timer);
    if (isLooking || document.hidden) return;
    isLooking = true;
    try {
      const answer = await fetch(page, { redirect: "error", signal: AbortSignal.timeout(every) });
      const found = answer.ok && /data-live="([0-9a-f]+)"/.exec(await answer.text());
      lost.hidden = Boolean(found);
      if (found) moved.hidden = found[1] === live.dataset.live;
    } catch {
      lost.hidden = false;
    }
    isLooking = false;
    looked = Date.now();
    if (!source || source.readyState !== EventSource.OPEN) timer = setTimeout(look, every);
  };
  /* Where it is told already that something moved there is nothing to ask. */
  const soon = () => {
    clearTimeout(timer);
    if (moved.hidden) timer = setTimeout(look, Math.max(0, looked + soonest - Date.now()));
  };
  const show = (event) => {
    const counts = JSON.parse(event.data).counts;
    for (const tile of counts ? document.querySelectorAll("[data-count]") : []) {
      const name = tile.dataset.count;
      tile.textContent = counts.byStatus[name].toLocaleString("en") + (counts.more.includes(name) ? "+" : "");
      tile.parentElement.classList.toggle("is-zero", counts.byStatus[name] === 0);
    }
    if (event.lastEventId !== known) soon();
    known = event.lastEventId;
  };
  const watch = () => {
    if (document.hidden || (source && source.readyState !== EventSource.CLOSED)) return;
    source = new EventSource(live.dataset.stream);
    source.onopen = () => { lost.hidden = true; };
    for (const kind of ["snapshot", "moved"]) source.addEventListener(kind, show);
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) setTimeout(watch, room); /* refused: it is asked from time to time */
      soon();
      if (!moved.hidden) timer = setTimeout(look, every);
    };
  };
  document.addEventListener("visibilitychange", () => {
    if (document.hidden && source) source.close();
    watch();
    soon();
  });
  for (const event of ["online", "offline"]) addEventListener(event, () => { look(); watch(); });
  addEventListener("pageshow", watch);
  addEventListener("pagehide", () => { if (source) source.close(); });
  watch();
}
