// The gateway: requests, streams and pictures, with the API key where one is needed.

const KEY = "ovr-key";
let askForKey = async () => false;

/** `ask` is called when a key is needed; it resolves to true when there is a new one. */
export function onKeyNeeded(ask) { askForKey = ask; }
export const storedKey = () => sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY) ?? "";

export function storeKey(key, remember) {
  localStorage.removeItem(KEY);
  (remember ? localStorage : sessionStorage).setItem(KEY, key);
}

/** What the gateway answered instead: an RFC 9457 problem. */
export class Problem extends Error {
  constructor(problem) {
    super(problem.detail || problem.title || "The gateway does not answer.");
    this.problem = problem;
  }
}

let asking = null;

async function send(path, options = {}) {
  const key = storedKey();
  const headers = { ...(key ? { "X-API-Key": key } : {}), ...options.headers };
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ detail: "The gateway does not answer." });
  }
  if (response.status === 401) {
    asking ??= askForKey().finally(() => { asking = null; });
    if (await asking) return send(path, options);
  }
  if (!response.ok) throw new Problem(await response.json().catch(() => ({ title: response.statusText })));
  return response;
}

/** Query string; lists repeat, empty values are left out. */
export function query(parameters) {
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const item of Array.isArray(value) ? value : [value]) {
      if (item !== "" && item !== null && item !== undefined && item !== false) pairs.append(name, item);
    }
  }
  const text = pairs.toString();
  return text ? `?${text}` : "";
}

export const get = async (path, parameters = {}, options = {}) =>
  (await send(path + query(parameters), options)).json();

export const post = async (path, body) =>
  (await send(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) })).json();

export const postPicture = async (file) =>
  (await send("/v1/images:read", { method: "POST", headers: { "Content-Type": file.type || "application/octet-stream" }, body: file })).json();

/** Shows a stored picture; with a key it is fetched, because an <img> cannot carry one. */
export async function showPicture(image, key) {
  const path = `/v1/evidence/${key}`;
  if (!storedKey()) {
    image.src = path;
    return;
  }
  try {
    const blob = await (await send(path)).blob();
    image.src = URL.createObjectURL(blob);
    image.addEventListener("load", () => URL.revokeObjectURL(image.src), { once: true });
  } catch {
    image.dispatchEvent(new Event("error"));
  }
}

/** Events of a text/event-stream as {id, event, data}. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    buffer += value;
    let end;
    while ((end = buffer.indexOf("\n\n")) >= 0) {
      const message = { id: null, event: "message", data: "" };
      for (const line of buffer.slice(0, end).split("\n")) {
        const [name, ...rest] = line.split(": ");
        if (name) message[name] = rest.join(": ");
      }
      buffer = buffer.slice(end + 2);
      yield message;
    }
  }
}

/**
 * Follows a stream for as long as the page is seen, and goes on without a gap after an interruption.
 * `handlers`: item(data), state("live" | "connecting" | "paused"), lost() when the cursor is too old.
 */
export class Stream {
  constructor(path, handlers) {
    this.path = path;
    this.handlers = handlers;
    this.cursor = "";
    this.failures = 0;
    this.closed = false;
    this.onVisibility = () => (document.hidden ? this.pause() : this.resume());
    document.addEventListener("visibilitychange", this.onVisibility);
    this.resume();
  }

  pause() {
    this.abort?.abort();
    this.abort = null;
    clearTimeout(this.timer);
    this.handlers.state?.("paused");
  }

  resume() {
    if (!this.closed && !this.abort) this.follow();
  }

  close() {
    this.closed = true;
    this.abort?.abort();
    clearTimeout(this.timer);
    document.removeEventListener("visibilitychange", this.onVisibility);
  }

  async follow() {
    const abort = new AbortController();
    this.abort = abort;
    this.handlers.state?.("connecting");
    try {
      const headers = { Accept: "text/event-stream", ...(this.cursor ? { "Last-Event-ID": this.cursor } : {}) };
      const response = await send(this.path, { headers, signal: abort.signal });
      this.handlers.state?.("live");
      for await (const message of events(response.body)) {
        this.failures = 0;
        if (message.id) this.cursor = message.id;
        if (message.event === "problem") throw new Problem(JSON.parse(message.data));
        if (message.data) this.handlers.item(JSON.parse(message.data));
      }
    } catch (error) {
      if (abort.signal.aborted) return;
      if (error.problem?.status === 410) {
        this.cursor = "";
        this.handlers.lost?.();
      }
      this.failures += 1;
    }
    if (this.abort !== abort) return;
    this.abort = null;
    this.handlers.state?.("connecting");
    const wait = Math.min(15000, 500 * 2 ** this.failures) * (0.5 + Math.random() / 2);
    if (!this.closed) this.timer = setTimeout(() => this.resume(), wait);
  }
}
