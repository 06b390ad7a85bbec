"""Prints what PyPI icalendar reads in a file, as JSON."""

import json
import sys

import icalendar

with open(sys.argv[1], "rb") as file:
    calendar = icalendar.Calendar.from_ical(file.read())
problems = list(calendar.errors) + [problem for event in calendar.walk("VEVENT") for problem in event.errors]
if problems:
    sys.exit(f"icalendar complains: {problems}")


def text(event, name):
    value = event.get(name)
    return None if value is None else str(value)


def instant(event, name):
    return event[name].dt.strftime("%Y-%m-%dT%H:%M:%SZ") if event[name].dt.utcoffset().total_seconds() == 0 else None


events = [
    {
        "uid": text(event, "UID"),
        "sequence": int(event["SEQUENCE"]),
        "start": instant(event, "DTSTART"),
        "end": instant(event, "DTEND"),
        "summary": text(event, "SUMMARY"),
        "description": text(event, "DESCRIPTION"),
        "location": text(event, "LOCATION"),
        "status": text(event, "STATUS"),
        "organizer": text(event, "ORGANIZER"),
    }
    for event in calendar.walk("VEVENT")
]
print(json.dumps({"method": str(calendar["METHOD"]), "events": events}))
