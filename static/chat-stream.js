// Follows one answer while it is written. The server's events carry the reader's place, so a
// broken connection goes on where it was, without gap and without repeat.

const SLOW_MILLISECONDS = 15000;
const AGAIN_MILLISECONDS = 3000;
const ANSWERING = ["thinking", "again"];

export class Stream {
  // `words`: lost, slow. `told`: change(how), done(html), gone(), refused().
  constructor(article, words, told) {
    this.article = article;
    this.text = article.querySelector(".answer-text");
    this.state = article.querySelector(".answer-words");
    this.words = words;
    this.told = told;
    this.place = "";
    this.waitsFor = this.state.textContent;
    this.isAnswering = false;
    this.open();
  }

  open() {
    const from = this.place ? `?from=${encodeURIComponent(this.place)}` : "";
    if (!from) this.text.textContent = "";
    this.source = new EventSource(this.article.dataset.stream + from);
    this.hear("delta", (data) => this.grow(data.text));
    this.hear("reset", () => {
      this.text.textContent = "";
    });
    this.hear("state", (data) => this.wait(data.words, data.state));
    this.hear("done", (data) => this.end(() => this.told.done(data.html)));
    this.hear("gone", (data) => {
      this.state.textContent = data.words;
      this.end(this.told.gone);
    });
    this.source.onopen = () => this.say(this.waitsFor);
    this.source.onerror = () => this.recover();
    this.expectMore();
  }

  hear(name, heard) {
    this.source.addEventListener(name, (event) => {
      if (event.lastEventId) this.place = event.lastEventId;
      this.expectMore();
      heard(JSON.parse(event.data));
    });
  }

  grow(text) {
    this.isAnswering = true;
    this.article.dataset.status = "running";
    // As a text node: what a model says is never taken for HTML here.
    this.told.change(() => this.text.append(text));
    this.say("");
  }

  // Growing text speaks for itself; what interrupts it has to be said.
  wait(words, state) {
    this.isAnswering = ANSWERING.includes(state);
    this.say(this.isAnswering && this.text.textContent ? "" : words);
  }

  say(words) {
    this.waitsFor = words;
    this.state.textContent = words;
  }

  // The browser takes up a broken connection by itself; a refused one it gives up.
  recover() {
    this.state.textContent = this.words.lost;
    if (this.source.readyState !== EventSource.CLOSED) return;
    clearTimeout(this.again);
    this.again = setTimeout(this.told.refused, AGAIN_MILLISECONDS);
  }

  expectMore() {
    clearTimeout(this.slow);
    this.slow = setTimeout(() => {
      if (this.isAnswering) this.state.textContent = this.words.slow;
    }, SLOW_MILLISECONDS);
  }

  end(then) {
    this.close();
    then();
  }

  close() {
    clearTimeout(this.slow);
    clearTimeout(this.again);
    this.source.close();
  }
}
