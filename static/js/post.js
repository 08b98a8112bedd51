// A form POST as this site expects it; the CSRF token is the one htmx sends, from the body's hx-headers.
export function post(url, fields = {}, { keepalive = false } = {}) {
  const headers = JSON.parse(document.body.getAttribute("hx-headers") || "{}");
  return fetch(url, {
    method: "POST",
    headers: { ...headers, Accept: "application/json" },
    body: new URLSearchParams(fields),
    credentials: "same-origin",
    redirect: "error",
    keepalive,
  });
}
