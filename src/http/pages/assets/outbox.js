// Messages on their way: shown at once, sent by rpc, kept and sent again when the connection was
// away. `client_msg_id` makes a resend harmless, so a doubtful send is always repeated.

import { isTemporary, rpcReason } from "./realtime.js";
import { uuid } from "./dom.js";
import { messageOf } from "./fold.js";

const MOST_TRIES = 6;

export class Outbox {
  #client;
  #room;
  #timeline;
  #closed = false;
  #sent;
  #onConnected = () => this.#flush();

  /** `sent(entry, answer)` is called with the acknowledgement of each message. */
  constructor(client, room, timeline, sent) {
    this.#client = client;
    this.#room = room;
    this.#timeline = timeline;
    this.#sent = sent;
    client.on("connected", this.#onConnected);
  }

  close() {
    this.#closed = true;
    this.#client.off("connected", this.#onConnected);
  }

  write(sender, body, replyTo) {
    const entry = { ...messageOf({ body, reply_to: replyTo, seq: 0 }, sender), kind: "message", sender, at: new Date(), clientId: uuid(), state: "sending", tries: 0 };
    this.#timeline.addPending(entry);
    this.#send(entry);
  }

  retry(entry) {
    entry.tries = 0;
    this.#send(entry);
  }

  #flush() {
    for (const entry of this.#timeline.pending) if (entry.state === "waiting") this.#send(entry);
  }

  #mark(entry, state, reason) {
    Object.assign(entry, { state, reason });
    this.#timeline.changed(entry);
  }

  async #send(entry) {
    if (this.#closed || !this.#timeline.pending.includes(entry)) return;
    if (this.#client.state !== "connected") return this.#mark(entry, "waiting");
    entry.tries += 1;
    this.#mark(entry, "sending");
    try {
      const { data } = await this.#client.rpc("chat.send", {
        room: this.#room, client_msg_id: entry.clientId, body: entry.body, reply_to: entry.replyTo,
      });
      if (!this.#closed) this.#sent(entry, data);
    } catch (error) {
      if (this.#closed) return;
      if (!isTemporary(error)) return this.#mark(entry, "failed", rpcReason(error));
      if (this.#client.state !== "connected") return this.#mark(entry, "waiting");
      if (entry.tries >= MOST_TRIES) return this.#mark(entry, "failed", rpcReason(error));
      // Busy or too fast: a little later, and then longer.
      setTimeout(() => this.#send(entry), 500 * 2 ** entry.tries);
    }
  }
}
