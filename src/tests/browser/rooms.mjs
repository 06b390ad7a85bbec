// A room's further sides in a real browser, mostly by keyboard: threads, reactions, search, pins, drafts on
// two devices, blocking, and moderation. Usage: node rooms.mjs BASE_URL OUT_DIR

import { join } from "node:path";

import { visit } from "./visit.mjs";

await visit(async ({ base, out, step, window, signIn }) => {
  const [client, student] = [await window("the client"), await window("the student")];
  // A reply quotes what it answers: the first is the message itself.
  const entry = (page, text, list = "#timeline") => page.locator(`${list} .entry[data-state=logged]`, { hasText: text }).first();
  const said = (page, text, list = "#timeline") => page.locator(`${list} .entry[data-state=logged] .body`, { hasText: text });
  const say = async (page, text, field = "#draft") => {
    await page.locator(field).fill(text);
    await page.locator(field).press("Enter");
  };
  /** Presses a message's tool, as somebody does who has no pointer. */
  const act = async (page, text, what, list) => {
    await entry(page, text, list).locator(`[data-act=${what}]`).first().focus();
    await page.keyboard.press("Enter");
  };
  /** A call of the page itself, with its cookie. */
  const call = (page, method, path, body) => page.evaluate(async ([method, path, body]) => {
    const answer = await fetch(path, { method, headers: { "content-type": "application/json" }, body: body && JSON.stringify(body) });
    const text = await answer.text();
    return { status: answer.status, data: text ? JSON.parse(text) : null };
  }, [method, path, body]);

  const room = await step("a room of two", async () => {
    await Promise.all([signIn(client, "client"), signIn(student, "student")]);
    await client.locator("#new-room").click();
    await client.locator("#room-name").fill("Poster for the fair");
    await client.locator("#new-form button[type=submit]").click();
    await client.locator("#room-title", { hasText: "Poster for the fair" }).waitFor();
    const id = new URL(client.url()).hash.replace("#room/", "");
    await student.reload();
    await student.locator(`#open-rooms [data-room="${id}"] button`).click();
    await student.locator("#room-title", { hasText: "Poster for the fair" }).waitFor();
    await client.waitForFunction(() => document.querySelectorAll("#people-list .here").length === 2);
    return id;
  });

  await step("a thread opens beside the room, and grows on both sides", async () => {
    await say(client, "Which paper shall we take?");
    await said(student, "Which paper").waitFor();
    await act(student, "Which paper", "open-thread");
    await student.locator("#side-title", { hasText: "Thread" }).waitFor();
    await said(student, "Which paper", "#thread-list").waitFor();
    await say(student, "Matte, 170 g", "#thread-draft");
    await said(student, "Matte, 170 g", "#thread-list").waitFor();
    await entry(client, "Which paper").locator("[data-act=thread]", { hasText: "1 reply" }).waitFor();
    await act(client, "Which paper", "thread");
    await said(client, "Matte, 170 g", "#thread-list").waitFor();
    await say(client, "Good. And recycled?", "#thread-draft");
    await said(student, "And recycled?", "#thread-list").waitFor();
    await student.locator("#side-title", { hasText: "2 replies" }).waitFor();
    await act(student, "And recycled?", "like", "#thread-list");
    await entry(client, "And recycled?", "#thread-list").locator(".chip", { hasText: "👍 1" }).waitFor();
    await client.screenshot({ path: join(out, "thread.png") });
  });

  await step("escape closes it and gives the focus back", async () => {
    await student.locator("#thread-draft").focus();
    await student.keyboard.press("Escape");
    await student.locator("#side").waitFor({ state: "hidden" });
    const where = await student.evaluate(() => document.activeElement.dataset.act ?? document.activeElement.id);
    if (!["open-thread", "draft"].includes(where)) throw new Error(`the focus is at ${where}`);
    await client.locator("#side-close").click();
  });

  await step("an emoji is chosen by arrows", async () => {
    await act(student, "Which paper", "emoji");
    await student.locator("#emoji[open]").waitFor();
    await student.keyboard.press("ArrowRight");
    await student.keyboard.press("ArrowRight");
    await student.keyboard.press("ArrowRight");
    await student.keyboard.press("Enter");
    await entry(client, "Which paper").locator(".chip", { hasText: "🎉 1" }).waitFor();
  });

  await step("a search finds words in the room, and leads to the thread", async () => {
    await client.locator("#search-q").fill("RECYCLED good");
    await client.locator("#search-q").press("Enter");
    await client.locator("#side-list .hit .body", { hasText: "And recycled?" }).waitFor();
    if (await client.locator("#side-list .hit").count() !== 1) throw new Error("more than that was found");
    await client.locator("#side-list .hit button").focus();
    await client.keyboard.press("Enter");
    await said(client, "Matte, 170 g", "#thread-list").waitFor();
    await client.locator("#search-q").fill("nothing like this");
    await client.locator("#search-q").press("Enter");
    await client.locator("#side-note", { hasText: "Nothing was found" }).waitFor();
    await client.keyboard.press("Escape");
  });

  await step("pins have a list of their own", async () => {
    await act(client, "Which paper", "pin");
    await student.locator("#pinned", { hasText: "Which paper" }).waitFor();
    await student.locator("#pinned").focus();
    await student.keyboard.press("Enter");
    await student.locator("#side-list .hit", { hasText: "Which paper" }).waitFor();
    await act(client, "Which paper", "pin");
    await student.locator("#side-note", { hasText: "Nothing is pinned" }).waitFor();
    await student.locator("#side-close").click();
  });

  await step("a draft is on the person's other device, and gone once it is sent", async () => {
    const phone = await window("the student's phone", { width: 390, height: 800 });
    await signIn(phone, "student");
    await phone.locator("a[data-section=rooms]").click();
    await phone.locator(`#my-rooms [data-room="${room}"] button`).waitFor();
    await student.locator("#draft").pressSequentially("I was going to say", { delay: 10 });
    await phone.locator(`#my-rooms [data-room="${room}"]`, { hasText: "Draft: I was going to say" }).waitFor();
    await phone.locator(`#my-rooms [data-room="${room}"] button`).click();
    await phone.waitForFunction(() => document.querySelector("#draft").value === "I was going to say");
    await phone.locator("#room-title", { hasText: "Poster for the fair" }).waitFor();
    await phone.locator("#timeline .quote", { hasText: "Which paper" }).first().waitFor();
    await phone.screenshot({ path: join(out, "room-390.png") });
    await phone.locator("#draft").press("End");
    await phone.locator("#draft").pressSequentially(" this", { delay: 10 });
    await student.waitForFunction(() => document.querySelector("#draft").value === "I was going to say this");
    await phone.locator("#draft").press("Enter");
    await said(client, "I was going to say this").waitFor();
    await student.waitForFunction(() => document.querySelector("#draft").value === "");
    await phone.context().close();
  });

  await step("favourite, muted: on all devices", async () => {
    await student.locator("#own summary").click();
    await student.locator("#own-favourite").check();
    await student.locator(`#my-rooms li:first-child[data-room="${room}"]`, { hasText: "★" }).waitFor();
    await student.locator("#own-notify").selectOption("mentions");
    await student.waitForFunction(async (room) => {
      const own = await (await fetch(`/api/v1/chat/rooms/${room}/me`)).json();
      return own.favourite && own.notify === "mentions";
    }, room);
  });

  await step("a status is seen by others", async () => {
    await student.locator("#status").selectOption("dnd");
    await client.waitForFunction(async (room) => {
      const answer = await fetch(`/api/v1/chat/rooms/${room}/members`);
      return (await answer.json()).items.some((member) => member.status === "dnd");
    }, room);
    await student.locator("#status").selectOption("online");
  });

  await step("who is blocked is not seen, live or in what was said", async () => {
    const row = client.locator("#people-list li", { hasText: "Block" }).first();
    await row.locator("button", { hasText: "Block" }).focus();
    await client.keyboard.press("Enter");
    await client.locator("#room-state", { hasText: "is blocked" }).waitFor();
    await said(client, "I was going to say this").waitFor({ state: "detached" });
    await say(student, "Can you see this?");
    await said(student, "Can you see this?").waitFor();
    await say(client, "My own goes on");
    await said(student, "My own goes on").waitFor();
    if (await client.locator("body", { hasText: "Can you see this?" }).count()) throw new Error("it is on the page");
    await client.locator("#people-list button", { hasText: "Unblock" }).click();
    await said(client, "Can you see this?").waitFor();
  });

  await step("a message is reported", async () => {
    await say(client, "Buy cheap watches now");
    await said(student, "Buy cheap watches").waitFor();
    await act(student, "Buy cheap watches", "report");
    await student.locator("#report-dialog[open]").waitFor();
    await student.locator("#report-detail").fill("An advertisement");
    await student.locator("#report-detail").press("Enter");
    await student.locator("#report-dialog").waitFor({ state: "hidden" });
  });

  await step("a moderator sees it in the queue, and removes it", async () => {
    const operator = await window("the operator");
    await signIn(operator, "operator");
    await operator.locator("#moderation-link").focus();
    await operator.keyboard.press("Enter");
    const report = operator.locator("#queue-list .report", { hasText: "Buy cheap watches" });
    await report.waitFor();
    await report.getByText("An advertisement").waitFor();
    await operator.screenshot({ path: join(out, "moderation.png") });
    await report.getByRole("button", { name: "Suspend for an hour" }).click();
    await report.getByRole("button", { name: "Suspended" }).waitFor();
    await report.getByRole("button", { name: "Remove the message" }).focus();
    await operator.keyboard.press("Enter");
    await report.waitFor({ state: "detached" });
    await operator.locator("#queue-settled").check();
    await operator.locator("#queue-list .report", { hasText: "Removed by" }).first().waitFor();
    await operator.locator("#queue-close").click();
    await said(student, "Buy cheap watches").waitFor({ state: "detached" });
    await student.locator("#timeline .bubble.deleted").waitFor();
  });

  await step("who is suspended is told so, and the draft stays", async () => {
    await say(client, "Am I still here?");
    await client.locator("#timeline [data-state=failed] .error", { hasText: "may not write" }).waitFor();
  });

  await step("what is pushed is shown by the service worker, once a notification", async () => {
    await student.context().grantPermissions(["notifications"], { origin: new URL(base).origin });
    await student.locator("#bell").click();
    await student.locator("#push", { hasText: "Tell me on this device" }).waitFor();
    await student.evaluate(() => navigator.serviceWorker.ready.then(() => true));
    const devtools = await student.context().newCDPSession(student);
    const registration = new Promise((found) => {
      devtools.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => {
        const ours = registrations.find(({ scopeURL, isDeleted }) => scopeURL.startsWith(base) && !isDeleted);
        if (ours) found(ours.registrationId);
      });
    });
    await devtools.send("ServiceWorker.enable");
    const pushed = async (told) => devtools.send("ServiceWorker.deliverPushMessage", {
      origin: new URL(base).origin, registrationId: await registration, data: JSON.stringify(told),
    });
    const shown = () => student.evaluate(async () => {
      const all = await (await navigator.serviceWorker.ready).getNotifications();
      return all.map(({ title, body, tag, data }) => ({ title, body, tag, link: data.link }));
    });
    await pushed({ id: "n-1", title: "You were mentioned", link: `/#room/${room}`, count: 1 });
    await pushed({ id: "n-1", title: "You were mentioned 2 times", link: `/#room/${room}`, count: 2 });
    for (let tries = 0; (await shown())[0]?.title !== "You were mentioned 2 times"; tries += 1) {
      if (tries > 100) throw new Error(JSON.stringify(await shown()));
      await new Promise((done) => setTimeout(done, 100));
    }
    const all = await shown();
    if (all.length !== 1 || all[0].link !== `/#room/${room}`) throw new Error(JSON.stringify(all));
    await student.locator("#notifications-close").click();
  });

  await step("an admin has the room's own queue", async () => {
    await client.locator("#room-reports").click();
    await client.locator("#queue-title", { hasText: "Poster for the fair" }).waitFor();
    await client.locator("#queue-note", { hasText: "Nothing waits" }).waitFor();
    await client.keyboard.press("Escape");
    await client.locator("#queue").waitFor({ state: "hidden" });
  });
});
