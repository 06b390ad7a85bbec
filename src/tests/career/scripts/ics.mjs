// Prints what npm ical.js reads in a file, as JSON.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

// The packages belong to the SDK tests.
const ICAL = createRequire(new URL("../../sdk/package.json", import.meta.url))("ical.js").default
  ?? createRequire(new URL("../../sdk/package.json", import.meta.url))("ical.js");

ICAL.design.strict = true;
const calendar = new ICAL.Component(ICAL.parse(readFileSync(process.argv[2], "utf8")));
const instant = (time) => (time.zone === ICAL.Timezone.utcTimezone ? time.toString() : null);
const events = calendar.getAllSubcomponents("vevent").map((component) => {
  const event = new ICAL.Event(component);
  return {
    uid: event.uid,
    sequence: event.sequence,
    start: instant(event.startDate),
    end: instant(event.endDate),
    summary: event.summary,
    description: event.description,
    location: event.location,
    status: component.getFirstPropertyValue("status"),
    organizer: event.organizer,
  };
});
console.log(JSON.stringify({ method: calendar.getFirstPropertyValue("method"), events }));
