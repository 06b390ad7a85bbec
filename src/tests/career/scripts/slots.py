"""Checks slots that Rust computed (a JSON list of cases on stdin) against zoneinfo: every quarter of an hour
is asked what a clock on the mentor's wall shows, and open ones that follow each other make a run."""

import json
import sys
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

STEP = 15 * 60
DAY = 86_400


def minutes(text):
    return int(text[:2]) * 60 + int(text[3:])


def expected(case):
    zone = ZoneInfo(case["zone"])
    weekly = {}
    for rule in case["rules"]:
        weekly.setdefault(rule["weekday"], []).append((minutes(rule["from"]), minutes(rule["to"])))
    dates = {
        one["date"]: [(minutes(w["from"]), minutes(w["to"])) for w in one["windows"]] for one in case["exceptions"]
    }
    runs = {}
    start = case["from"] - 3 * DAY
    start -= start % STEP
    for at in range(start, case["to"] + 3 * DAY, STEP):
        wall = datetime.fromtimestamp(at, timezone.utc).astimezone(zone)
        date, minute = wall.date(), wall.hour * 60 + wall.minute
        windows = dates.get(date.isoformat(), weekly.get(date.isoweekday(), []))
        for n, (begins, ends) in enumerate(windows):
            if begins <= minute < ends:
                of_window = runs.setdefault((date, n), [])
                if of_window and of_window[-1][1] == at:
                    of_window[-1][1] = at + STEP
                else:
                    of_window.append([at, at + STEP])
    found = set()
    length, every = case["length"] * 60, case["every"] * 60
    for of_window in runs.values():
        for begins, ends in of_window:
            at = begins
            while at + length <= ends:
                if case["from"] <= at < case["to"]:
                    found.add((at, at + length))
                at += every
    return sorted(found)


cases = json.load(sys.stdin)
for n, case in enumerate(cases):
    ours = [tuple(slot) for slot in case["slots"]]
    theirs = expected(case)
    if ours != theirs:
        print(json.dumps(case), file=sys.stderr)
        print(f"case {n}: only ours {set(ours) - set(theirs)}, only theirs {set(theirs) - set(ours)}", file=sys.stderr)
        sys.exit(1)
print(f"{len(cases)} cases agree")
