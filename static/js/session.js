// After a session has ended, htmx follows the redirect to the sign-in page: show it as a page, not inside a fragment.
document.addEventListener("htmx:beforeSwap", (event) => {
  const answered = event.detail.xhr.responseURL;
  const signIn = document.body.dataset.signInUrl;
  if (!answered || !signIn || new URL(answered).pathname !== signIn) return;
  event.detail.shouldSwap = false;
  window.location.reload();
});
