// What several views show: plates, meters, pictures, times.

import { showPicture } from "./api.js";
import { h } from "./dom.js";
import * as format from "./format.js";

/** The text as on a plate, with its region's code in the band; dim for a guess. */
export function plate(event, { large = false } = {}) {
  const text = event.plate?.text || event.plate?.raw_text || "";
  if (!text) return h("span", { class: "plate none" }, format.outcome(event.outcome));
  const guess = event.outcome !== "OUTCOME_READ";
  const code = (event.plate.region || "").split("-")[0].toUpperCase();
  return h("span", { class: `plate${guess ? " guess" : ""}${large ? " large" : ""}`, title: format.region(event.plate.region) || null },
    code ? h("span", { class: "band", "aria-hidden": "true" }, code) : null,
    h("span", { class: "text" }, text));
}

/** A bar for a share of 1, with its number. */
export function meter(share, label = format.chance(share)) {
  const tone = share >= 0.9 ? "good" : share >= 0.6 ? "fair" : "poor";
  return h("span", { class: "meter", dataset: { tone }, vars: { "--share": String(Math.max(0, Math.min(1, share))) } },
    h("span", { class: "bar", "aria-hidden": "true" }), h("span", { class: "value" }, label));
}

export function badge(text, tone = "plain") {
  return h("span", { class: "badge", dataset: { tone } }, text);
}

export const outcomeBadge = (event) => badge(format.outcome(event.outcome), {
  OUTCOME_READ: "good", OUTCOME_UNREADABLE: "fair", OUTCOME_NO_PLATE: "plain",
}[event.outcome] ?? "poor");

/** A time that keeps saying how long ago it was. */
export function since(time) {
  return h("time", { datetime: time ?? "", title: format.full(time), dataset: { since: time ?? "" } }, format.ago(time));
}

setInterval(() => {
  for (const element of document.querySelectorAll("time[data-since]")) {
    if (element.dataset.since) element.textContent = format.ago(element.dataset.since);
  }
}, 5000);

export const evidence = (event, kind) => event.evidence.find((item) => item.kind === `EVIDENCE_KIND_${kind}`);

/** A stored picture; an empty frame if it is gone. */
export function picture(item, alt) {
  if (!item) return h("span", { class: "picture missing" }, "no picture");
  const image = h("img", { alt, width: item.width || null, height: item.height || null, decoding: "async" });
  const frame = h("span", { class: `picture ${format.kind(item.kind)}` }, image);
  image.addEventListener("error", () => {
    frame.classList.add("missing");
    frame.replaceChildren("picture no longer kept");
  }, { once: true });
  showPicture(image, item.key);
  return frame;
}

export const plateName = (event) => event.plate?.text || format.outcome(event.outcome);

/** The best crops of a pass: its vehicle with its plate in the corner, or whichever there is. */
export function crops(event) {
  const [vehicle, crop] = [evidence(event, "VEHICLE"), evidence(event, "PLATE")];
  return h("span", { class: "crops" },
    picture(vehicle ?? crop, `Pass of ${plateName(event)}`),
    vehicle && crop ? picture(crop, "") : null);
}

/** A pass as a card that leads to its detail. */
export function card(event, href) {
  const sort = event.vehicle?.object_class === "OBJECT_CLASS_VEHICLE" ? "" : format.vehicle(event.vehicle?.object_class);
  const about = [sort, format.direction(event.vehicle?.direction)].filter(Boolean);
  return h("li", { class: "card", dataset: { event: event.event_id } },
    h("a", { href, "aria-label": `${plateName(event)}, ${event.camera_id}, ${format.clock(event.best_seen_at)}` },
      crops(event),
      h("span", { class: "card-body" },
        h("span", { class: "card-line" }, plate(event), event.outcome === "OUTCOME_READ" || !event.plate?.text ? null : outcomeBadge(event)),
        h("span", { class: "card-line" }, event.plate ? meter(event.plate.confidence) : null, since(event.best_seen_at)),
        h("span", { class: "card-line muted" }, [event.camera_id, ...about].join(" · ")))));
}

/** What went wrong, for people. */
export function problem(error) {
  const details = error.problem ?? {};
  return h("div", { class: "notice", dataset: { tone: "poor" }, role: "alert" },
    h("strong", {}, details.title ?? "Something went wrong"), h("p", {}, error.message),
    details.trace_id ? h("p", { class: "muted small" }, "Trace ", h("code", {}, details.trace_id)) : null);
}

export const empty = (text, hint = "") => h("div", { class: "empty" }, h("strong", {}, text), hint ? h("p", {}, hint) : null);

/** A button that copies a text. */
export function copyable(text) {
  const button = h("button", { type: "button", class: "copy", title: "Copy", onclick: async () => {
    await navigator.clipboard?.writeText(text);
    button.dataset.done = "true";
    setTimeout(() => { delete button.dataset.done; }, 1500);
  } }, h("code", {}, text));
  return button;
}

/** A button that loads the next page for as long as there is one. */
export function more(load) {
  const button = h("button", { type: "button", class: "more", onclick: async () => {
    button.disabled = true;
    await load();
    button.disabled = false;
  } }, "Show more");
  return button;
}
