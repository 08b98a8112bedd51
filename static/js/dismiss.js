// <div data-dismiss-on-expiry> goes when the data-countdown inside it has run out.
document.addEventListener("countdown:expired", (event) => {
  event.target.closest("[data-dismiss-on-expiry]")?.remove();
});
