// <textarea name="note" data-draft-url="…"> is saved two seconds after the last key, and when the page is left.
// An element [data-draft-status] in the same form says how it went.
import { post } from "./post.js";

const PAUSE_MS = 2000;
const pending = new Map();

function report(field, text) {
  const status = field.form?.querySelector("[data-draft-status]");
  if (status) status.textContent = text;
}

async function save(field, options) {
  clearTimeout(pending.get(field));
  pending.delete(field);
  const saved = field.value;
  try {
    const response = await post(field.dataset.draftUrl, { [field.name]: saved }, options);
    if (field.value === saved) report(field, response.ok ? "Draft saved" : "Draft not saved");
  } catch {
    report(field, "Draft not saved: no connection");
  }
}

document.addEventListener("input", (event) => {
  const field = event.target;
  if (!field.matches("[data-draft-url]")) return;
  clearTimeout(pending.get(field));
  report(field, "");
  pending.set(field, setTimeout(save, PAUSE_MS, field));
});

// A submitted form carries the text itself; a draft sent after it would come back from the dead.
document.addEventListener("submit", (event) => {
  for (const field of event.target.querySelectorAll("[data-draft-url]")) {
    clearTimeout(pending.get(field));
    pending.delete(field);
  }
});

document.addEventListener("visibilitychange", () => {
  if (document.visibilityState !== "hidden") return;
  for (const field of pending.keys()) save(field, { keepalive: true });
});
