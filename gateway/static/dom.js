// Elements from code. Text only ever becomes text nodes and attributes: nothing a plate, camera or person is called can
// become markup.

/** Makes an element: h("p", {class: "x", onclick: f, dataset: {a: 1}}, "text", child, null). */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name === "vars") for (const [key, item] of Object.entries(value)) element.style.setProperty(key, item);
    else if (name in element && typeof value !== "string") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...shown(children));
  return element;
}

const shown = (children) => children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);

/** Shows exactly these children. */
export function fill(element, ...children) {
  element.replaceChildren(...shown(children));
  return element;
}

export const byId = (id) => document.getElementById(id);

let announceTimer = 0;

/** Says something to screen readers. */
export function announce(text) {
  clearTimeout(announceTimer);
  announceTimer = setTimeout(() => { byId("announce").textContent = text; }, 150);
}

/** Shows a message for a while; `href` makes it a link. */
export function toast(text, { href = null, tone = "info" } = {}) {
  const close = () => element.remove();
  const element = h("div", { class: "toast", dataset: { tone } },
    href ? h("a", { href, onclick: close }, text) : h("span", {}, text),
    h("button", { type: "button", "aria-label": "Dismiss", onclick: close }, "×"));
  const toasts = byId("toasts");
  toasts.append(element);
  while (toasts.children.length > 3) toasts.firstChild.remove();
  setTimeout(close, tone === "critical" ? 30000 : 8000);
}
