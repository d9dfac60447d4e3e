// Follows one answer while it is written. The server's events carry the reader's place, so a
// broken connection goes on where it was, without gap and without repeat.

const SLOW_MILLISECONDS = 15000;
const SILENT_MILLISECONDS = 35000; // the server says at least every 15 s that it is there
const LOST_MILLISECONDS = 3000; // a shorter loss is not worth a word
const AGAIN_MILLISECONDS = [300, 1000, 2000, 4000, 8000, 15000];
const ANSWERING = ["thinking", "again"];
const INTERRUPTED = ["again", "lost", "retry"];

export class Stream {
  // `words`: lost, slow, again. `told`: change(how), say(words), done(html), gone(), refused().
  constructor(article, words, told) {
    this.article = article;
    this.text = article.querySelector(".answer-text");
    this.state = article.querySelector(".answer-words");
    this.words = words;
    this.told = told;
    this.waitsFor = this.state.textContent;
    this.isAnswering = false;
    this.tries = 0;
    if (!this.place) this.text.textContent = "";
    this.open();
  }

  // Kept with the text that it belongs to.
  get place() {
    return this.article.dataset.place || "";
  }

  open() {
    this.close();
    const from = this.place ? `?from=${encodeURIComponent(this.place)}` : "";
    this.source = new EventSource(this.article.dataset.stream + from);
    this.hear("delta", (data) => this.grow(data.text));
    this.hear("reset", () => this.beginAgain());
    this.hear("state", (data) => this.wait(data.words, data.state));
    this.hear("done", (data) => this.end(() => this.told.done(data.html)));
    this.hear("gone", (data) => {
      this.state.textContent = data.words;
      this.end(this.told.gone);
    });
    this.source.addEventListener("quiet", () => this.isThere());
    this.source.onopen = () => {
      this.isThere();
      if (this.state.textContent === this.words.lost) this.say(this.waitsFor);
    };
    this.source.onerror = () => this.recover();
    this.expectMore();
    this.expectSign();
  }

  hear(name, heard) {
    this.source.addEventListener(name, (event) => {
      if (event.lastEventId) this.article.dataset.place = event.lastEventId;
      this.tries = 0;
      this.isThere();
      this.expectMore();
      heard(JSON.parse(event.data));
    });
  }

  grow(text) {
    this.isAnswering = true;
    this.article.dataset.status = "running";
    this.told.change(() => {
      if (this.isPast) this.text.textContent = "";
      this.text.classList.remove("is-past");
      // As a text node: what a model says is never taken for HTML here.
      this.text.append(text);
    });
    this.say("");
  }

  // Another attempt: what the last one said stays, pale, until there is something better.
  beginAgain() {
    if (!this.text.textContent) return;
    this.text.style.minHeight = `${this.text.offsetHeight}px`;
    this.text.classList.add("is-past");
    this.isAnswering = true;
    this.interrupt(this.words.again);
    this.waitsFor = this.words.again;
  }

  get isPast() {
    return this.text.classList.contains("is-past");
  }

  // Growing text speaks for itself; what interrupts it has to be said.
  wait(words, state) {
    this.isAnswering = ANSWERING.includes(state);
    this.say(this.isAnswering && this.text.textContent && !this.isPast ? "" : words);
    if (INTERRUPTED.includes(state)) this.told.say(words);
  }

  say(words) {
    this.waitsFor = words;
    if (this.state.textContent !== words) this.state.textContent = words;
  }

  interrupt(words) {
    this.state.textContent = words;
    this.told.say(words);
  }

  // The browser would take up a broken connection, but not a refused one, and not at once when it
  // is online again: so it is all done here.
  recover() {
    const lost = this.lost ?? setTimeout(() => this.interrupt(this.words.lost), LOST_MILLISECONDS);
    this.close();
    this.lost = lost;
    const pause = AGAIN_MILLISECONDS[Math.min(this.tries, AGAIN_MILLISECONDS.length - 1)];
    const tryAgain = this.tries ? this.told.refused : () => this.open();
    this.tries += 1;
    this.again = setTimeout(tryAgain, pause * (0.75 + Math.random() / 2));
  }

  isThere() {
    clearTimeout(this.lost);
    this.lost = null;
    this.expectSign();
  }

  // A connection may die without a word, in a laptop that sleeps for one.
  expectSign() {
    clearTimeout(this.silent);
    this.silent = setTimeout(() => this.recover(), SILENT_MILLISECONDS);
  }

  expectMore() {
    clearTimeout(this.slow);
    this.slow = setTimeout(() => {
      if (this.isAnswering) this.interrupt(this.words.slow);
    }, SLOW_MILLISECONDS);
  }

  end(then) {
    this.leave();
    then();
  }

  // For good, while `close` may be followed by another `open`.
  leave() {
    clearTimeout(this.lost);
    this.lost = null;
    this.close();
  }

  close() {
    [this.slow, this.again, this.silent].forEach(clearTimeout);
    this.source?.close();
  }
}
