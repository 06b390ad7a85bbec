// Sending a file to the object store: whole, or in parts that are taken up again where they broke off.

import { ApiError, get, post } from "./api.js";
import { h, setText, uuid } from "./dom.js";

const TYPES = { md: "text/markdown", csv: "text/csv", vtt: "text/vtt", txt: "text/plain" };
/** Parts that are signed at once. */
const AHEAD = 4;
/** How often a part is sent again. */
const TRIES = 4;

const typeOf = (file) => TYPES[file.name.split(".").pop().toLowerCase()] ?? (file.type || "application/octet-stream");
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** One signed request; `sent(bytes)` tells how much has gone. */
function put({ url, headers }, body, sent) {
  return new Promise((done, fail) => {
    const request = new XMLHttpRequest();
    request.open("PUT", url);
    for (const [name, text] of Object.entries(headers)) if (name !== "content-length") request.setRequestHeader(name, text);
    request.upload.addEventListener("progress", (event) => sent(event.loaded));
    request.addEventListener("load", () => (request.status < 300 ? done() : fail(new ApiError(request.status))));
    request.addEventListener("error", () => fail(new ApiError(0)));
    request.send(body);
  });
}

async function sendParts(upload, file, told) {
  const { size, count, arrived } = upload.parts;
  const there = new Set(arrived.map((part) => part.number));
  let gone = arrived.reduce((sum, part) => sum + part.size, 0);
  const waiting = Array.from({ length: count }, (_, n) => n + 1).filter((number) => !there.has(number));
  while (waiting.length) {
    const numbers = waiting.splice(0, AHEAD);
    const { items } = await post(`/api/v1/uploads/${upload.id}/parts`, { numbers });
    for (const part of items) {
      const from = (part.number - 1) * size;
      for (let tries = 1; ; tries += 1) {
        try {
          await put(part.put, file.slice(from, from + part.size), (bytes) => told(gone + bytes));
          break;
        } catch (error) {
          if (tries === TRIES) throw error;
          await pause(500 * 2 ** tries);
        }
      }
      gone += part.size;
      told(gone);
    }
  }
}

/** What is under way, by the file: choosing the same one again goes on with it. */
const begun = (file) => `gigsy:upload:${file.name}:${file.size}:${file.lastModified}`;

/** Uploads a file and waits until it is verified; answers the upload. `told(bytes)` is its progress. */
export async function send(file, told) {
  const form = { name: file.name.slice(0, 200), media_type: typeOf(file), size: file.size };
  const known = sessionStorage.getItem(begun(file));
  let upload = known ? await get(`/api/v1/uploads/${known}`).catch(() => null) : null;
  if (!upload || !["open", "verifying", "ready"].includes(upload.state)) upload = await post("/api/v1/uploads", form, { "idempotency-key": uuid() });
  sessionStorage.setItem(begun(file), upload.id);
  if (upload.state === "open") {
    if (upload.parts) await sendParts(upload, file, told);
    else await put(upload.put, file, told);
    upload = await post(`/api/v1/uploads/${upload.id}/complete`);
  }
  while (upload.state === "verifying") {
    await pause(500);
    upload = await get(`/api/v1/uploads/${upload.id}`);
  }
  sessionStorage.removeItem(begun(file));
  if (upload.state !== "ready") throw new ApiError(422, { detail: `The file was not taken: ${upload.refusal ?? upload.state}.` });
  return upload;
}

/** A field for files that shows how far each is. `files()` uploads what is chosen and answers the ids. */
export function fileField(label) {
  const id = `u-${uuid().slice(0, 8)}`;
  const input = h("input", { type: "file", id, multiple: true });
  const rows = h("ul", { class: "files", "aria-label": "Uploads", "aria-live": "polite" });
  const box = h("div", { class: "field" }, h("label", { for: id }, label), input, rows);
  box.files = async () => {
    rows.replaceChildren();
    const ids = [];
    for (const file of input.files) {
      const bar = h("progress", { max: file.size, value: 0, "aria-label": `Upload of ${file.name}` });
      const said = h("span", { class: "help" }, "");
      rows.append(h("li", {}, h("span", {}, file.name), " ", bar, " ", said));
      const upload = await send(file, (bytes) => {
        bar.value = bytes;
        setText(said, `${Math.floor((bytes / file.size) * 100)} %`);
      });
      setText(said, "there");
      ids.push(upload.id);
    }
    return ids;
  };
  return box;
}
