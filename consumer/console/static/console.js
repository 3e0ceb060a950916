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
const live = document.querySelector("[data-live]");
if (live) {
  const every = 10_000;
  const moved = live.querySelector("[data-live-moved]"), lost = live.querySelector("[data-live-lost]");
  moved.querySelector("a").href = location.href;
  let timer = 0, isLooking = false;
  const look = async () => {
    clearTimeout(timer);
    if (isLooking || document.hidden) return;
    isLooking = true;
    try {
      const answer = await fetch(location.href, { redirect: "error", signal: AbortSignal.timeout(every) });
      const found = answer.ok && /data-live="([0-9a-f]+)"/.exec(await answer.text());
      lost.hidden = Boolean(found);
      if (found) moved.hidden = found[1] === live.dataset.live;
    } catch {
      lost.hidden = false;
    }
    isLooking = false;
    timer = setTimeout(look, every);
  };
  timer = setTimeout(look, every);
  for (const event of ["online", "offline"]) addEventListener(event, look);
  document.addEventListener("visibilitychange", look);
}
