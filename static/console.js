// Forms of the console: sent once, no file that the server would refuse, the name typed as it is.
(() => {
  // A second click must not replace the answer to the first: it may hold a secret.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("form[data-once]")) return;
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });

  // The browser may bring the page back as it was left.
  addEventListener("pageshow", () => {
    document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent);
  });

  const complaint = (field) => {
    const { bytesAtMost, tooLarge, mustEqual, mismatch } = field.dataset;
    const file = field.files?.[0];
    if (file && bytesAtMost && file.size > Number(bytesAtMost)) return tooLarge;
    return mustEqual !== undefined && field.value.trim() !== mustEqual ? mismatch : "";
  };

  document.addEventListener("input", ({ target }) => {
    if (target.matches("[data-bytes-at-most], [data-must-equal]")) {
      target.setCustomValidity(complaint(target));
      if (target.files) target.reportValidity();
    }
  });
})();
