// A client and a student walk through a whole contract in two windows, neither of which is ever reloaded.
// Usage: node gigs.mjs BASE_URL OUT_DIR

import { join } from "node:path";

import { visit } from "./visit.mjs";

const TITLE = `A poster for the summer fair ${Date.now() % 100_000}`;

await visit(async ({ out, step, window, signIn }) => {
  const [client, student] = [await window("the client"), await window("the student")];
  const both = [client, student];
  const milestone = (page, state) => page.locator(`#milestones .milestone[data-state=${state}]`);
  const press = (page, name, within = page.locator("#work")) => within.locator(`[data-step=${name}]`).click();
  const shot = (page, name) => page.screenshot({ path: join(out, `${name}.png`) });

  await step("two people sign in and see the board", async () => {
    await Promise.all([signIn(client, "client"), signIn(student, "student")]);
    for (const page of both) {
      await page.locator("#gig-list .gig-card").first().waitFor();
      await page.evaluate(() => (globalThis.neverReloaded = true));
    }
    if (await student.locator("#post-gig").count()) throw new Error("a student is offered to post");
  });

  await step("the list narrows to what is searched", async () => {
    await student.locator("#work [name=q]").fill("watercolour");
    await student.waitForFunction(() => document.querySelectorAll("#gig-list .gig-card").length === 1);
    await student.locator("#work [name=q]").fill("");
    await student.waitForFunction(() => document.querySelectorAll("#gig-list .gig-card").length > 5);
    await student.locator("#work [name=skill]").selectOption("graphic-design");
    await student.waitForFunction(() => [...document.querySelectorAll("#gig-list .gig-card .skills")].every((row) => row.textContent.includes("graphic-design")));
    await student.locator("#save-search").click();
    await student.locator(".gig-filters", { hasText: "Saved:" }).waitFor();
  });

  await step("the client posts a gig, after a mistake that the form names", async () => {
    await client.locator("#post-gig").click();
    const form = client.locator("#post-form");
    await form.locator("[name=title]").fill(TITLE);
    await form.locator("[name=description]").fill("A2, bold, readable from across the street. Texts and dates are there.");
    await form.locator("[name=amount]").fill("two hundred");
    await form.locator("summary").click();
    await form.locator("[value=graphic-design]").check();
    await form.locator("[name=question]").fill("Which poster of yours should we look at?");
    await form.locator("button[type=submit]").click();
    await form.locator(".error", { hasText: "Write an amount" }).waitFor();
    await form.locator("[name=amount]").fill("250.00");
    await shot(client, "post");
    await form.locator("button[type=submit]").click();
    await client.locator("h1", { hasText: TITLE }).waitFor();
    await client.locator(".badge[data-state=open]").waitFor();
  });

  await step("it appears on the student's board by itself, and their search tells them", async () => {
    await student.locator("#gig-list .gig-card", { hasText: TITLE }).waitFor();
    await student.locator("#work .note", { hasText: `“${TITLE}” is new for your search` }).waitFor();
    await shot(student, "board");
  });

  await step("the client invites the student, who is told", async () => {
    await client.locator(".invite summary").click();
    await client.locator(".invite input[type=search]").fill("Sami");
    await client.locator(".invite .found button", { hasText: "Sami Haddad" }).click();
    await client.locator(".invite [name=note]").fill("Your booklet was lovely.");
    await press(client, "invite");
    await client.locator(".invite", { hasText: "Sami Haddad is invited." }).waitFor();
    await student.locator("#work .note", { hasText: `You are invited to apply to “${TITLE}”` }).waitFor();
  });

  await step("the student applies; the client sees it by itself", async () => {
    await student.locator("#gig-list .gig-card a", { hasText: TITLE }).click();
    const form = student.locator("#apply-form");
    await form.locator("[name=proposal]").fill("I drew last year's poster for the tram depot concerts and know the printer.");
    await form.locator("[name=answer-0]").fill("The one with the trumpet: https://example.test/trumpet");
    await form.locator("button[type=submit]").click();
    await student.locator(".application .badge[data-state=submitted]").waitFor();
    await client.locator("#applications .application", { hasText: "trumpet" }).waitFor();
    await client.locator("#gig-counter", { hasText: "1 application" }).waitFor();
  });

  await step("shortlisted and offered; the student sees the offer by itself", async () => {
    await press(client, "shortlist");
    await student.locator(".application .badge[data-state=shortlisted]").waitFor();
    await press(client, "offer");
    const offer = client.locator(".offer-form");
    await offer.locator("[name=title]").fill("Sketch and final poster");
    await shot(client, "applications");
    await offer.locator("button[type=submit]").click();
    await student.locator(".offered", { hasText: "Sketch and final poster" }).waitFor();
  });

  await step("the student accepts, and both are at the contract", async () => {
    await press(student, "accept");
    await milestone(student, "planned").waitFor();
    await client.locator("#applications a", { hasText: "Go to the contract" }).click();
    await milestone(client, "planned").waitFor();
    if (await student.locator("[data-step=fund]").count()) throw new Error("the student is asked to pay");
  });

  await step("paid: both see that the money is held", async () => {
    await press(client, "fund");
    for (const page of both) {
      await milestone(page, "funded").waitFor();
      await page.locator("#totals", { hasText: "Held€250.00" }).waitFor();
      await page.locator("#money-timeline [data-what=ledger-fund]").waitFor();
    }
  });

  await step("delivered, changed, delivered again", async () => {
    await press(student, "submit");
    await student.locator(".step-form textarea").fill("Two sketches: https://example.test/sketches");
    await student.locator(".step-form button[type=submit]").click();
    await milestone(client, "submitted").filter({ hasText: "Two sketches" }).waitFor();
    await press(client, "request_changes");
    await client.locator(".step-form textarea").fill("The second one, with a larger date, please.");
    await client.locator(".step-form button[type=submit]").click();
    await milestone(student, "changes_requested").filter({ hasText: "larger date" }).waitFor();
    await press(student, "submit");
    await student.locator(".step-form textarea").fill("Larger date, print file attached to the chat.");
    await student.locator(".step-form button[type=submit]").click();
    await milestone(client, "submitted").waitFor();
  });

  await step("approved: the money timeline shows the release, in both windows", async () => {
    await press(client, "approve");
    for (const page of both) {
      await milestone(page, "released").waitFor();
      await page.locator("#money-timeline [data-what=milestone-released]").waitFor();
      const booked = page.locator("#money-timeline [data-what=ledger-release]");
      await booked.locator(".entries li", { hasText: "€225.00" }).waitFor();
      await booked.locator(".entries li", { hasText: "€25.00" }).first().waitFor();
      await page.locator("#totals", { hasText: "Released to the student€225.00" }).waitFor();
      await page.locator("#work h1 ~ .badge[data-state=completed]").waitFor();
    }
  });

  await step("both review, blind until both have", async () => {
    for (const [page, text] of [[client, "Quick and bold."], [student, "Knew what they wanted."]]) {
      await page.locator("#review-form textarea").fill(text);
      await page.locator("#review-form button[type=submit]").click();
      await page.locator("#review-form").waitFor({ state: "detached" });
    }
    await student.locator("#work .prose", { hasText: "Quick and bold." }).waitFor();
  });

  await step("no window was reloaded", async () => {
    for (const page of both) if (!(await page.evaluate(() => globalThis.neverReloaded))) throw new Error("it was");
  });

  await step("the contract's chat tells the same story", async () => {
    await shot(client, "contract");
    const address = client.url();
    await press(client, "chat");
    await client.locator("#timeline .body", { hasText: "€250.00 is held" }).or(client.locator("#timeline", { hasText: "is paid for" })).first().waitFor();
    await client.locator("#draft").fill("Thank you!");
    await client.locator("#draft").press("Enter");
    await client.locator("#timeline .entry[data-state=logged] .body", { hasText: "Thank you!" }).waitFor();
    await client.goBack();
    if (client.url() !== address) await client.goto(address);
    await milestone(client, "released").waitFor();
  });

  await step("everything has a name and fits: light, dark, 360 pixels", async () => {
    const contract = new URL(client.url()).hash;
    for (const [name, hash] of [["board", "#gigs"], ["contract", contract], ["post", "#post"]]) {
      await client.setViewportSize({ width: 1280, height: 800 });
      await client.evaluate((hash) => (location.hash = hash), hash);
      await client.locator(`.work-page.${name === "board" ? "gigs" : name}-page h1`).waitFor();
      if (name === "board") await client.locator("#gig-list .gig-card").first().waitFor();
      if (name === "contract") await milestone(client, "released").waitFor();
      const nameless = await client.evaluate(() => [...document.querySelectorAll("#work :is(input, select, textarea, button, a)")]
        .filter((part) => !(part.labels?.length || part.getAttribute("aria-label") || part.textContent.trim()))
        .map((part) => part.outerHTML));
      if (nameless.length) throw new Error(`nameless: ${nameless.join(" ")}`);
      await client.emulateMedia({ colorScheme: "dark" });
      await shot(client, `${name}-dark`);
      await client.setViewportSize({ width: 360, height: 780 });
      await client.waitForFunction(() => document.querySelector("#work").scrollWidth <= document.querySelector("#work").clientWidth && document.documentElement.scrollWidth <= 360);
      await shot(client, `${name}-360-dark`);
      await client.emulateMedia({ colorScheme: "light" });
      await shot(client, `${name}-360`);
    }
    await client.locator("[data-section=rooms]").click();
    await client.locator("#my-rooms button").first().waitFor();
    await client.locator("[data-section=gigs]").click();
    await client.locator("#gig-list .gig-card").first().waitFor();
  });
});
