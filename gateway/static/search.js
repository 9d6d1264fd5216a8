// Passes by plate.

import { get } from "./api.js";
import { announce, fill, h } from "./dom.js";
import { card, empty, more, problem } from "./parts.js";

const MODES = [
  ["exact", "Exact", "The whole plate"],
  ["prefix", "Begins with", "AB12 finds AB12 CDE"],
  ["wildcard", "Pattern", "* any characters, ? one"],
  ["one_edit", "Nearly", "One character wrong, missing or too many"],
];

export function search(view, context, parameters) {
  const text = h("input", { type: "search", name: "text", placeholder: "AB12 CDE", autocomplete: "off", autocapitalize: "characters", spellcheck: "false", maxlength: "32", "aria-label": "Plate", required: true });
  text.value = parameters.get("text") ?? "";
  const chosen = parameters.get("mode") ?? "exact";
  const modes = h("fieldset", { class: "modes" }, h("legend", { class: "hidden" }, "How to match"),
    MODES.map(([value, label, title]) => h("label", { title },
      h("input", { type: "radio", name: "mode", value, checked: value === chosen }), h("span", {}, label))));
  const confusables = h("input", { type: "checkbox", name: "confusables", checked: parameters.get("confusables") !== "false" });
  const results = h("div", { class: "results" });
  const form = h("form", { class: "search", role: "search", onsubmit: submit },
    h("div", { class: "search-row" }, text, h("button", { class: "primary" }, "Search")),
    h("div", { class: "search-row" }, modes,
      h("label", { class: "check", title: "O and 0, I and 1, B and 8 ... count as equal" }, confusables, "Look-alikes are equal")));
  fill(view, h("h1", {}, "Search"), form, results);

  function submit(event) {
    event.preventDefault();
    const data = new FormData(form);
    const wanted = new URLSearchParams({ text: data.get("text").trim(), mode: data.get("mode"), confusables: String(confusables.checked) });
    context.replace(`#/search?${wanted}`);
    run(wanted);
  }

  async function run(wanted) {
    const list = h("ol", { class: "cards", "aria-label": "Found passes" });
    const next = more(page);
    let token = "";
    let found = 0;
    fill(results, h("p", { class: "muted" }, "Searching …"));
    async function page() {
      try {
        const answer = await get("/v1/events:search", { ...Object.fromEntries(wanted), page_size: 30, page_token: token });
        token = answer.next_page_token;
        found += answer.hits.length;
        for (const hit of answer.hits) {
          const element = card(hit.event, `#/search/${hit.event.event_id}?${wanted}`);
          if (hit.edits) element.querySelector(".card-line").append(h("span", { class: "badge", dataset: { tone: "fair" } }, `${hit.edits} edit`));
          list.append(element);
        }
        fill(results, h("p", { class: "muted", role: "status" }, found ? `${found}${token ? " or more" : ""} found` : ""),
          found ? list : empty("Nothing found", "Try “Nearly”, or let look-alikes be equal."), token ? next : null);
        announce(`${found} found`);
        context.mark();
      } catch (error) {
        fill(results, problem(error));
      }
    }
    await page();
  }

  if (text.value) run(new URLSearchParams({ text: text.value, mode: chosen, confusables: String(confusables.checked) }));
  else {
    fill(results, empty("Which plate?", "Spaces and hyphens do not matter."));
    if (!context.detail) text.focus();
  }
  return () => {};
}
