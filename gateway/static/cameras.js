// The cameras and how they are.

import { get } from "./api.js";
import { fill, h } from "./dom.js";
import * as format from "./format.js";
import { badge, empty, problem, since } from "./parts.js";

const TONES = { streaming: "good", connecting: "fair", stalled: "fair", ended: "plain", failed: "poor" };
const STALE_SECONDS = 60;
const EVERY_MS = 5000;

export function cameras(view) {
  const body = h("div", {});
  fill(view, h("h1", {}, "Cameras"), body);
  let timer = 0;

  async function load() {
    clearTimeout(timer);
    if (!document.hidden) {
      try {
        const answer = await get("/v1/cameras", { page_size: 200 });
        fill(body, answer.cameras.length ? h("ul", { class: "cameras" }, answer.cameras.map(card)) : empty("No cameras yet", "They appear here with their first report."));
      } catch (error) {
        fill(body, problem(error));
      }
    }
    timer = setTimeout(load, EVERY_MS);
  }

  load();
  return () => clearTimeout(timer);
}

function card(camera) {
  const status = camera.status;
  const silent = status && (Date.now() - new Date(camera.reported_at)) / 1000 > STALE_SECONDS && status.state !== "ended";
  const state = silent ? "silent" : status?.state ?? "unknown";
  const pairs = status ? [
    ["Frames a second", status.capture_fps.toFixed(1)],
    ["Newest frame", since(status.last_frame_at)],
    ["Frames", format.number(status.frames_captured)],
    ["Dropped", counts(status.frames_dropped)],
    ["Passes", counts(status.passes_closed)],
  ] : [];
  return h("li", { class: "camera", dataset: { state } },
    h("h2", {}, camera.camera_id, badge(state, silent ? "poor" : TONES[state] ?? "plain")),
    h("p", { class: "muted small" }, `${camera.site_id}, box ${camera.node_id}`),
    silent ? h("p", { class: "small" }, "No report since ", since(camera.reported_at)) : null,
    status?.detail ? h("p", { class: "small" }, status.detail) : null,
    h("dl", { class: "facts" },
      [...pairs, ["Events stored", format.number(camera.events)], ["Newest event", since(camera.last_event_at)]]
        .map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])));
}

function counts(byName) {
  const entries = Object.entries(byName).filter(([, value]) => Number(value));
  return entries.length ? entries.map(([name, value]) => `${format.number(value)} ${format.plain(name.replace("OUTCOME_", ""))}`).join(", ") : "none";
}
