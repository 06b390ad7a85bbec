// Somebody looks at a student's portfolio while a client approves the student's work: the milestone shows
// there by itself. Usage: node portfolio.mjs BASE_URL OUT_DIR

import { join } from "node:path";
import { visit } from "./visit.mjs";

const SLUG = "sami-haddad";

await visit(async ({ base, out, step, window, signIn, fail }) => {
  const [visitor, student, client, stranger] = await Promise.all(["visitor", "student", "client", "stranger"].map((who) => window(who)));
  const call = (page, method, path, body) => page.evaluate(async ([method, path, body]) => {
    const response = await fetch(path, {
      method, headers: { "content-type": "application/json" }, body: body === undefined ? undefined : JSON.stringify(body),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${JSON.stringify(answer)}`);
    return answer;
  }, [method, `/api/v1${path}`, body]);

  await step("a visitor, a student and a client sign in", async () => {
    await signIn(visitor, "mentor");
    await signIn(student, "student");
    await signIn(client, "client");
  });

  await step("the page can be read without a script, and says what previews need", async () => {
    const html = await (await fetch(new URL(`/p/${SLUG}`, base))).text();
    for (const part of ["<h1>Sami Haddad</h1>", 'property="og:title" content="Sami Haddad"', "application/ld+json", "Bus times by message"]) {
      if (!html.includes(part)) throw new Error(`no ${part} in the page`);
    }
    const block = html.match(/<script type="application\/ld\+json">(.*?)<\/script>/s)[1];
    if (JSON.parse(block).mainEntity.name !== "Sami Haddad") throw new Error("the linked data names somebody else");
  });

  const title = `Proof ${Date.now()}`;
  let milestone;
  await step("a contract is made and paid for", async () => {
    const gig = await call(client, "POST", "/gigs", {
      title: `Gig ${title}`, description: "To be proven", skills: ["python"], budget: { amount_minor: 5000, currency: "EUR" },
    });
    await call(client, "POST", `/gigs/${gig.id}/post`);
    const application = await call(student, "POST", `/gigs/${gig.id}/applications`, { proposal: "I do it" });
    await call(client, "POST", `/applications/${application.id}/shortlist`);
    await call(client, "POST", `/applications/${application.id}/offer`, { milestones: [{ title, amount: { amount_minor: 5000, currency: "EUR" } }] });
    const accepted = await call(student, "POST", `/applications/${application.id}/accept`);
    const contract = await call(client, "GET", `/contracts/${accepted.contract_id}`);
    milestone = contract.milestones[0].id;
    await call(client, "POST", `/milestones/${milestone}/fund`);
    for (let tries = 0; (await call(client, "GET", `/milestones/${milestone}`)).state !== "funded"; tries += 1) {
      if (tries > 200) throw new Error("the sandbox never paid");
      await new Promise((done) => setTimeout(done, 50));
    }
    await call(student, "POST", `/milestones/${milestone}/submit`);
  });

  await step("the visitor looks at the portfolio; it is not there yet", async () => {
    await visitor.goto(new URL(`/p/${SLUG}`, base).href);
    await visitor.locator("#connection[data-state=connected]").waitFor();
    await visitor.locator("h1", { hasText: "Sami Haddad" }).waitFor();
    if (await visitor.getByText(title).count()) throw new Error("it is there before it happened");
  });

  await step("the client approves, and the visitor sees it", async () => {
    await call(client, "POST", `/milestones/${milestone}/approve`);
    let released;
    const watching = (async () => {
      while ((await call(client, "GET", `/milestones/${milestone}`)).state !== "released") {
        await new Promise((done) => setTimeout(done, 10));
      }
      released = Date.now();
    })();
    await visitor.locator("#evidence-list li", { hasText: title }).waitFor();
    const seen = Date.now();
    await watching;
    console.log(`      seen ${seen - released} ms after it was released`);
    await visitor.screenshot({ path: join(out, "portfolio.png"), fullPage: true });
  });

  await step("the student hides it, and it goes", async () => {
    const own = await call(student, "GET", "/me/profile");
    const evidence = own.evidence.find((one) => one.title === title);
    await call(student, "PUT", `/me/evidence/${evidence.id}`, { shown: false });
    await visitor.locator("#evidence-list li", { hasText: title }).waitFor({ state: "detached" });
  });

  await step("somebody without an account may look too; hostile words stay words", async () => {
    const own = await call(student, "GET", "/me/profile");
    const { projects, evidence, url, version, ...form } = own;
    const hostile = "</script><img src=x onerror=alert(1)>\"'&<!--";
    const written = await student.evaluate(async ([form, version]) => {
      const response = await fetch("/api/v1/me/profile", {
        method: "PUT", headers: { "content-type": "application/json", "if-match": `"v${version}"` }, body: JSON.stringify(form),
      });
      return response.status;
    }, [{ ...form, headline: hostile, about: hostile, location: hostile }, version]);
    if (written !== 200) throw new Error(`the profile was not written: ${written}`);
    stranger.on("dialog", () => fail("a script of the profile ran"));
    await stranger.goto(new URL(`/p/${SLUG}`, base).href);
    const shown = await stranger.locator(".headline").textContent();
    if (shown !== hostile) throw new Error(`it shows ${shown}`);
    if (await stranger.locator("main img").count()) throw new Error("it made an element");
    const linked = JSON.parse(await stranger.locator('script[type="application/ld+json"]').textContent());
    if (linked.mainEntity.jobTitle !== hostile) throw new Error("the linked data differs");
  });
});
