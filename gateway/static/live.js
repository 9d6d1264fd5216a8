// Passes as they close.

import { get, query, Stream } from "./api.js";
import { announce, byId, fill, h } from "./dom.js";
import * as format from "./format.js";
import { card, empty, plateName, problem } from "./parts.js";

const KEPT = 60;
const OUTCOMES = {
  passes: ["Passes", ["read", "unreadable", "no_plate"]],
  read: ["Read plates", ["read"]],
  all: ["Everything", []],
};

export function live(view, context) {
  const list = h("ol", { class: "cards", "aria-label": "Passes, newest first" });
  const camera = h("select", { "aria-label": "Camera", onchange: () => restart() }, h("option", { value: "" }, "All cameras"));
  const outcomes = h("select", { "aria-label": "Outcomes", onchange: () => restart() },
    Object.entries(OUTCOMES).map(([value, [label]]) => h("option", { value }, label)));
  const pause = h("button", { type: "button", "aria-pressed": "false", onclick: () => togglePause() }, "Pause");
  const stats = h("dl", { class: "stats" });
  const body = h("div", {}, list);
  fill(view, h("div", { class: "bar-row" }, h("h1", {}, "Live passes"), camera, outcomes, pause), stats, body);

  let stream = null;
  let paused = false;
  let waiting = [];
  const seen = new Set();

  function add(event, fresh) {
    if (seen.has(event.event_id)) return;
    seen.add(event.event_id);
    const element = card(event, `#/live/${event.event_id}`);
    if (fresh) element.classList.add("fresh");
    const later = [...list.children].find((item) => item.dataset.at <= event.best_seen_at);
    element.dataset.at = event.best_seen_at;
    list.insertBefore(element, later ?? null);
    while (list.children.length > KEPT) {
      seen.delete(list.lastChild.dataset.event);
      list.lastChild.remove();
    }
    if (list.parentNode !== body) fill(body, list);
    context.mark();
  }

  function arrived(event) {
    if (paused) {
      waiting.push(event);
      pause.textContent = `Go on (${waiting.length})`;
      return;
    }
    add(event, true);
    announce(`${plateName(event)} at ${event.camera_id}`);
    scheduleStats();
  }

  function togglePause() {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Go on" : "Pause";
    if (!paused) for (const event of waiting.splice(0)) add(event, true);
  }

  async function restart() {
    stream?.close();
    seen.clear();
    waiting = [];
    const wanted = { camera_ids: camera.value, outcomes: OUTCOMES[outcomes.value][1] };
    // watched before it is listed, so that nothing falls between the two
    stream = new Stream(`/v1/events:watch${query(wanted)}`, { item: arrived, state: context.connection, lost: restart });
    try {
      const page = await get("/v1/events", { ...wanted, page_size: 30 });
      list.replaceChildren();
      seen.clear();
      for (const event of page.events) add(event, false);
      fill(body, list.children.length ? list : empty("No passes yet", "They appear here as vehicles pass a camera."));
    } catch (error) {
      fill(body, problem(error));
    }
    showStats();
  }

  let statsTimer = 0;
  function scheduleStats() {
    clearTimeout(statsTimer);
    statsTimer = setTimeout(showStats, 1500);
  }

  async function showStats() {
    const midnight = new Date();
    midnight.setHours(0, 0, 0, 0);
    try {
      const [counts, cameras] = await Promise.all([
        get("/v1/aggregates", { from: midnight.toISOString(), camera_ids: camera.value, group_by: "outcome", outcomes: OUTCOMES.passes[1] }),
        get("/v1/cameras"),
      ]);
      const total = counts.rows.reduce((sum, row) => sum + Number(row.events), 0);
      const read = counts.rows.find((row) => row.group[0] === "OUTCOME_READ");
      const streaming = cameras.cameras.filter((item) => item.status?.state === "streaming").length;
      fill(stats,
        stat("Passes today", format.number(total)),
        read ? stat("Read", total ? format.percent(Number(read.events) / total) : "–") : null,
        stat("Cameras streaming", `${streaming} of ${cameras.cameras.length}`));
      offerCameras(cameras.cameras);
    } catch {
      fill(stats);
    }
  }

  function offerCameras(cameras) {
    const known = new Set([...camera.options].map((option) => option.value));
    for (const item of cameras) if (!known.has(item.camera_id)) camera.append(h("option", { value: item.camera_id }, item.camera_id));
  }

  const stat = (name, value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));

  restart();
  byId("view").classList.add("live");
  return () => {
    stream?.close();
    clearTimeout(statsTimer);
    byId("view").classList.remove("live");
  };
}
