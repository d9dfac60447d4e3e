// The chat page: send, follow, stop, and keep several tabs of one person alike. Without this file
// the page still works: every control is a form or a link.
import { fragment, goToTheEnd, merge, pending, stay } from "./chat-messages.js";
import { Stream } from "./chat-stream.js";

const HIDDEN_MILLISECONDS = 10000;
const SEND_MILLISECONDS = 30000;
const LOOK_MILLISECONDS = 100;
const ROWS_AT_MOST = 8;

const page = document.getElementById("chat").dataset;
const list = document.getElementById("messages-list");
const composer = document.getElementById("composer");
const field = composer.elements.message;
const send = document.getElementById("send");
const stop = document.getElementById("stop");
const refusal = document.getElementById("composer-error");
const progress = document.getElementById("composer-state");
const news = document.getElementById("chat-news");
const draftName = `draft:${composer.action}`;
const tabs = new BroadcastChannel(`chat:${composer.action}`);

let stream = null;
let sending = false;
let keyed = null; // the text that the composer's key belongs to

// A fragment of the page; `ok` and `status` are the response's. Raises where there is no connection.
const call = async (url, body) => {
  const response = await fetch(url, {
    method: body ? "POST" : "GET",
    body,
    headers: { "HX-Request": "true" },
    signal: AbortSignal.timeout(SEND_MILLISECONDS),
  });
  return { ok: response.ok, status: response.status, content: fragment(await response.text()) };
};

const complain = (...sentence) => refusal.replaceChildren(...sentence);

const explain = ({ status, content }) => {
  const reason = content.querySelector(".chat-refusal");
  const sentences = { 403: page.wordsOutdated, 404: page.wordsGone };
  complain(reason || sentences[status] || page.wordsBusy);
};

const focusField = () => {
  // On a phone the keyboard would cover what one wants to read.
  if (matchMedia("(pointer: fine)").matches) field.focus();
};

// Following -----------------------------------------------------------------------------------

const settled = (article) => {
  if (stream && !stream.article.isConnected) sleep();
  const ends = { failed: page.wordsFailed, cancelled: page.wordsStopped };
  news.textContent = ends[article.dataset.status] || page.wordsEnded;
};

const sleep = () => {
  if (stream) stream.leave();
  stream = null;
};

const showButtons = (isPending) => {
  const hadFocus = document.activeElement === (isPending ? send : stop);
  stop.hidden = !isPending;
  send.hidden = isPending;
  if (hadFocus) focusField();
};

// One stream at a time: answers of a conversation come one after the other, and a browser has few
// connections to give.
const follow = () => {
  const article = pending();
  showButtons(Boolean(article));
  if (!article || document.hidden || (stream && stream.article === article)) return;
  sleep();
  const words = { lost: page.wordsLost, slow: page.wordsSlow, again: page.wordsAgain };
  stream = new Stream(article, words, {
    change: stay,
    say: (sentence) => (news.textContent = sentence),
    done: (html) => {
      stay(() => merge(fragment(html).firstElementChild, settled));
      follow();
    },
    gone: () => showButtons(false),
    refused: () => lookAgain(article),
  });
};

const lookAgain = async (article) => {
  try {
    const answer = await call(article.dataset.url);
    if (answer.status === 404) return location.reload();
    if (answer.status === 401) {
      sleep(); // until the reader comes back to this tab, signed in
      return explain(answer);
    }
    if (answer.ok) stay(() => merge(answer.content.firstElementChild, settled));
  } catch {
    // no connection: the next try comes in a moment
  }
  if (stream && stream.article === article) stream.open();
  follow();
};

// Sending -------------------------------------------------------------------------------------

const keepDraft = (text) => {
  try {
    if (text) sessionStorage.setItem(draftName, text);
    else sessionStorage.removeItem(draftName);
  } catch {
    // storage is switched off: the text is only here
  }
};

const grow = () => {
  field.rows = 1;
  while (field.rows < ROWS_AT_MOST && field.scrollHeight > field.clientHeight) field.rows += 1;
};

const clear = (text) => {
  if (field.value !== text) return; // somebody typed on meanwhile
  field.value = "";
  keepDraft("");
  grow();
};

const newKey = () => {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
};

// The same text keeps its key until it was taken: sent twice, it is asked once.
const bodyFor = (text) => {
  if (keyed !== text) composer.elements.key.value = newKey();
  keyed = text;
  const body = new URLSearchParams(new FormData(composer));
  body.set("message", text);
  return body;
};

