// One pass: what was decided, and why.

import { get } from "./api.js";
import { fill, h } from "./dom.js";
import * as format from "./format.js";
import { badge, copyable, meter, outcomeBadge, picture, plate, plateName, problem, since } from "./parts.js";

const SHOWN_ALTERNATIVES = 4;

export async function event(panel, id, back) {
  const close = h("a", { class: "close", href: back, "aria-label": "Close" }, "×");
  fill(panel, close, h("p", { class: "muted" }, "Loading …"));
  try {
    const answer = await get(`/v1/events/${encodeURIComponent(id)}/explain`);
    const found = answer.event;
    fill(panel, close, head(found, answer), pictures(found), characters(answer, found), alternatives(found), reads(found), facts(found));
    panel.setAttribute("aria-label", `Pass of ${plateName(found)}`);
  } catch (error) {
    fill(panel, close, problem(error));
  }
  panel.focus({ preventScroll: true });
  panel.scrollTop = 0;
}

function head(found, answer) {
  return h("header", { class: "event-head" },
    h("h2", {}, plate(found, { large: true })),
    h("p", { class: "card-line" }, outcomeBadge(found), found.plate ? meter(found.plate.confidence) : null,
      h("span", { class: "muted" }, found.camera_id, " · ", since(found.best_seen_at))),
    h("p", {}, answer.summary));
}

function pictures(found) {
  if (!found.evidence.length) return null;
  return h("div", { class: "evidence" }, found.evidence.map((item) =>
    h("figure", { dataset: { kind: format.kind(item.kind) } }, picture(item, `${format.kind(item.kind)} of ${plateName(found)}`), h("figcaption", {}, format.kind(item.kind)))));
}

/** A column a character: the likeliest ones as bars, and what the pixels alone said where it differs. */
function characters(answer, found) {
  if (!answer.characters.length) return null;
  const columns = answer.characters.map((item) => {
    const differs = item.raw_char !== item.char;
    return h("li", { class: `char${differs ? " changed" : ""}`, title: item.reason },
      h("span", { class: "glyph" }, item.char),
      h("span", { class: "raw" }, differs ? h("s", { "aria-label": `pixels said ${item.raw_char || "nothing"}` }, item.raw_char || "∅") : ""),
      h("ul", { class: "bars" }, item.posterior.alternatives.slice(0, SHOWN_ALTERNATIVES).map((other) =>
        h("li", { vars: { "--share": String(other.probability) } },
          h("b", {}, other.char || "∅"), h("span", { class: "bar", "aria-hidden": "true" }), h("span", { class: "value" }, format.hundredths(other.probability))))));
  });
  return h("section", {}, h("h3", {}, "Characters, in per cent"),
    answer.format_description ? h("p", { class: "muted small" }, "Format ", h("code", {}, found.plate.format), ": ", answer.format_description) : null,
    h("ol", { class: "chars" }, columns),
    h("details", {}, h("summary", {}, "Why each character"),
      h("ol", { class: "reasons" }, answer.characters.map((item) => h("li", {}, h("b", {}, item.char), " ", item.reason)))));
}

function alternatives(found) {
  const others = found.plate?.alternatives ?? [];
  if (others.length < 2) return null;
  return h("section", {}, h("h3", {}, "Other readings"),
    h("ul", { class: "rows" }, others.map((item) => h("li", {}, h("code", {}, item.text), meter(item.confidence)))));
}

/** The text with the characters that differ from the decision marked, where both are equally long. */
function compared(text, decided) {
  if (text.length !== decided.length) return [text || "–"];
  return [...text].map((char, index) => (char === decided[index] ? char : h("mark", {}, char)));
}

function reads(found) {
  const all = found.provenance?.reads ?? [];
  if (!all.length) return null;
  const heaviest = Math.max(...all.map((item) => item.weight), 0.0001);
  const rows = all.map((item) => h("tr", {},
    h("td", {}, format.clock(item.captured_at)),
    h("td", {}, h("code", {}, compared(item.text, found.plate?.text ?? ""))),
    h("td", {}, format.chance(item.confidence)),
    h("td", {}, h("span", { class: "weight", vars: { "--share": String(item.weight / heaviest) } }, h("span", { class: "bar", "aria-hidden": "true" }), h("span", { class: "value" }, format.percent(item.weight)))),
    h("td", { class: "wide" }, item.sharpness.toFixed(2))));
  return h("section", {}, h("h3", {}, `Reads (${all.length} of ${found.provenance.frames_seen} frames)`),
    h("div", { class: "scroll" }, h("table", {},
      h("thead", {}, h("tr", {}, ["Time", "Text", "Sure", "Weight"].map((name) => h("th", { scope: "col" }, name)), h("th", { scope: "col", class: "wide" }, "Sharpness"))),
      h("tbody", {}, rows))));
}

function facts(found) {
  const vehicle = [format.vehicle(found.vehicle?.object_class), format.direction(found.vehicle?.direction)].filter(Boolean).join(", ");
  const models = (found.provenance?.models ?? []).map((model) => badge(`${model.name} ${model.version} · ${model.engine}`));
  const pairs = [
    ["Seen", `${format.full(found.first_seen_at)}, for ${format.seconds(found.first_seen_at, found.last_seen_at)}`],
    ["Outcome", `${format.outcome(found.outcome)} (${format.plain(found.reason)})`],
    ["Region", format.region(found.plate?.region)],
    ["Vehicle", vehicle],
    ["Camera", `${found.camera_id} at ${found.site_id}, box ${found.node_id}`],
    ["Models", models.length ? models : null],
    ["Trace", found.trace_id ? copyable(found.trace_id) : null],
    ["Event", copyable(found.event_id)],
    ["JSON", h("a", { href: `/v1/events/${encodeURIComponent(found.event_id)}`, target: "_blank", rel: "noopener" }, "open")],
  ];
  return h("section", {}, h("h3", {}, "Facts"),
    h("dl", { class: "facts" }, pairs.filter(([, value]) => value).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])));
}
