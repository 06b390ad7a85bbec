// The service worker: shows what is pushed while no page is open, and opens the page that it is about.

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("push", (event) => {
  let told;
  try {
    told = event.data?.json();
  } catch {
    told = null;
  }
  // A push that shows nothing costs the permission: browsers require it.
  const { id, title, body, link, count } = told ?? {};
  event.waitUntil(self.registration.showNotification(title || "Something new on Gigsy", {
    body: body || (count > 1 ? `${count} new` : ""), tag: id, renotify: Boolean(id && count > 1), icon: "/assets/icon.svg", data: { id, link },
  }));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  // Only ever a place on these pages.
  const { link } = event.notification.data ?? {};
  const there = new URL(link || "/", self.location.origin);
  const url = there.origin === self.location.origin ? there.href : self.location.origin;
  event.waitUntil((async () => {
    const open = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
    const page = open.find((client) => new URL(client.url).pathname === there.pathname);
    if (!page) return self.clients.openWindow(url);
    await page.focus();
    return page.navigate(url).catch(() => undefined);
  })());
});
