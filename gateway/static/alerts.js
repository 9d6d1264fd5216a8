// Rules that fired: who has seen it, and which rules there are.

import { get, post } from "./api.js";
import { fill, h, toast } from "./dom.js";
import * as format from "./format.js";
import { badge, empty, evidence, more, picture, plate, plateName, problem, since } from "./parts.js";

const NAME = "ovr-name";
const TONES = { SEVERITY_CRITICAL: "poor", SEVERITY_WARNING: "fair", SEVERITY_INFO: "plain" };
const DELIVERIES = { DELIVERY_STATE_DELIVERED: "good", DELIVERY_STATE_PENDING: "fair", DELIVERY_STATE_FAILED: "poor" };

export function alerts(view, context) {
  const open = h("input", { type: "checkbox", onchange: () => load() });
  const list = h("ol", { class: "alerts", "aria-label": "Alerts, newest first" });
  const body = h("div", {}, list);
  const rulesPart = h("section", { class: "rules" });
  fill(view, h("div", { class: "bar-row" }, h("h1", {}, "Alerts"), h("label", { class: "check" }, open, "Only open ones")), body, rulesPart);
  let token = "";

  async function load() {
    token = "";
    list.replaceChildren();
    await page();
  }

  const next = more(page);
  async function page() {
    try {
      const answer = await get("/v1/alerts", { unacknowledged_only: open.checked, page_size: 30, page_token: token });
      token = answer.next_page_token;
      list.append(...answer.alerts.map((alert) => row(alert)));
      fill(body, list.children.length ? list : empty(open.checked ? "Nothing open" : "No alerts yet", "They appear here when a rule fires."), token ? next : null);
      context.mark();
    } catch (error) {
      fill(body, problem(error));
    }
  }

  function row(alert) {
    const element = h("li", { class: "alert", dataset: { alert: alert.alert_id, event: alert.event?.event_id ?? "", tone: TONES[alert.severity] ?? "plain", open: String(!alert.acknowledged_at) } });
    fill(element,
      h("a", { class: "alert-picture", href: `#/alerts/${alert.event?.event_id ?? ""}`, "aria-label": `Pass of ${plateName(alert.event)}` },
        picture(evidence(alert.event, "PLATE") ?? evidence(alert.event, "VEHICLE"), "")),
      h("div", { class: "alert-body" },
        h("p", { class: "card-line" }, plate(alert.event), badge(format.severity(alert.severity), TONES[alert.severity]), h("strong", {}, alert.rule_name || alert.rule_id)),
        h("p", { class: "small muted" }, `${alert.event.camera_id} · matched ${alert.matched} (${format.plain(alert.match_kind.replace("MATCH_KIND_", ""))}) · `, since(alert.fired_at)),
        alert.deliveries.length ? h("p", { class: "card-line small" }, alert.deliveries.map((item) =>
          badge(`${item.channel}: ${format.plain(item.state.replace("DELIVERY_STATE_", ""))}`, DELIVERIES[item.state]))) : null,
        alert.acknowledged_at ? h("p", { class: "small muted" }, `Seen by ${alert.acknowledged_by}, ${format.clock(alert.acknowledged_at)}`, alert.note ? ` – ${alert.note}` : "") : acknowledge(alert, element)));
    return element;
  }

  function acknowledge(alert, element) {
    const who = h("input", { name: "who", placeholder: "Your name", "aria-label": "Your name", required: true, maxlength: "128", autocomplete: "name" });
    who.value = localStorage.getItem(NAME) ?? "";
    const note = h("input", { name: "note", placeholder: "Note", "aria-label": "Note", maxlength: "1024", autocomplete: "off" });
    return h("form", { class: "acknowledge", onsubmit: async (submitted) => {
      submitted.preventDefault();
      localStorage.setItem(NAME, who.value.trim());
      try {
        const answer = await post(`/v1/alerts/${alert.alert_id}:acknowledge`, { acknowledged_by: who.value.trim(), note: note.value });
        element.replaceWith(row(answer.alert));
        context.mark();
        context.recount();
      } catch (error) {
        toast(error.message, { tone: "critical" });
      }
    } }, who, note, h("button", { class: "primary" }, "Acknowledge"));
  }

  context.onAlert((alert) => {
    const known = list.querySelector(`[data-alert="${CSS.escape(alert.alert_id)}"]`);
    if (known?.contains(document.activeElement)) return;
    if (known) known.replaceWith(row(alert));
    else {
      list.prepend(row(alert));
      if (list.parentNode !== body) fill(body, list);
    }
    context.mark();
  });

  rules(rulesPart);
  load();
  return () => context.onAlert(null);
}

/** The rules in force, and what they would say to a plate. */
async function rules(part) {
  let answer;
  try {
    answer = await get("/v1/rules");
  } catch (error) {
    fill(part, problem(error));
    return;
  }
  const verdicts = h("ul", { class: "rows", role: "status" });
  const text = h("input", { name: "text", placeholder: "AB12 CDE", "aria-label": "Plate to try", maxlength: "16", required: true, autocomplete: "off", spellcheck: "false" });
  const form = h("form", { class: "search-row", onsubmit: async (submitted) => {
    submitted.preventDefault();
    try {
      const said = await post("/v1/rules:test", { text: text.value.toUpperCase().replace(/[^0-9A-Z]/g, "") });
      fill(verdicts, said.verdicts.map((item) => h("li", {}, badge(item.fires ? "fires" : "silent", item.fires ? "poor" : "plain"), h("b", {}, item.rule_id), h("span", { class: "muted" }, item.reason))));
    } catch (error) {
      fill(verdicts, h("li", {}, error.message));
    }
  } }, text, h("button", {}, "Would it fire?"));
  fill(part, h("h2", {}, `Rules (${answer.rules.length})`),
    answer.errors.map((error) => h("div", { class: "notice", dataset: { tone: "poor" } }, h("strong", {}, "The newest rules file could not be loaded"), h("p", {}, error))),
    h("ul", { class: "rows" }, answer.rules.map((rule) => h("li", {},
      badge(format.severity(rule.severity), TONES[rule.severity]), h("b", {}, rule.name || rule.rule_id),
      rule.enabled ? null : badge("off"),
      h("span", { class: "muted" }, [format.plain(rule.match_kind.replace("MATCH_KIND_", "")), `${rule.patterns.length} pattern${rule.patterns.length === 1 ? "" : "s"}`, rule.camera_ids.join(", "), rule.schedule].filter(Boolean).join(" · "))))),
    h("h3", {}, "Try a plate"), form, verdicts);
}
