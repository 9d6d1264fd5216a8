// The plates of a picture of one's own.

import { postPicture } from "./api.js";
import { announce, fill, h } from "./dom.js";
import * as format from "./format.js";
import { empty, meter, plate, problem } from "./parts.js";

export function read(view) {
  const input = h("input", { type: "file", accept: "image/jpeg,image/png", class: "hidden", id: "picture-file", onchange: () => take(input.files[0]) });
  const drop = h("label", { class: "drop", for: "picture-file", tabindex: "0",
    onkeydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); input.click(); } },
    ondragover: (event) => { event.preventDefault(); drop.dataset.over = "true"; },
    ondragleave: () => { delete drop.dataset.over; },
    ondrop: (event) => { event.preventDefault(); delete drop.dataset.over; take(event.dataTransfer.files[0]); },
  }, h("strong", {}, "Drop a picture here, or choose one"), h("span", { class: "muted" }, "JPEG or PNG. It is read and not stored."));
  const result = h("div", {});
  fill(view, h("h1", {}, "Read a picture"), input, drop, result);
  let shown = "";

  async function take(file) {
    if (!file) return;
    URL.revokeObjectURL(shown);
    shown = URL.createObjectURL(file);
    fill(result, h("p", { class: "muted" }, "Reading …"));
    try {
      const answer = await postPicture(file);
      show(answer);
      announce(`${answer.plates.length} plates`);
    } catch (error) {
      fill(result, problem(error));
    }
  }

  function show(answer) {
    const boxes = answer.plates.map((item) => h("span", { class: "box", title: item.plate.text, vars: {
      "--x": `${(100 * item.box.x) / answer.width}%`, "--y": `${(100 * item.box.y) / answer.height}%`,
      "--w": `${(100 * item.box.width) / answer.width}%`, "--h": `${(100 * item.box.height) / answer.height}%`,
    } }, h("b", {}, item.plate.text)));
    const rows = answer.plates.map((item) => h("li", {},
      plate({ plate: item.plate, outcome: "OUTCOME_READ" }), meter(item.plate.confidence),
      h("span", { class: "muted" }, format.region(item.plate.region)),
      h("span", { class: "muted" }, item.plate.alternatives.slice(1, 4).map((other) => other.text).join(" · "))));
    fill(result,
      h("p", { class: "muted" }, `${answer.width} × ${answer.height} pixels, ${answer.elapsed_ms.toFixed(0)} ms`),
      h("div", { class: "reading" }, h("div", { class: "canvas" }, h("img", { src: shown, alt: "The picture" }), boxes),
        rows.length ? h("ul", { class: "rows" }, rows) : empty("No plate found")));
  }

  return () => URL.revokeObjectURL(shown);
}
