// Loaded before the first paint, as a classic script, so that a dark page never flashes white.
(() => {
  const KEY = "reviewapp.theme";
  const system = window.matchMedia("(prefers-color-scheme: dark)");

  // Storage may be refused; the theme then follows the system.
  const remembered = () => {
    try {
      return localStorage.getItem(KEY) || "auto";
    } catch {
      return "auto";
    }
  };

  let choice = remembered();

  const apply = () => {
    const dark = choice === "dark" || (choice === "auto" && system.matches);
    document.documentElement.dataset.bsTheme = dark ? "dark" : "light";
    for (const button of document.querySelectorAll("[data-theme-choice]")) {
      button.setAttribute("aria-pressed", String(button.dataset.themeChoice === choice));
    }
  };

  apply();
  system.addEventListener("change", apply);
  document.addEventListener("DOMContentLoaded", apply);
  window.addEventListener("storage", (event) => {
    if (event.key === KEY) {
      choice = remembered();
      apply();
    }
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-theme-choice]");
    if (!button) return;
    choice = button.dataset.themeChoice;
    try {
      localStorage.setItem(KEY, choice);
    } catch {
      // The choice then holds for this page only.
    }
    apply();
  });
})();
