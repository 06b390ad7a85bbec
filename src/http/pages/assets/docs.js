// The API reference at `/docs`, drawn from `/api/openapi.json`.

import { get } from "./api.js";
import { $, count, debounce, h, setNote, setText } from "./dom.js";
import { example, prose, resolve, schemaView, typeName } from "./docs-schema.js";
import { explain } from "./session.js";

const METHODS = ["get", "post", "put", "patch", "delete"];

async function start() {
  let doc;
  try {
    doc = await get("/api/openapi.json");
  } catch (error) {
    return setNote($("docs-note"), explain(error));
  }
  setNote($("docs-note"), null);
  const operations = operationsOf(doc);
  const groups = grouped(doc, operations);
  document.title = `${doc.info?.title ?? "API"} API`;
  $("docs").append(intro(doc), ...groups.map((group) => section(doc, group)));
  $("toc").append(...groups.map(({ name, operations }) => h("div", { class: "toc-group" }, h("h2", {}, name),
    h("ul", {}, ...operations.map((op) => h("li", { dataset: { op: op.anchor } }, h("a", { href: `#${op.anchor}`, title: op.summary }, method(op.method), " ", h("span", {}, op.path.replace(/^\/api\/v1(?=\/)/, "")))))))));
  $("docs-filter").addEventListener("input", debounce(100, () => filter(groups)));
  // The place that the address names did not exist when the page was loaded.
  if (location.hash) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
}

function operationsOf(doc) {
  return Object.entries(doc.paths ?? {}).flatMap(([path, item]) => METHODS.filter((name) => item[name]).map((name) => {
    const operation = item[name];
    const text = (operation.summary || operation.description || "").trim();
    return {
      path, method: name, operation,
      tag: operation.tags?.[0] ?? "other",
      summary: text.split("\n")[0],
      anchor: `${name}-${path}`.replace(/[^A-Za-z0-9]+/g, "-").replace(/-$/, ""),
      parameters: [...(item.parameters ?? []), ...(operation.parameters ?? [])].map((p) => resolve(doc, p)).filter(Boolean),
    };
  }));
}

/** By tag, in the order in which the document declares the tags. */
function grouped(doc, operations) {
  const names = [...new Set([...(doc.tags ?? []).map((tag) => tag.name), ...operations.map((op) => op.tag)])];
  return names.map((name) => ({
    name,
    description: doc.tags?.find((tag) => tag.name === name)?.description,
    operations: operations.filter((op) => op.tag === name),
  })).filter((group) => group.operations.length);
}

function intro(doc) {
  const { info = {} } = doc;
  return h("header", { class: "docs-intro" },
    h("h1", {}, `${info.title ?? ""} API `, h("small", {}, info.version ?? "")),
    ...prose(info.description),
    h("p", { class: "help" }, `OpenAPI ${doc.openapi}. Sign in by POST /api/v1/auth/sessions; send the token as `, h("code", {}, "Authorization: Bearer …"),
      " or let the browser send its cookie."));
}

function section(doc, { name, description, operations }) {
  return h("section", { "aria-label": name }, h("h2", { class: "docs-tag" }, name, description ? h("small", {}, ` ${description}`) : null),
    ...operations.map((op) => article(doc, op)));
}

const method = (name) => h("span", { class: `method ${name}` }, name.toUpperCase());

function article(doc, op) {
  const { operation } = op;
  const secured = (operation.security ?? doc.security ?? []).some((need) => Object.keys(need).length);
  const body = resolve(doc, operation.requestBody);
  return h("article", { class: "operation", id: op.anchor },
    h("h3", {}, h("a", { href: `#${op.anchor}` }, method(op.method), " ", h("code", {}, op.path)), secured ? h("span", { class: "lock" }, "needs a session") : null),
    op.summary ? h("p", { class: "summary" }, ...inline(op.summary)) : null,
    ...prose(rest(operation, op.summary)),
    ...parameters(doc, op.parameters),
    ...(body ? content(doc, "Body", body, true) : []),
    ...responses(doc, operation.responses ?? {}));
}

const inline = (text) => [...(prose(text)[0]?.childNodes ?? [])];

/** The description without what the summary said already. */
function rest(operation, summary) {
  const text = (operation.description ?? "").trim();
  return text.startsWith(summary) ? text.slice(summary.length) : text;
}

function parameters(doc, list) {
  if (!list.length) return [];
  return [h("h4", {}, "Parameters"), h("dl", { class: "members" }, ...list.map((p) => h("div", {},
    h("dt", {}, h("code", {}, p.name), " ", h("span", { class: "type" }, `${p.in}, ${typeName(doc, p.schema)}`), p.required ? h("span", { class: "required" }, "required") : null),
    h("dd", {}, ...prose(p.description), schemaNote(doc, p.schema)))))];
}

function schemaNote(doc, node) {
  const schema = resolve(doc, node);
  if (schema?.enum) return h("p", { class: "help" }, `one of ${schema.enum.join(", ")}`);
  const bounds = [schema?.minimum, schema?.maximum];
  return bounds.every((bound) => bound !== undefined) ? h("p", { class: "help" }, `${bounds[0]} to ${bounds[1]}`) : null;
}

/** A body's schema, with an example to copy. */
function content(doc, title, holder, withExample) {
  const [type, media] = Object.entries(holder.content ?? {})[0] ?? [];
  if (!media) return [];
  const sample = withExample && media.schema ? media.example ?? example(doc, media.schema) : null;
  return [h("h4", {}, title, " ", h("span", { class: "type" }, `${type} ${media.schema?.$ref ? typeName(doc, media.schema) : ""}`)),
    media.schema ? schemaView(doc, media.schema) : null,
    sample ? h("pre", { class: "sample", tabIndex: 0 }, JSON.stringify(sample, null, 2)) : null].filter(Boolean);
}

function responses(doc, map) {
  const entries = Object.entries(map).map(([status, node]) => [status, resolve(doc, node) ?? {}]);
  const good = entries.filter(([status]) => /^[123]/.test(status));
  const bad = entries.filter(([status]) => !/^[123]/.test(status));
  return [h("h4", {}, "Answers"),
    ...good.map(([status, answer]) => answer.content
      ? h("details", { class: "answer" }, h("summary", {}, h("b", {}, status), " ", answer.description ?? ""), ...content(doc, "Body", answer, true))
      : h("p", { class: "answer" }, h("b", {}, status), " ", answer.description ?? "")),
    bad.length ? h("details", { class: "answer" }, h("summary", {}, `Problems: ${bad.map(([status]) => status).join(", ")}`),
      h("dl", { class: "problems" }, ...bad.flatMap(([status, answer]) => [h("dt", {}, status), h("dd", {}, answer.description ?? "")]))) : null].filter(Boolean);
}

function filter(groups) {
  const words = $("docs-filter").value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  let found = 0;
  for (const { operations } of groups) {
    for (const op of operations) {
      const text = `${op.method} ${op.path} ${op.tag} ${op.summary} ${op.operation.description ?? ""}`.toLowerCase();
      const hit = words.every((word) => text.includes(word));
      found += Number(hit);
      for (const element of [document.getElementById(op.anchor), document.querySelector(`[data-op="${op.anchor}"]`)]) element.hidden = !hit;
    }
  }
  for (const group of [...document.querySelectorAll("#docs section, .toc-group")]) {
    group.hidden = ![...group.querySelectorAll("article, li[data-op]")].some((element) => !element.hidden);
  }
  setText($("docs-found"), words.length ? `${count(found, "operation")} found` : "");
}

start();
