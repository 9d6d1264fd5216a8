// The frame round the views: which one is shown, the key, the alerts that fire meanwhile.

import { alerts } from "./alerts.js";
import { get, onKeyNeeded, storedKey, storeKey, Stream } from "./api.js";
import { cameras } from "./cameras.js";
import { byId, toast } from "./dom.js";
import { event } from "./event.js";
import { live } from "./live.js";
import { plateName } from "./parts.js";
import { read } from "./read.js";
import { search } from "./search.js";
import * as format from "./format.js";

const VIEWS = { live, search, alerts, cameras, read };
const view = byId("view");
const detail = byId("detail");
let current = { name: "", leave: () => {} };
let shownEvent = "";
let alertHandler = null;

/** #/search/EVENT?text=AB12 -> {name: "search", id: "EVENT", parameters}. */
function route() {
  const [path, text = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, id = ""] = path.split("/");
  return { name: name in VIEWS ? name : "live", id, parameters: new URLSearchParams(text) };
}

const context = {
  detail: "",
  connection(state) {
    const element = byId("connection");
    element.dataset.state = state;
    element.textContent = state;
  },
  onAlert(handler) { alertHandler = handler; },
  recount: countAlerts,
  replace(hash) { history.replaceState(null, "", hash); },
  /** Shows which card's pass is open. */
  mark() {
    for (const card of view.querySelectorAll("[data-event]")) {
      const open = shownEvent !== "" && card.dataset.event === shownEvent;
      card.classList.toggle("selected", open);
    }
  },
};

function navigate() {
  const { name, id, parameters } = route();
  context.detail = id;
  if (name !== current.name) {
    current.leave();
    view.replaceChildren();
    if (name !== "live") context.connection("live");
    current = { name, leave: VIEWS[name](view, context, parameters) };
    for (const link of document.querySelectorAll("nav a")) {
      if (link.dataset.view === name) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    if (!id) window.scrollTo(0, 0);
  }
  showDetail(name, id, parameters);
}

function showDetail(name, id, parameters) {
  document.body.classList.toggle("with-detail", id !== "");
  detail.hidden = id === "";
  const text = parameters.toString();
  if (id && id !== shownEvent) event(detail, id, `#/${name}${text ? `?${text}` : ""}`);
  if (!id && shownEvent) {
    const card = view.querySelector(`[data-event="${CSS.escape(shownEvent)}"] a`);
    card?.focus({ preventScroll: true });
    detail.replaceChildren();
  }
  shownEvent = id;
  context.mark();
}

let openAlerts = 0;
function showCount() {
  const count = byId("alert-count");
  count.hidden = openAlerts === 0;
  count.textContent = openAlerts > 99 ? "99+" : String(openAlerts);
  document.title = openAlerts ? `(${count.textContent}) OVR console` : "OVR console";
}

async function countAlerts() {
  try {
    openAlerts = (await get("/v1/alerts", { unacknowledged_only: true, page_size: 100 })).alerts.length;
    showCount();
  } catch {
    // the views say what is wrong; the count just stays
  }
}

function watchAlerts() {
  new Stream("/v1/alerts:watch", { item(alert) {
    countAlerts();
    alertHandler?.(alert);
    if (!alert.acknowledged_at && current.name !== "alerts") {
      const tone = format.severity(alert.severity);
      toast(`${alert.rule_name || alert.rule_id}: ${plateName(alert.event)} at ${alert.event.camera_id}`, { href: "#/alerts", tone });
    }
  }, lost: countAlerts });
}

onKeyNeeded(() => new Promise((resolve) => {
  const dialog = byId("key-dialog");
  const trouble = byId("key-problem");
  trouble.hidden = !storedKey();
  trouble.textContent = "The gateway does not know that key.";
  byId("key").value = "";
  dialog.addEventListener("close", () => {
    const key = byId("key").value.trim();
    if (key) storeKey(key, byId("key-remember").checked);
    resolve(key !== "");
  }, { once: true });
  if (!dialog.open) dialog.showModal();
}));

addEventListener("hashchange", navigate);
addEventListener("keydown", (pressed) => {
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName ?? "");
  if (pressed.key === "Escape" && shownEvent && !byId("key-dialog").open) detail.querySelector(".close")?.click();
  if (pressed.key === "/" && !typing) {
    pressed.preventDefault();
    location.hash = "#/search";
    view.querySelector("input[type=search]")?.focus();
  }
});
navigate();
countAlerts().then(watchAlerts);
