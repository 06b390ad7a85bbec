// How what happens to a message changes what is shown of it; docs/chat.md tells the rules. An event at or
// before `changedSeq` is in already, so applying what was missed twice does no harm.

/** What an entry shows of a message as history answers it, or of its event. */
export function messageOf(item, me) {
  return {
    body: item.body ?? "", html: item.html, edited: Boolean(item.edited_at), replyTo: item.reply_to, thread: item.thread,
    mentions: item.mentions ?? [], callsAll: Boolean(item.mentions_room), pinned: Boolean(item.pinned_at),
    replies: item.replies ?? 0, changedSeq: Number(item.changed_seq ?? item.seq),
    reactions: (item.reactions ?? []).map(({ emoji, count, mine, user_ids: users }) => ({ emoji, count, mine, users: new Set(users) })),
    callsMe: (item.mentions ?? []).includes(me) || Boolean(item.mentions_room && item.sender_id !== me),
  };
}

function react(entry, { emoji, user_id: user, added }, me) {
  let known = entry.reactions.find((reaction) => reaction.emoji === emoji);
  if (!known && added) entry.reactions.push((known = { emoji, count: 0, mine: false, users: new Set() }));
  if (!known || known.users.has(user) === added) return;
  if (added) known.users.add(user);
  else known.users.delete(user);
  known.count += added ? 1 : -1;
  if (user === me) known.mine = added;
  entry.reactions = entry.reactions.filter((reaction) => reaction.count > 0);
}

/** Takes an event into the entry that it names. Answers whether anything changed. */
export function fold(entry, data, me) {
  const seq = Number(data.seq);
  if (entry.changedSeq >= seq || entry.kind === "deleted") return false;
  entry.changedSeq = seq;
  if (data.type === "edit") {
    const { body, html, mentions, callsAll, callsMe } = messageOf({ ...data, sender_id: data.by }, me);
    Object.assign(entry, { body, html, mentions, callsAll, callsMe, edited: true });
  } else if (data.type === "delete") {
    Object.assign(entry, { kind: "deleted", body: "", html: undefined, reactions: [], mentions: [], callsMe: false, pinned: false });
  } else if (data.type === "reaction") {
    react(entry, data, me);
  } else if (data.type === "pin") {
    entry.pinned = data.pinned;
  }
  return true;
}
