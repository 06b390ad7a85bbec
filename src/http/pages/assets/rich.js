// The server's rendered form of a text as nodes. It is safe as it comes; this takes no more than the
// tags it may hold, so that a mistake there is none here.

const TAGS = { A: "a", CODE: "code", PRE: "pre" };

function copy(node, into) {
  if (node.nodeType === Node.TEXT_NODE) return into.append(node.data);
  const tag = TAGS[node.nodeName];
  const element = tag ? document.createElement(tag) : into;
  if (tag === "a") {
    if (!/^https?:\/\//i.test(node.getAttribute("href") ?? "")) return into.append(node.textContent);
    Object.assign(element, { href: node.getAttribute("href"), rel: "noopener noreferrer nofollow", target: "_blank" });
  }
  for (const child of node.childNodes) copy(child, element);
  if (element !== into) into.append(element);
}

/** The nodes of a text: rendered where it has marks, else itself. */
export function rich({ body, html }) {
  const place = document.createDocumentFragment();
  if (!html) place.append(body);
  else for (const node of new DOMParser().parseFromString(html, "text/html").body.childNodes) copy(node, place);
  return place;
}
