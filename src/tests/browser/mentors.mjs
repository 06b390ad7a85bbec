// A student finds a mentor, books a time and sees the mentor's answer live; nobody else gets that time; who
// waits is offered it when it is freed. Usage: node mentors.mjs BASE_URL OUT_DIR

import { join } from "node:path";
import { visit } from "./visit.mjs";

await visit(async ({ base, out, step, window, signIn }) => {
  const [student, mentor, client] = await Promise.all(["student", "mentor", "client"].map((who) => window(who)));
  const open = (page, hash) => page.goto(new URL(`/mentors#${hash}`, base).href);

  await step("three people sign in", async () => {
    for (const [page, who] of [[student, "student"], [mentor, "mentor"], [client, "client"]]) await signIn(page, who, "/mentors");
  });

  let start;
  await step("the student finds the mentor and books a time", async () => {
    await student.locator("input[type=search]").fill("staff engineer");
    await student.locator("#mentor-list li", { hasText: "Maya Lindqvist" }).locator("a").click();
    await student.locator("#topic").fill("My first job");
    // Not the very first: it may come too near while this runs.
    const slot = student.locator("button.slot").nth(1);
    start = await slot.getAttribute("data-start");
    await slot.click();
    await student.locator("#booking-state[data-state=requested]").waitFor();
  });
  const booking = new URL(student.url()).hash.slice(1);
  const id = booking.split("/")[1];

  await step("the time is gone for everybody else, who waits for it", async () => {
    await client.locator("#mentor-list li", { hasText: "Maya Lindqvist" }).locator("a").click();
    await client.locator("button.slot").first().waitFor();
    if (await client.locator(`button.slot[data-start="${start}"]`).count()) throw new Error("it is still shown");
    await client.getByText("Tell me when a time is freed").click();
    await client.locator("#said", { hasText: "You wait" }).waitFor();
  });

  await step("the mentor confirms, and the student sees it without a reload", async () => {
    await open(mentor, "bookings");
    await mentor.locator(`[data-booking="${id}"] a`).click();
    await mentor.locator("[data-step=confirm]").click();
    await mentor.locator("#booking-state[data-state=confirmed]").waitFor();
    await student.locator("#booking-state[data-state=confirmed]").waitFor();
    await student.getByText("Your room").waitFor();
    await student.screenshot({ path: join(out, "booking.png"), fullPage: true });
  });

  await step("the student cancels, and who waited is offered the time", async () => {
    await student.locator("[data-step=cancel]").click();
    await student.locator("#booking-state[data-state=cancelled]").waitFor();
    await client.locator("#said", { hasText: "held for you" }).waitFor();
    await client.locator("#said a").click();
    await client.locator("#booking-state[data-state=held]").waitFor();
    await client.locator("[data-step=request]").click();
    await client.locator("#booking-state[data-state=requested]").waitFor();
    await client.screenshot({ path: join(out, "offered.png"), fullPage: true });
  });

  await step("the student writes a headline", async () => {
    await open(student, "portfolio");
    await student.locator("#p-headline").fill("Third year, first job");
    await student.locator("#p-save").click();
    await student.locator("#said", { hasText: "Saved" }).waitFor();
    await student.goto(new URL("/p/sami-haddad", base).href);
    await student.locator(".headline", { hasText: "Third year, first job" }).waitFor();
  });
});
