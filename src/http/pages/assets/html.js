// HTML that the server rendered (Markdown of courses and questions) as nodes. The page's policy lets no text
// become markup, so the tags that may occur are made here one by one; anything else stays text.

const TAGS = new Set(["p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "strong", "em", "del", "code", "pre", "blockquote",
  "table", "thead", "tbody", "tr", "th", "td", "a", "sup", "div", "hr", "br", "img"]);
const EMPTY = new Set(["hr", "br", "img"]);
const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'", "#x27": "'" };
const plain = (text) => text.replace(/&(amp|lt|gt|quot|#39|#x27);/g, (_, name) => ENTITIES[name]);

/** The value of an attribute in a tag's text, or null. */
function value(attributes, name) {
  const found = new RegExp(`(?:^|\\s)${name}="([^"]*)"`).exec(attributes);
  return found ? plain(found[1]) : null;
}

function element(name, attributes) {
  // The page has a first heading of its own.
  const made = document.createElement(/^h[1-5]$/.test(name) ? `h${Number(name[1]) + 1}` : name);
  const href = value(attributes, "href");
  if (name === "a" && href && /^(https?:|mailto:)/i.test(href)) Object.assign(made, { href, rel: "noopener noreferrer nofollow", target: "_blank" });
  return made;
}

/** The nodes of `html`. Pictures of other hosts are links: the page asks nobody but its own server. */
export function nodes(html) {
  const place = document.createDocumentFragment();
  const open = [place];
  for (const token of html.split(/(<[^>]*>)/).filter(Boolean)) {
    const tag = /^<(\/?)([a-z][a-z0-9]*)((?:\s+[a-z-]+="[^"]*")*)\s*\/?>$/i.exec(token);
    if (!tag) {
      open.at(-1).append(plain(token));
      continue;
    }
    const [name, attributes] = [tag[2].toLowerCase(), tag[3]];
    if (!TAGS.has(name)) continue;
    if (tag[1]) {
      const at = open.findLastIndex((one, n) => n > 0 && one.sourceName === name);
      if (at > 0) open.length = at;
    } else if (name === "img") {
      const [src, alt] = [value(attributes, "src"), value(attributes, "alt")];
      if (src && /^https?:/i.test(src)) open.at(-1).append(Object.assign(element("a", `href="${src.replace(/"/g, "")}"`), { textContent: alt || src }));
    } else {
      const made = element(name, attributes);
      made.sourceName = name;
      open.at(-1).append(made);
      if (!EMPTY.has(name)) open.push(made);
    }
  }
  return place;
}