const begin = ({ conversation, conversationUrl }) => {
  page.conversation = conversation;
  page.conversationUrl = conversationUrl;
  composer.elements.conversation.value = conversation;
  history.replaceState(null, "", conversationUrl);
  document.getElementById("chat-welcome")?.remove();
  sync();
};

const take = (asked) => {
  if (page.past !== undefined) return location.assign(asked.dataset.conversationUrl);
  merge(asked.querySelector("article"), settled);
  document.getElementById("news-card")?.remove(); // the person has gone on to something else
  if (page.conversation !== asked.dataset.conversation) begin(asked.dataset);
  goToTheEnd();
  follow();
  tabs.postMessage(page.conversation);
};

const ask = async (text) => {
  if (sending || field.disabled) return;
  if (!text.trim()) return field.focus();
  sending = send.disabled = true;
  complain();
  progress.textContent = page.wordsSending;
  try {
    const answer = await call(composer.action, bodyFor(text));
    if (answer.ok || answer.status === 409) keyed = null;
    if (answer.ok) {
      clear(text);
      take(answer.content.querySelector("[data-asked]"));
    } else {
      if (!field.value) field.value = text;
      explain(answer);
    }
  } catch {
    if (!field.value) field.value = text;
    complain(page.wordsOffline);
  } finally {
    sending = send.disabled = false;
    progress.textContent = "";
    focusField();
  }
};

const stopNow = async () => {
  const article = pending();
  if (!article || stop.disabled) return;
  stop.disabled = true;
  try {
    const answer = await call(article.dataset.stop, new URLSearchParams(new FormData(composer)));
    if (answer.ok) stay(() => merge(answer.content.firstElementChild, settled));
    else explain(answer);
  } catch {
    complain(page.wordsNotStopped);
  } finally {
    stop.disabled = false;
    follow();
  }
};

// Other tabs ----------------------------------------------------------------------------------

const sync = async () => {
  if (!page.conversationUrl || page.past !== undefined) return;
  try {
    const answer = await call(page.conversationUrl);
    if (!answer.ok) return;
    const part = (name) => answer.content.querySelector(`[data-part="${name}"]`);
    document.getElementById("conversations").replaceChildren(...part("conversations").childNodes);
    stay(() => [...part("messages").children].forEach((article) => merge(article, settled)));
    follow();
  } catch {
    // no connection: the next look comes with the next focus
  }
};

// Coming back is told twice, by the tab and by the window: one look does for both.
let looking;
const lookSoon = () => {
  clearTimeout(looking);
  looking = setTimeout(() => sync().then(follow), LOOK_MILLISECONDS);
};

let sleeping;
document.addEventListener("visibilitychange", () => {
  clearTimeout(sleeping);
  if (document.hidden) sleeping = setTimeout(sleep, HIDDEN_MILLISECONDS);
  else lookSoon();
});
window.addEventListener("focus", lookSoon);
window.addEventListener("pageshow", (event) => event.persisted && lookSoon());
window.addEventListener("offline", () => stream?.recover());
window.addEventListener("online", () => stream?.open());
tabs.addEventListener("message", (event) => {
  if (event.data === page.conversation) lookSoon();
});

// Controls ------------------------------------------------------------------------------------

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form !== composer && !("ask" in form.dataset)) return;
  event.preventDefault();
  ask(form.elements.message.value);
});
field.addEventListener("keydown", (event) => {
  // While an input method composes, Enter takes its suggestion (keyCode 229 in Safari).
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  ask(field.value);
});
document.addEventListener("keydown", (event) => {
  const isForUs = !event.isComposing && !document.querySelector(".offcanvas.show, .dropdown-menu.show");
  if (event.key === "Escape" && isForUs) stopNow();
});
field.addEventListener("input", () => {
  keepDraft(field.value);
  grow();
});
stop.addEventListener("click", stopNow);
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.xhr.status === 400) event.detail.shouldSwap = true; // the comment's own error
});
document.addEventListener("htmx:beforeRequest", () => complain());
document.addEventListener("htmx:responseError", ({ detail: { xhr } }) => {
  if (xhr.status !== 400) explain({ status: xhr.status, content: fragment(xhr.responseText) });
});
document.addEventListener("htmx:sendError", () => complain(page.wordsOffline));
document.addEventListener("htmx:afterRequest", () => tabs.postMessage(page.conversation));

try {
  field.value ||= sessionStorage.getItem(draftName) || "";
} catch {
  // storage is switched off
}
grow();
if (!location.hash && page.past === undefined && list.children.length) goToTheEnd();
follow();
