// JSON Schema (2020-12, as OpenAPI 3.1 has it) in words: a line for a type, a list for an object.

import { h } from "./dom.js";

const MOST_DEPTH = 6;

/** What `$ref` points to, by JSON Pointer; `null` when it points nowhere. */
export function resolve(doc, node) {
  let found = node;
  for (let hops = 0; found?.$ref && hops < 20; hops++) {
    const path = found.$ref.replace(/^#\//, "").split("/").map((part) => decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~"));
    found = path.reduce((at, part) => at?.[part], doc);
  }
  return found ?? null;
}

const refName = (node) => node?.$ref?.split("/").at(-1);

/** "string (uuid)", "array of Message", "integer or null". */
export function typeName(doc, node) {
  if (node === true || !node) return "anything";
  if (node.$ref) {
    // The name of a plain value says less than what it is written as.
    const schema = resolve(doc, node);
    const plain = typeof schema?.type === "string" && !["object", "array"].includes(schema.type) && !schema.enum;
    return plain ? typeName(doc, schema) : refName(node);
  }
  const any = node.oneOf ?? node.anyOf;
  if (any) return [...new Set(any.map((part) => typeName(doc, part)))].join(" or ");
  if (node.allOf) return node.allOf.map((part) => typeName(doc, part)).join(" and ");
  if (node.const !== undefined) return JSON.stringify(node.const);
  const types = [node.type ?? (node.properties ? "object" : node.enum ? "string" : "anything")].flat();
  const words = types.map((type) => (type === "array" ? `array of ${typeName(doc, node.items)}` : type === "object" && node.additionalProperties?.type
    ? `object of ${typeName(doc, node.additionalProperties)}` : type));
  return words.join(" or ") + (node.format ? ` (${node.format})` : "");
}

/** The bounds and the like that a schema sets. */
function limits(node) {
  const out = [];
  const range = (low, high, unit) => {
    if (low === undefined && high === undefined) return;
    out.push(low === undefined ? `at most ${high}${unit}` : high === undefined ? `at least ${low}${unit}` : `${low} to ${high}${unit}`);
  };
  range(node.minLength, node.maxLength, " characters");
  range(node.minimum, node.maximum, "");
  range(node.minItems, node.maxItems, " items");
  if (node.pattern) out.push(`matches ${node.pattern}`);
  if (node.default !== undefined) out.push(`default ${JSON.stringify(node.default)}`);
  return out.join(", ");
}

/** Paragraphs and `code` of a description; everything else of Markdown stays as it is written. */
export function prose(text) {
  return String(text ?? "").trim().split(/\n\s*\n/).filter(Boolean).map((paragraph) =>
    h("p", {}, ...paragraph.split(/(`[^`]+`)/).map((part) => (part.startsWith("`") && part.length > 1 ? h("code", {}, part.slice(1, -1)) : part.replace(/\s*\n\s*/g, " ")))));
}

/** A schema as a description list of its members; objects in it open on demand. */
export function schemaView(doc, node, depth = 0, seen = []) {
  const name = refName(node);
  const schema = resolve(doc, node);
  if (!schema) return h("p", { class: "help" }, "Not described.");
  if (name && seen.includes(name)) return h("p", { class: "help" }, `${name}, as above.`);
  const path = name ? [...seen, name] : seen;
  const any = schema.oneOf ?? schema.anyOf;
  if (any) {
    const parts = any.filter((part) => part.type !== "null");
    if (parts.length === 1) return schemaView(doc, parts[0], depth, path);
    return h("div", { class: "variants" }, ...parts.flatMap((part) => [h("p", { class: "help" }, part.title ?? typeName(doc, part)), schemaView(doc, part, depth + 1, path)]));
  }
  if ([schema.type].flat().includes("array")) return schemaView(doc, schema.items ?? {}, depth, path);
  const members = membersOf(doc, schema);
  if (!members.length) return schema.enum ? enumView(schema.enum) : null;
  return h("dl", { class: "members" }, ...members.map(([key, value, required]) => member(doc, key, value, required, depth, path)));
}

function membersOf(doc, schema) {
  const parts = [schema, ...(schema.allOf ?? []).map((part) => resolve(doc, part))].filter(Boolean);
  return parts.flatMap((part) => Object.entries(part.properties ?? {}).map(([key, value]) => [key, value, (part.required ?? []).includes(key)]));
}

function member(doc, key, value, required, depth, seen) {
  const schema = resolve(doc, value) ?? {};
  const head = h("dt", {}, h("code", {}, key), " ", h("span", { class: "type" }, typeName(doc, value)), required ? h("span", { class: "required" }, "required") : null);
  const body = h("dd", {}, ...prose(value.description ?? schema.description));
  const bounds = limits(schema);
  if (bounds) body.append(h("p", { class: "help" }, bounds));
  if (schema.enum) body.append(enumView(schema.enum));
  const inner = innerOf(doc, value);
  if (inner && depth < MOST_DEPTH) {
    const details = h("details", {}, h("summary", {}, `${typeName(doc, inner)}: its members`));
    // Built when it is opened: schemas nest deeply and most stay closed.
    details.addEventListener("toggle", () => details.childElementCount === 1 && details.append(schemaView(doc, inner, depth + 1, seen) ?? ""), { once: true });
    body.append(details);
  }
  return h("div", {}, head, body);
}

/** The object behind a member, if there is one to open. */
function innerOf(doc, value) {
  const schema = resolve(doc, value);
  if (!schema) return null;
  if ([schema.type].flat().includes("array")) return schema.items ? innerOf(doc, schema.items) : null;
  const any = (schema.oneOf ?? schema.anyOf ?? []).filter((part) => part.type !== "null");
  if (any.length) return any.some((part) => innerOf(doc, part)) ? value : null;
  return schema.properties || schema.allOf ? value : null;
}

const enumView = (values) => h("p", { class: "help" }, "one of ", ...values.flatMap((value, i) => [i ? ", " : "", h("code", {}, String(value))]));

/** An example value: given ones first, else made from the types. */
export function example(doc, node, depth = 0) {
  const schema = resolve(doc, node);
  if (!schema || depth > MOST_DEPTH) return null;
  for (const given of [schema.example, schema.examples?.[0], schema.const, schema.default, schema.enum?.[0]]) if (given !== undefined) return given;
  const any = (schema.oneOf ?? schema.anyOf)?.filter((part) => part.type !== "null");
  if (any?.length) return example(doc, any[0], depth + 1);
  const type = [schema.type].flat().find((name) => name !== "null");
  if (schema.properties || schema.allOf) {
    return Object.fromEntries(membersOf(doc, schema).map(([key, value]) => [key, example(doc, value, depth + 1)]));
  }
  if (type === "array") return schema.items ? [example(doc, schema.items, depth + 1)] : [];
  if (type === "integer" || type === "number") return schema.minimum ?? 0;
  if (type === "boolean") return false;
  if (type === "string") return BY_FORMAT[schema.format] ?? "string";
  return type === "object" ? {} : null;
}

const BY_FORMAT = {
  uuid: "01970000-0000-7000-8000-000000000000",
  "date-time": "2026-01-31T12:00:00Z",
  date: "2026-01-31",
  email: "lina@example.org",
  uri: "https://example.org/",
  password: "a long enough phrase",
};
