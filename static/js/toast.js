// Short notices. Pages show one with the response header HX-Trigger: {"toast": {"message": "…", "level": "success"}};
// failed requests show one by themselves.
const TONES = { success: "green", info: "blue", warning: "yellow", error: "red" };
const VISIBLE_MS = 6000;

export function toast(message, level = "info") {
  const region = document.getElementById("toasts");
  const template = document.getElementById("toast-template");
  if (!region || !template) return;
  for (const shown of region.children) {
    if (shown.dataset.message === message) return;
  }
  const element = template.content.firstElementChild.cloneNode(true);
  element.dataset.message = message;
  element.setAttribute("role", level === "error" ? "alert" : "status");
  element.querySelector("[data-toast-message]").textContent = message;
  element.querySelector("[data-toast-level]").classList.add(`bg-${TONES[level] ?? TONES.info}`);
  element.querySelector("[data-toast-close]").addEventListener("click", () => element.remove());
  region.append(element);
  // An error stays until it is read.
  if (level !== "error") setTimeout(() => element.remove(), VISIBLE_MS);
}

function sentence(status) {
  if (status === 403) return "You may not do this, or the page was open too long. Reload it and try again.";
  if (status === 404) return "This is no longer here.";
  if (status === 429) return "Too many requests. Wait a moment and try again.";
  if (status >= 500) return "The server could not do this. Nothing was changed; try again.";
  return "The request was refused.";
}

// A refusal that is not swapped in still says why: its sentence is the element marked data-refusal.
function refusal(xhr) {
  const answer = new DOMParser().parseFromString(xhr.responseText, "text/html");
  return answer.querySelector("[data-refusal]")?.textContent.trim() || sentence(xhr.status);
}

document.addEventListener("toast", (event) => toast(event.detail.message, event.detail.level));
document.addEventListener("htmx:responseError", (event) => toast(refusal(event.detail.xhr), "error"));
document.addEventListener("htmx:sendError", () => toast("No connection to the server. Nothing was changed.", "error"));
document.addEventListener("htmx:timeout", () => toast("The server took too long. Reload to see what happened.", "error"));
