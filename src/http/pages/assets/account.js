// The pages that links in mails lead to. A link does nothing by itself: programs that scan mail open
// every link, so it takes a person's click.

import { post } from "./api.js";
import { $, h, setNote, setText } from "./dom.js";
import { explain, field, onSubmit } from "./session.js";

const token = new URLSearchParams(location.search).get("token") ?? "";
const INCOMPLETE = "This link is not complete. Open it once more from the mail, or copy it whole.";
/** A link that was used must not stay in the history. */
const forgetToken = () => history.replaceState(null, "", location.pathname);

if ($("verify")) {
  const button = $("verify");
  if (!token) {
    button.disabled = true;
    setNote($("verify-note"), INCOMPLETE);
  }
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await post("/api/v1/auth/email/verify", { token });
      forgetToken();
      button.hidden = true;
      setText($("verify-text"), "Your e-mail address is confirmed.");
      setNote($("verify-note"), null);
    } catch (error) {
      setNote($("verify-note"), explain(error));
      button.disabled = false;
    }
  });
}

if ($("reset")) {
  const form = $("reset");
  const password = field("New password", { name: "new_password", type: "password", minLength: 8, autocomplete: "new-password" }, "At least 8 characters.");
  const again = field("Once more", { name: "again", type: "password", minLength: 8, autocomplete: "new-password" });
  const error = h("p", { class: "error", role: "alert", hidden: true });
  const button = h("button", { type: "submit", class: "main wide", disabled: !token }, "Set password");
  form.append(password, again, error, button);
  if (!token) setNote($("reset-note"), INCOMPLETE);
  const compare = () => again.input.setCustomValidity(password.input.value === again.input.value ? "" : "The two passwords differ.");
  password.input.addEventListener("input", compare);
  again.input.addEventListener("input", compare);
  onSubmit(form, { new_password: password, again }, error, async ({ new_password }) => {
    await post("/api/v1/auth/password/reset/confirm", { token, new_password });
    forgetToken();
    form.hidden = true;
    setNote($("reset-note"), "Your password is set. Sign in with it now; where you were signed in before, you no longer are.");
  });
}
