// data-countdown="ISO time" and data-elapsed="ISO time" show minutes and seconds. With data-now="ISO time of the server"
// on the same element a wrong clock of this computer does not matter.
const WARNING_MS = 60_000;
const drifts = new WeakMap();

function serverNow(element) {
  const stated = element.dataset.now;
  if (!stated) return Date.now();
  const known = drifts.get(element);
  if (known?.stated === stated) return Date.now() + known.drift;
  drifts.set(element, { stated, drift: Date.parse(stated) - Date.now() });
  return Date.parse(stated);
}

function clock(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const two = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function countDown(element) {
  const left = Date.parse(element.dataset.countdown) - serverNow(element);
  const expired = left <= 0;
  element.classList.toggle("timer-warning", !expired && left < WARNING_MS);
  if (expired && !element.classList.contains("timer-expired")) {
    element.dispatchEvent(new CustomEvent("countdown:expired", { bubbles: true }));
  }
  element.classList.toggle("timer-expired", expired);
  write(element, expired ? element.dataset.expiredText || "0:00" : clock(left));
}

function tick() {
  for (const element of document.querySelectorAll("[data-countdown]")) countDown(element);
  for (const element of document.querySelectorAll("[data-elapsed]")) {
    write(element, clock(serverNow(element) - Date.parse(element.dataset.elapsed)));
  }
}

tick();
setInterval(tick, 1000);
document.addEventListener("htmx:load", tick);
