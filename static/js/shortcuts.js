// data-key="x" on a button or link clicks it, on a field focuses it; "?" lists the keys of this page.
const FIELDS = "input:not([type=checkbox], [type=radio], [type=button], [type=submit]), textarea, select";

function isTyping(target) {
  return target instanceof Element && (target.matches(FIELDS) || target.isContentEditable);
}

function usable(element) {
  return !element.disabled && element.getAttribute("aria-disabled") !== "true" && element.checkVisibility();
}

function keyed() {
  return [...document.querySelectorAll("[data-key]")].filter(usable);
}

function labelOf(element) {
  if (element.dataset.keyLabel) return element.dataset.keyLabel;
  if (element.getAttribute("aria-label")) return element.getAttribute("aria-label");
  const copy = element.cloneNode(true);
  for (const hint of copy.querySelectorAll("kbd, .visually-hidden")) hint.remove();
  return copy.textContent.trim().replace(/\s+/g, " ") || element.getAttribute("placeholder") || "";
}

function describe(list, key, label) {
  const term = document.createElement("dt");
  const hint = document.createElement("kbd");
  hint.className = "key";
  hint.textContent = key;
  term.append(hint);
  const detail = document.createElement("dd");
  detail.textContent = label;
  list.append(term, detail);
}

function showShortcuts() {
  const dialog = document.getElementById("shortcuts-dialog");
  const list = dialog.querySelector("[data-shortcut-list]");
  list.replaceChildren();
  const seen = new Set();
  for (const element of keyed()) {
    if (seen.has(element.dataset.key)) continue;
    seen.add(element.dataset.key);
    describe(list, element.dataset.key, labelOf(element));
  }
  describe(list, "?", "This list");
  dialog.showModal();
}

function press(element) {
  if (element.matches(FIELDS)) element.focus();
  else element.click();
}

document.addEventListener("keydown", (event) => {
  // A key held down must not decide case after case.
  if (event.repeat || event.defaultPrevented || event.isComposing) return;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (isTyping(event.target)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (document.querySelector("dialog[open]")) return;
  const element = keyed().find((candidate) => candidate.dataset.key.toLowerCase() === event.key.toLowerCase());
  if (element) {
    event.preventDefault();
    press(element);
  } else if (event.key === "?") {
    event.preventDefault();
    showShortcuts();
  }
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-open-shortcuts]")) showShortcuts();
});
