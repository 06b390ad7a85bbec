// Being told while no page is open: subscribes this browser to Web Push, and unsubscribes it.

import { call, get, post } from "./api.js";
import { $, setNote, setText, uuid } from "./dom.js";
import { explain } from "./session.js";

const WORKER = "/push-worker.js";
const LIST = "/api/v1/notifications/push/subscriptions";
const possible = () => "serviceWorker" in navigator && "PushManager" in globalThis && "Notification" in globalThis;

/** Our worker's address, as the page's policy wants it: nothing else passes. */
function workerUrl() {
  const policy = globalThis.trustedTypes?.createPolicy("gigsy-worker", {
    createScriptURL: (url) => {
      if (url === WORKER) return url;
      throw new TypeError("not our worker");
    },
  });
  return policy ? policy.createScriptURL(WORKER) : WORKER;
}

function bytes(base64) {
  const text = atob(base64.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

let registration = null;

/** Wires the button in the bell's panel; hidden where this browser or this server cannot. */
export async function pushButton() {
  const button = $("push");
  if (!possible()) return;
  let key;
  try {
    key = (await get("/api/v1/notifications/push")).public_key;
    registration = await navigator.serviceWorker.register(workerUrl());
  } catch {
    return;
  }
  const show = async () => {
    const there = await registration.pushManager.getSubscription();
    setText(button, there ? "Not on this device any more" : "Tell me on this device");
    button.hidden = false;
    return there;
  };
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      if (await registration.pushManager.getSubscription()) await unsubscribe();
      else await subscribe(key);
      setNote($("push-note"), null);
    } catch (error) {
      setNote($("push-note"), error.name === "NotAllowedError" ? "This browser does not let us: its settings for this site say no."
        : error.name === "AbortError" ? "This browser’s push service cannot be reached." : explain(error));
    }
    await show();
    button.disabled = false;
  });
  await show();
}

async function subscribe(key) {
  const there = await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: bytes(key) });
  try {
    const { endpoint, keys } = there.toJSON();
    await post(LIST, { endpoint, keys, label: browserName() }, { "idempotency-key": uuid() });
  } catch (error) {
    await there.unsubscribe();
    throw error;
  }
}

/** Ends it here and at the server, which asks the push service no more. Also at signing out. */
export async function unsubscribe() {
  const there = await registration?.pushManager.getSubscription();
  if (!there) return;
  const { host } = new URL(there.endpoint);
  await there.unsubscribe();
  const { items } = await get(LIST);
  const mine = items.filter((item) => item.service === host.split(":")[0] && item.label === browserName());
  await Promise.all(mine.map((item) => call("DELETE", `${LIST}/${item.id}`)));
}

function browserName() {
  const brand = navigator.userAgentData?.brands?.find(({ brand }) => !/not.?a.?brand/i.test(brand))?.brand
    ?? /Firefox|Edg|Chrome|Safari/.exec(navigator.userAgent)?.[0] ?? "A browser";
  const platform = navigator.userAgentData?.platform ?? /Windows|Mac OS|Android|iPhone|Linux/.exec(navigator.userAgent)?.[0];
  return platform ? `${brand} on ${platform}` : brand;
}
