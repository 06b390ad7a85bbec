// The connection, by the published `centrifuge` SDK (a plain script: it sets `Centrifuge`).

import { ApiError, post } from "./api.js";
import { setText } from "./dom.js";

const WORDS = {
  connected: "Live",
  connecting: "Connecting…",
  lost: "Connection lost, trying again…",
  disconnected: "Not connected",
};

/**
 * A client of this server that shows its state in `pill`. `ended` is called when the server says
 * for good that this session may not connect.
 */
export function connect(pill, ended) {
  const { Centrifuge } = globalThis;
  const url = new URL("/connection/websocket", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const client = new Centrifuge(url.href, {
    name: "gigsy-web",
    minReconnectDelay: 250,
    maxReconnectDelay: 8000,
    getToken: async () => {
      try {
        return (await post("/api/v1/realtime/token")).token;
      } catch (error) {
        if (error instanceof ApiError && error.status === 401) throw new Centrifuge.UnauthorizedError();
        throw error;
      }
    },
  });
  let wasConnected = false;
  const show = (state) => {
    pill.hidden = false;
    pill.dataset.state = state;
    setText(pill, WORDS[state]);
  };
  client.on("connecting", () => show(wasConnected ? "lost" : "connecting"));
  client.on("connected", () => {
    wasConnected = true;
    show("connected");
  });
  client.on("disconnected", (context) => {
    show("disconnected");
    // Code 0 is our own disconnect().
    if (context.code !== 0) ended?.(context);
  });
  show("connecting");
  return client;
}

/** A failed rpc in words. */
export function rpcReason(error) {
  if (error?.message && error.message !== "timeout") return error.message;
  return "no answer";
}

/** Whether the same call may succeed later: the connection went, or the server said "temporary". */
export const isTemporary = (error) => Boolean(error?.temporary) || [1, 2, 3, 4, 10, 11].includes(error?.code);
