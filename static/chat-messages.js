// The list of messages on the chat page: what comes in is put in its place, and the reader's own
// place is left alone.

const NEAR_THE_END = 40;

const list = document.getElementById("messages-list");
const newest = document.getElementById("newest");
const copyButton = document.getElementById("copy-code").content;

export const fragment = (html) => {
  const template = document.createElement("template");
  template.innerHTML = html; // from our own server, which has cleaned it
  return template.content;
};

// The reader follows what grows at the end, until he scrolls up, and again when he is back there.
let follows = false;
let scrolledTo = window.scrollY;

const toTheEnd = () => {
  const page = document.documentElement;
  return page.scrollHeight - window.scrollY - window.innerHeight;
};

export const goToTheEnd = () => {
  window.scrollTo({ top: document.documentElement.scrollHeight, behavior: "instant" });
  follows = true;
  newest.hidden = true;
};

// Whatever changes the page's height: who reads further up is not moved.
export const stay = (change) => {
  change();
  if (follows) goToTheEnd();
  else newest.hidden = toTheEnd() < NEAR_THE_END;
};

export const pending = () => list.querySelector("article[data-stream]");

const addCopyButtons = (root) => {
  root.querySelectorAll(".answer-text pre").forEach((pre) => {
    const box = document.createElement("div");
    box.className = "code-box";
    pre.replaceWith(box);
    box.append(pre, copyButton.cloneNode(true));
    box.lastElementChild.dataset.copy = pre.textContent;
  });
};

const ready = (article) => {
  addCopyButtons(article);
  if (window.htmx) window.htmx.process(article);
};

const insert = (article) => {
  const isLater = (other) => Number(other.dataset.position) > Number(article.dataset.position);
  list.insertBefore(article, [...list.children].find(isLater) || null);
  ready(article);
};

const replace = (here, article, settled) => {
  const hadFocus = here.contains(document.activeElement);
  here.replaceWith(article);
  ready(article);
  if (hadFocus) article.focus({ preventScroll: true });
  settled(article);
};

// Put a message in its place. One that grows here is replaced by its end alone, which `settled`
// hears of; of a settled one only the rating can have changed.
export const merge = (article, settled) => {
  const here = list.querySelector(`[data-message-id="${CSS.escape(article.dataset.messageId)}"]`);
  if (!here) {
    insert(article);
    return;
  }
  if (here.dataset.stream) {
    if (!article.dataset.stream) replace(here, article, settled);
    return;
  }
  const [ours, theirs] = [here, article].map((each) => each.querySelector(".answer-rating"));
  if (ours && theirs && ours.dataset.rating !== theirs.dataset.rating) {
    ours.replaceWith(theirs);
    ready(here);
  }
};

addCopyButtons(list);
newest.addEventListener("click", goToTheEnd);
window.addEventListener(
  "scroll",
  () => {
    const isUpwards = window.scrollY < scrolledTo;
    scrolledTo = window.scrollY;
    // Where the page shrinks it also moves upwards, but stays at its end.
    if (isUpwards && toTheEnd() >= 1) follows = false;
    else if (toTheEnd() < NEAR_THE_END) follows = true;
    if (follows) newest.hidden = true;
  },
  { passive: true },
);
// A smooth scroll begins too slowly to be told from standing still.
window.addEventListener(
  "wheel",
  (event) => {
    if (event.deltaY < 0 && window.scrollY > 0) follows = false;
  },
  { passive: true },
);
follows = toTheEnd() < NEAR_THE_END;
