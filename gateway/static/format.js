// The contract's values in words.

const REGION_NAMES = new Intl.DisplayNames(undefined, { type: "region" });
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

const OUTCOMES = {
  OUTCOME_READ: "read", OUTCOME_UNREADABLE: "unreadable", OUTCOME_NO_PLATE: "no plate",
  OUTCOME_REJECTED: "rejected", OUTCOME_DROPPED: "dropped",
};
const VEHICLES = {
  OBJECT_CLASS_CAR: "car", OBJECT_CLASS_MOTORCYCLE: "motorcycle", OBJECT_CLASS_BUS: "bus",
  OBJECT_CLASS_TRUCK: "lorry", OBJECT_CLASS_VEHICLE: "vehicle",
};
const DIRECTIONS = {
  DIRECTION_APPROACHING: "approaching", DIRECTION_RECEDING: "moving away", DIRECTION_LEFT: "to the left",
  DIRECTION_RIGHT: "to the right", DIRECTION_STATIONARY: "standing",
};
const KINDS = {
  EVIDENCE_KIND_PLATE: "plate", EVIDENCE_KIND_VEHICLE: "vehicle", EVIDENCE_KIND_SCENE: "scene",
};

export const outcome = (name) => OUTCOMES[name] ?? plain(name);
export const vehicle = (name) => VEHICLES[name] ?? "";
export const direction = (name) => DIRECTIONS[name] ?? "";
export const kind = (name) => KINDS[name] ?? plain(name);
export const severity = (name) => name.replace("SEVERITY_", "").toLowerCase();

/** LOW_CONFIDENCE -> low confidence. */
export const plain = (name) => (name ?? "").replaceAll("_", " ").toLowerCase();

export const percent = (share, digits = 0) => `${(100 * share).toFixed(digits)} %`;

/** A probability for people: never 100 % or 0 % of what is not certain. */
export function chance(share) {
  if (share > 0.995 && share < 1) return "> 99 %";
  if (share > 0 && share < 0.005) return "< 1 %";
  return percent(share);
}

/** The same in little room: whole per cent without the sign. */
export const hundredths = (share) => chance(share).replace(/[ %]/g, "");

export const number = (value) => Number(value).toLocaleString();

export function region(code) {
  if (!code) return "";
  const [country, state] = code.split("-");
  try {
    return REGION_NAMES.of(country.toUpperCase()) + (state ? ` (${state.toUpperCase()})` : "");
  } catch {
    return code.toUpperCase();
  }
}

export const full = (time) => (time ? FULL.format(new Date(time)) : "");

/** 15:04:05 for today, 3 Mar 15:04:05 for before. */
export function clock(time) {
  if (!time) return "";
  const moment = new Date(time);
  const today = moment.toDateString() === new Date().toDateString();
  return today ? CLOCK.format(moment) : `${DAY.format(moment)} ${CLOCK.format(moment)}`;
}

export function ago(time) {
  if (!time) return "never";
  const seconds = Math.round((Date.now() - new Date(time)) / 1000);
  if (seconds < 5) return "now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} d ago`;
}

export const seconds = (from, to) => `${((new Date(to) - new Date(from)) / 1000).toFixed(1)} s`;
