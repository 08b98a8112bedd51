// data-extend-url keeps the claim on a review while its page is looked at. The answer is JSON {expires_at, now};
// any [data-countdown] inside the element follows it.
import { post } from "./post.js";
import { toast } from "./toast.js";

const EVERY_MS = 30_000;
const LOST = new Set([403, 404, 409, 410, 412]);

function follow(element, { expires_at: expiresAt, now }) {
  for (const timer of element.querySelectorAll("[data-countdown]")) {
    timer.dataset.countdown = expiresAt;
    if (now) timer.dataset.now = now;
  }
}

async function extend(element) {
  let response;
  try {
    response = await post(element.dataset.extendUrl);
  } catch {
    toast("No connection: your claim cannot be extended just now.", "warning");
    return;
  }
  // The page may have moved on to another review while the answer was under way.
  if (!element.isConnected) return;
  if (LOST.has(response.status)) {
    element.removeAttribute("data-extend-url");
    toast("Your claim on this review has ended. Someone else may take it; what you submit is still kept.", "warning");
  } else if (response.ok && response.headers.get("Content-Type")?.startsWith("application/json")) {
    follow(element, await response.json());
  }
}

function extendAll() {
  if (document.visibilityState !== "visible") return;
  for (const element of document.querySelectorAll("[data-extend-url]")) extend(element);
}

setInterval(extendAll, EVERY_MS);
document.addEventListener("visibilitychange", extendAll);
