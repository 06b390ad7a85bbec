// The server's rendered form of a text as nodes. The page's policy lets no text become markup, so the few
// tags that the form may hold (docs/chat.md) are read here; anything else stays text.

const ENTITIES = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'" };
const plain = (text) => text.replace(/&(?:amp|lt|gt|quot|#39);/g, (entity) => ENTITIES[entity]);
const OPEN = { "<code>": "code", "<pre>": "pre" };

/** The nodes of a text: rendered where it has marks, else itself. */
export function rich({ body, html }) {
  const place = document.createDocumentFragment();
  if (!html) {
    place.append(body);
    return place;
  }
  const open = [place];
  for (const token of html.split(/(<[^>]*>)/).filter(Boolean)) {
    const href = /^<a href="(https?:\/\/[^"]*)" /i.exec(token)?.[1];
    const tag = href ? "a" : OPEN[token];
    if (tag) {
      const element = document.createElement(tag);
      if (href) Object.assign(element, { href: plain(href), rel: "noopener noreferrer nofollow", target: "_blank" });
      open.at(-1).append(element);
      open.push(element);
    } else if (/^<\/(a|code|pre)>$/.test(token)) {
      if (open.length > 1) open.pop();
    } else {
      open.at(-1).append(plain(token));
    }
  }
  return place;
}
