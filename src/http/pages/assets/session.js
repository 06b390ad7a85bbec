// Signing in and registering: one component for the chat and the operators' console.

import { ApiError, get, post } from "./api.js";
import { h, setNote } from "./dom.js";

const ROLES = { student: "I learn and look for gigs", client: "I have work to give" };

/** A labelled input with a place for what is wrong with it. */
export function field(label, props, help) {
  const id = `f-${props.name}-${Math.random().toString(36).slice(2, 8)}`;
  const note = h("p", { class: "help", id: `${id}-help` }, help ?? "");
  const input = h("input", { id, required: true, "aria-describedby": note.id, ...props });
  const box = h("div", { class: "field" }, h("label", { for: id }, label), input, note);
  box.wrong = (text) => {
    input.toggleAttribute("aria-invalid", Boolean(text));
    if (text) input.setAttribute("aria-invalid", "true");
    note.textContent = text ?? help ?? "";
    note.classList.toggle("error", Boolean(text));
  };
  box.input = input;
  return box;
}

/** Runs a form's submission: disables it meanwhile and puts a problem beside the field it is about. */
export function onSubmit(form, fields, errorNote, send) {
  form.noValidate = true;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    setNote(errorNote, null);
    let firstWrong = null;
    for (const box of Object.values(fields)) {
      const bad = !box.input.checkValidity();
      box.wrong(bad ? box.input.validationMessage : null);
      if (bad) firstWrong ??= box.input;
    }
    if (firstWrong) return firstWrong.focus();
    const button = form.querySelector("button[type=submit]");
    button.disabled = true;
    try {
      await send(Object.fromEntries(new FormData(form)));
    } catch (error) {
      const wrong = error instanceof ApiError ? error.fields : {};
      for (const [name, text] of Object.entries(wrong)) {
        fields[name]?.wrong(text);
        if (fields[name]) firstWrong ??= fields[name].input;
      }
      if (!firstWrong) setNote(errorNote, explain(error));
      (firstWrong ?? button).focus();
    } finally {
      button.disabled = false;
    }
  });
}

/** An error in words for people. */
export function explain(error) {
  if (!(error instanceof ApiError)) {
    console.error(error);
    return "Something went wrong on this page.";
  }
  // Nobody typed the token: what is wrong with it is wrong with the link.
  if (error.fields.token) return "This link does not work. It was used before, has expired, or was not copied whole.";
  return error.message.replace(/^./, (c) => c.toUpperCase());
}

const signInWith = (email, password) => post("/api/v1/auth/sessions", { email, password, device: "Web page" });

/**
 * Fills `place` with the sign-in form. `done(user)` is called once the cookie is set. Registering
 * is offered unless `onlySignIn`.
 */
export function signInPanel(place, done, { title = "Sign in", note, onlySignIn = false } = {}) {
  const demo = h("div", { class: "demo", hidden: true });
  const slot = h("div");
  const said = h("p", { class: "note", role: "status", hidden: true });
  setNote(said, note);
  place.replaceChildren(h("div", { class: "card sign-in" }, said, slot, demo));
  let showing = "in";

  function signInForm() {
    const email = field("E-mail", { name: "email", type: "email", autocomplete: "username" });
    const password = field("Password", { name: "password", type: "password", autocomplete: "current-password" });
    const error = h("p", { class: "error", role: "alert", hidden: true });
    const form = h("form", { class: "stack" }, h("h2", {}, title), email, password, error,
      h("button", { type: "submit", class: "main wide" }, "Sign in"));
    onSubmit(form, { email, password }, error, async (values) => done((await signInWith(values.email, values.password)).user));
    const links = h("div", { class: "links" });
    if (!onlySignIn) links.append(link("Make an account", () => show("register")));
    links.append(link("Forgot the password?", () => show("forgot")));
    form.append(links);
    return form;
  }

  function registerForm() {
    const name = field("Your name", { name: "display_name", maxLength: 64, autocomplete: "name" }, "As others will see it.");
    const email = field("E-mail", { name: "email", type: "email", autocomplete: "username" });
    const password = field("Password", { name: "password", type: "password", minLength: 8, autocomplete: "new-password" }, "At least 8 characters.");
    const error = h("p", { class: "error", role: "alert", hidden: true });
    const roles = h("fieldset", { class: "choices" }, h("legend", {}, "What brings you here?"),
      ...Object.entries(ROLES).map(([value, text], i) =>
        h("label", {}, h("input", { type: "radio", name: "role", value, checked: i === 0 }), " ", h("span", {}, text))));
    const form = h("form", { class: "stack" }, h("h2", {}, "Make an account"), name, email, password, roles, error,
      h("button", { type: "submit", class: "main wide" }, "Make account"),
      h("div", { class: "links" }, link("I have one already", () => show("in"))));
    onSubmit(form, { display_name: name, email, password }, error, async (values) => {
      await post("/api/v1/auth/register", values);
      done((await signInWith(values.email, values.password)).user);
    });
    return form;
  }

  function forgotForm() {
    const email = field("E-mail", { name: "email", type: "email", autocomplete: "username" });
    const error = h("p", { class: "error", role: "alert", hidden: true });
    const form = h("form", { class: "stack" }, h("h2", {}, "Forgot the password?"), email, error,
      h("button", { type: "submit", class: "main wide" }, "Send a link"),
      h("div", { class: "links" }, link("Back to sign in", () => show("in"))));
    onSubmit(form, { email }, error, async (values) => {
      await post("/api/v1/auth/password/reset", values);
      show("in");
      setNote(said, "If there is an account with this address, a link to set a new password is on its way.");
    });
    return form;
  }

  function show(which) {
    if (which !== showing) setNote(said, null);
    const focus = which !== showing;
    showing = which;
    const form = { in: signInForm, register: registerForm, forgot: forgotForm }[which]();
    slot.replaceChildren(form);
    demo.hidden = which !== "in" || !demo.childElementCount;
    if (focus) form.querySelector("input")?.focus();
  }

  show("in");
  offerDemo(demo, done).then(() => (demo.hidden = showing !== "in" || !demo.childElementCount));
}

/** Buttons for the demo accounts, where the server has them. */
async function offerDemo(place, done) {
  let demo;
  try {
    demo = await get("/api/v1/demo");
  } catch {
    return;
  }
  const error = h("p", { class: "error", role: "alert", hidden: true });
  const buttons = (demo.accounts ?? []).map((account) => {
    const what = account.email.split("@")[0];
    const button = h("button", { type: "button", dataset: { demo: what } },
      h("b", {}, `Sign in as demo ${what}`), h("span", {}, account.display_name ?? account.name ?? ""));
    button.addEventListener("click", async () => {
      button.disabled = true;
      setNote(error, null);
      try {
        done((await signInWith(account.email, demo.password)).user);
      } catch (failure) {
        setNote(error, explain(failure));
      } finally {
        button.disabled = false;
      }
    });
    return button;
  });
  if (buttons.length) place.replaceChildren(h("h2", {}, "Or look around"), h("div", { class: "demo-list" }, ...buttons), error);
}

function link(text, go) {
  const button = h("button", { type: "button", class: "link" }, text);
  button.addEventListener("click", go);
  return button;
}
