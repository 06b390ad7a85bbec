// Choosing people by name or e-mail: a search field, what it finds, and who is chosen.

import { count, debounce, h, setText } from "./dom.js";
import { avatar, find, nameOf } from "./people.js";
import { explain } from "./session.js";

const MOST_FOUND = 8;
let made = 0;

export class PeoplePicker {
  #chosen = new Set();
  #search;
  #status;
  #found;
  #chips;
  #exclude;
  #single;

  /** Fills `place`. `exclude()` names who is not offered; with `single()` a choice replaces the one before. */
  constructor(place, { exclude, single = () => false }) {
    const id = `people-${(made += 1)}`;
    this.#exclude = exclude;
    this.#single = single;
    this.#status = h("p", { id: `${id}-status`, class: "help", role: "status" });
    this.#search = h("input", { id, type: "search", autocomplete: "off", placeholder: "Name or e-mail", "aria-describedby": this.#status.id });
    this.#found = h("ul", { class: "found", "aria-label": "People found" });
    this.#chips = h("ul", { class: "chips", "aria-label": "People chosen" });
    place.replaceChildren(h("label", { for: id }, "Add people"), this.#search, this.#status, this.#found, this.#chips);
    this.#search.addEventListener("input", debounce(200, () => this.#look()));
    this.#search.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      // Enter takes the first that is found; it must not send the form.
      event.preventDefault();
      this.#found.querySelector("button")?.click();
    });
  }

  get ids() {
    return [...this.#chosen];
  }

  focus() {
    this.#search.focus();
  }

  clear() {
    this.#chosen = new Set();
    this.#search.value = "";
    this.#found.replaceChildren();
    setText(this.#status, "");
    this.#draw();
  }

  async #look() {
    const text = this.#search.value.trim();
    this.#found.replaceChildren();
    if (text.length < 2) return setText(this.#status, "");
    try {
      const hidden = new Set([...this.#exclude(), ...this.#chosen]);
      const people = (await find(text)).filter((person) => !hidden.has(person.id)).slice(0, MOST_FOUND);
      if (this.#search.value.trim() !== text) return; // typed on meanwhile
      setText(this.#status, people.length ? `${count(people.length, "person", "people")} found` : "Nobody found");
      this.#found.replaceChildren(...people.map((person) => this.#offer(person)));
    } catch (error) {
      setText(this.#status, explain(error));
    }
  }

  #offer(person) {
    const button = h("button", { type: "button" }, avatar(person.id), " ", person.display_name);
    button.addEventListener("click", () => {
      if (this.#single()) this.#chosen.clear();
      this.#chosen.add(person.id);
      this.#search.value = "";
      this.#found.replaceChildren();
      setText(this.#status, `${person.display_name} added`);
      this.#draw();
      this.focus();
    });
    return h("li", {}, button);
  }

  #draw() {
    this.#chips.replaceChildren(...this.ids.map((id) => {
      const remove = h("button", { type: "button", "aria-label": `Remove ${nameOf(id)}` }, nameOf(id), " ×");
      remove.addEventListener("click", () => {
        this.#chosen.delete(id);
        this.#draw();
        this.focus();
      });
      return h("li", {}, remove);
    }));
  }
}
