// A few emoji to react with; any other comes by its own key in the field.

import { $, h } from "./dom.js";

const COMMON = ["👍", "❤️", "😂", "🎉", "😮", "😢", "👀", "🙏", "✅", "🚀", "💯", "🤔"];

/** Wires the picker; answers the function that opens it beside an element. */
export function emojiPicker() {
  const dialog = $("emoji");
  let chosen = null;
  const buttons = COMMON.map((emoji) => {
    const button = h("button", { type: "button", class: "tool", "aria-label": emoji, dataset: { emoji } }, emoji);
    button.addEventListener("click", () => done(emoji));
    return button;
  });
  const done = (emoji) => {
    dialog.close();
    chosen?.(emoji);
  };
  $("emoji-list").replaceChildren(...buttons);
  // Arrows walk through them, as through a toolbar.
  $("emoji-list").addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 6, ArrowUp: -6 }[event.key];
    const at = buttons.indexOf(document.activeElement);
    if (!step || at < 0) return;
    event.preventDefault();
    buttons[(at + step + buttons.length) % buttons.length].focus();
  });
  $("emoji-cancel").addEventListener("click", () => dialog.close());
  return (then) => {
    chosen = then;
    dialog.showModal();
    buttons[0].focus();
  };
}
