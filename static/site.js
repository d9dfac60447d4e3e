// What every page can do: switch the theme, copy, ask before a danger.
(() => {
  const READ_MILLISECONDS = 8000;
  const root = document.documentElement;

  const nameSwitch = (button) => {
    const other = root.dataset.bsTheme === "dark" ? "light" : "dark";
    button.setAttribute("aria-label", button.dataset[other]);
    button.title = button.dataset[other];
  };

  const switchTheme = (button) => {
    root.dataset.bsTheme = root.dataset.bsTheme === "dark" ? "light" : "dark";
    try {
      localStorage.setItem("theme", root.dataset.bsTheme);
    } catch {
      // storage is switched off: the choice lasts for this page
    }
    nameSwitch(button);
  };

  // navigator.clipboard is there on https and localhost only; an intranet may have neither.
  const copyTheOldWay = (text) => {
    const field = document.createElement("textarea");
    field.value = text;
    field.className = "visually-hidden";
    document.body.append(field);
    field.select();
    const copied = document.execCommand("copy");
    field.remove();
    return copied;
  };

  // A success is marked on the button; a failure has to be seen as well as heard.
  const tell = (copied) => {
    const said = document.getElementById("said");
    said.textContent = ""; // the same words again are said again
    setTimeout(() => {
      said.textContent = copied ? said.dataset.copied : said.dataset.notCopied;
      said.classList.toggle("visually-hidden", copied);
    });
    clearTimeout(tell.ends);
    tell.ends = setTimeout(() => said.classList.add("visually-hidden"), READ_MILLISECONDS);
  };

  const copy = async (button) => {
    const source = button.dataset.copyFrom;
    const text = source ? document.querySelector(source).textContent : button.dataset.copy;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      if (!copyTheOldWay(text)) return tell(false);
    }
    tell(true);
    button.classList.add("copied");
    setTimeout(() => button.classList.remove("copied"), 1500);
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-theme-switch], [data-copy], [data-copy-from]");
    if (!button) return;
    if ("themeSwitch" in button.dataset) switchTheme(button);
    else copy(button);
  });

  document.querySelectorAll("[data-theme-switch]").forEach(nameSwitch);
  // On a phone the list of pages is a bar that scrolls: show where we are in it.
  document.querySelector(".number-nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
})();
