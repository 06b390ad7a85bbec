// Questions of a quiz as fields, whatever quiz they are in.

import { announce, h } from "./dom.js";
import { nodes } from "./html.js";

/**
 * One question as a list item. `given` is the answer so far, `set(place, answer)` hears of another one, null
 * for none.
 */
export function questionItem(question, given, set) {
  const { place } = question;
  const legend = h("legend", { class: "prose" }, nodes(question.prompt_html));
  const kinds = { single, multiple, ordering, matching, numeric: line, short: line, essay };
  return h("li", { dataset: { place, kind: question.kind } }, h("fieldset", { class: "question" }, legend, h("p", { class: "help" }, `${question.points} ${question.points === 1 ? "point" : "points"}`),
    ...[kinds[question.kind](question, given, set)].flat()));
}

function choice(type, question, n, text, checked, changed) {
  const input = h("input", { type, name: `q${question.place}`, value: String(n), checked });
  input.addEventListener("change", changed);
  return h("label", { class: "choice" }, input, " ", h("span", {}, text));
}

function single(question, given, set) {
  return question.options.map((text, n) => choice("radio", question, n, text, given === n || given?.choice === n, () => set(question.place, { choice: n })));
}

function multiple(question, given, set) {
  const chosen = new Set(given?.choices ?? []);
  return question.options.map((text, n) => choice("checkbox", question, n, text, chosen.has(n), (event) => {
    if (event.target.checked) chosen.add(n);
    else chosen.delete(n);
    set(question.place, { choices: [...chosen].sort((a, b) => a - b) });
  }));
}

/** Moved by buttons: by pointer, keyboard and switch alike. */
function ordering(question, given, set) {
  let order = given?.order ?? question.options.map((_, n) => n);
  const list = h("ol", { class: "ordering" });
  const draw = (focus) => {
    list.replaceChildren(...order.map((one, at) => {
      const button = (sign, name, by) => {
        const made = h("button", { type: "button", class: "quiet", "aria-label": `Move ${question.options[one]} ${name}`, disabled: at + by < 0 || at + by >= order.length, dataset: { move: `${one}${name}` } }, sign);
        made.addEventListener("click", () => {
          [order[at], order[at + by]] = [order[at + by], order[at]];
          set(question.place, { order });
          draw(`${one}${name}`);
          announce(`${question.options[one]} is at place ${at + by + 1}.`);
        });
        return made;
      };
      return h("li", {}, h("span", {}, question.options[one]), button("↑", "up", -1), button("↓", "down", 1));
    }));
    const again = focus && list.querySelector(`[data-move="${focus}"]`);
    if (again) (again.disabled ? again.parentElement.querySelector("button:not(:disabled)") : again)?.focus();
  };
  order = [...order];
  draw();
  return list;
}

function matching(question, given, set) {
  const found = [...(given?.match ?? question.stems.map(() => null))];
  return question.stems.map((stem, n) => {
    const pick = h("select", { id: `q${question.place}-${n}` }, h("option", { value: "" }, "—"), ...question.options.map((text, o) => h("option", { value: String(o), selected: found[n] === o }, text)));
    pick.addEventListener("change", () => {
      found[n] = pick.value === "" ? null : Number(pick.value);
      set(question.place, { match: found });
    });
    return h("div", { class: "row" }, h("label", { for: pick.id }, stem), pick);
  });
}

function line(question, given, set) {
  const number = question.kind === "numeric";
  const input = h("input", { type: "text", inputMode: number ? "decimal" : "text", "aria-label": "Your answer", autocomplete: "off", value: String(given?.number ?? given?.text ?? ""), maxLength: number ? 40 : 2_000 });
  input.addEventListener("input", () => {
    const text = input.value.trim();
    const value = number ? Number(text.replace(",", ".")) : text;
    const wrong = number && text !== "" && !Number.isFinite(value);
    input.toggleAttribute("aria-invalid", wrong);
    if (!wrong) set(question.place, text === "" ? null : number ? { number: value } : { text });
  });
  return input;
}

function essay(question, given, set) {
  const input = h("textarea", { rows: 8, "aria-label": "Your answer", value: given?.text ?? "", maxLength: 20_000 });
  input.addEventListener("input", () => set(question.place, input.value.trim() === "" ? null : { text: input.value }));
  return input;
}
