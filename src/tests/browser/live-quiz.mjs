// An instructor runs a live quiz with a student; a second look and a reload lose nothing.
// Usage: node live-quiz.mjs BASE_URL OUT_DIR

import { join } from "node:path";

import { visit } from "./visit.mjs";

await visit(async ({ out, step, window, signIn, allow }) => {
  const [host, student] = [await window("the instructor"), await window("the student")];
  // No quiz runs at first: that is a 404.
  allow(404);

  await step("the student waits where nothing runs yet, from the course's page", async () => {
    await signIn(student, "student");
    await student.locator("[data-section=courses]").click();
    await student.locator("#course-list a", { hasText: "First steps with SQL" }).click();
    await student.locator("#live-quiz").click();
    await student.locator(".note", { hasText: "No live quiz is running" }).waitFor();
  });

  await step("the instructor begins one with a bank's questions", async () => {
    await signIn(host, "instructor");
    await host.evaluate((hash) => (location.hash = hash), new URL(student.url()).hash);
    await host.locator("#live-seconds").fill("120");
    await host.locator("[data-step=begin-live]").click();
    await host.locator(".badge[data-state=waiting]").waitFor();
    await student.locator(".note", { hasText: "It begins in a moment" }).waitFor();
  });

  await step("a question reaches the student, whose answer moves the instructor's scoreboard", async () => {
    await host.locator("[data-step=next]").click();
    await student.locator("#live-question fieldset").waitFor();
    await student.locator(".quiz-time", { hasText: "left" }).waitFor();
    await host.locator("#live-question fieldset").waitFor();
    if (!(await host.locator("#live-question fieldset").evaluate((field) => field.disabled))) throw new Error("the host can answer");
    await student.locator("[data-step=answer]").click();
    await student.locator("#live-kept", { hasText: "first" }).waitFor();
    const kind = await student.locator("#live-question li[data-kind]").getAttribute("data-kind");
    const field = student.locator("#live-question fieldset");
    if (kind === "single" || kind === "multiple") await field.locator("input").first().check();
    else if (kind === "matching") await field.locator("select").first().selectOption({ index: 1 });
    else if (kind === "ordering") await field.locator("button:not(:disabled)").first().click();
    else await field.locator("input").fill("3");
    await student.locator("[data-step=answer]").click();
    await student.locator("#live-kept", { hasText: "Your answer is kept." }).waitFor();
    await host.locator("#live-count", { hasText: "1 of 1" }).waitFor();
    await host.locator("#live-board li[data-user]").waitFor();
    await student.locator("#live-board li.own").waitFor();
    await host.screenshot({ path: join(out, "host.png") });
  });

  await step("who comes back finds the question and the answer", async () => {
    await student.reload();
    await student.locator("#live-kept", { hasText: "Your answer is kept." }).waitFor();
    await student.setViewportSize({ width: 360, height: 780 });
    await student.waitForFunction(() => document.documentElement.scrollWidth <= 360);
    await student.screenshot({ path: join(out, "student-360.png") });
  });

  await step("closed, and over: both see it", async () => {
    await host.locator("[data-step=close]").click();
    await student.locator(".note", { hasText: "The question is closed." }).waitFor();
    await host.locator("[data-step=end]").click();
    await host.locator(".badge[data-state=ended]").waitFor();
    await student.locator(".note", { hasText: /You are number 1/ }).waitFor();
    await student.locator(".badge[data-state=ended]").waitFor();
  });
});
