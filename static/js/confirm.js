// <form data-confirm="Question?" data-confirm-button="Retire"> asks before it is sent, with or without htmx.
const confirmed = new WeakSet();

function ask(form, submitter) {
  const dialog = document.getElementById("confirm-dialog");
  dialog.querySelector("#confirm-question").textContent = form.dataset.confirm;
  dialog.querySelector("[data-confirm-button]").textContent = form.dataset.confirmButton || "Go on";
  dialog.returnValue = "";
  dialog.addEventListener(
    "close",
    () => {
      if (dialog.returnValue !== "confirm") return;
      confirmed.add(form);
      form.requestSubmit(submitter);
    },
    { once: true },
  );
  dialog.showModal();
}

// Captured at the document, hence before htmx sees the event.
document.addEventListener(
  "submit",
  (event) => {
    const form = event.target.closest("form[data-confirm]");
    if (!form || confirmed.delete(form)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    ask(form, event.submitter);
  },
  true,
);
