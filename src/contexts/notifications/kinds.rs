//! Every kind of notification, as data: which event makes it, who is told, in which words, by which
//! ways unless they choose otherwise, and what is taken together.
//!
//! A template's `{name}` is a field of the event's data (money is written out), `{name|words}` has
//! words for when it is missing, and `{count}` is the number of events that the notification stands
//! for. No template names a person: names change, and are to be forgotten on request; clients and mails
//! look `actor_id` up when they show it.

use serde_json::Value;
use uuid::Uuid;

use super::model::Channels;
use crate::principal::UserId;

/// Where an event says who is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// A field that holds a person's id.
    One(&'static str),
    /// A field that holds several.
    All(&'static str),
}

/// One kind.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Its name: the event's subject.
    pub key: &'static str,
    /// What people read in their settings.
    pub name: &'static str,
    /// Who is told; never who did it.
    pub to: &'static [To],
    /// One line for one event.
    pub one: &'static str,
    /// One line for several; the same where they are not taken together.
    pub many: &'static str,
    /// A sentence more.
    pub body: &'static str,
    /// The field that events must share to be one notification while it is unread.
    pub group: Option<&'static str>,
    /// Where it leads on our pages.
    pub link: &'static str,
    /// Fields that clients get.
    pub keep: &'static [&'static str],
    /// By which ways, unless the person chose otherwise.
    pub default: Channels,
    /// How long a mail waits for the person to read it here, in seconds.
    pub patience: i64,
}

const BOTH: Channels = Channels { in_app: true, email: true, push: true };
const HERE: Channels = Channels { in_app: true, email: false, push: false };
const NONE: Channels = Channels { in_app: false, email: false, push: false };

const CLIENT: To = To::One("client_id");
const STUDENT: To = To::One("student_id");
const OWNER: To = To::One("owner_id");
const SELF: To = To::One("user_id");
const MANY: To = To::All("user_ids");
const SEEKER: To = To::One("seeker_id");
const MENTOR: To = To::One("mentor_id");

const APPLICATION: &[&str] = &["application_id", "gig_id"];
const CONTRACT: &[&str] = &["contract_id", "gig_id"];
const MILESTONE: &[&str] = &["milestone_id", "contract_id", "gig_id"];
const BOOKING: &[&str] = &["booking_id", "start", "end"];
const MESSAGE: &[&str] = &["room_id", "message_id", "seq"];

const COURSE: &[&str] = &["course_id", "enrolment_id"];
const CERTIFICATE: &[&str] = &["certificate_id", "course_id"];
const HAND_IN: &[&str] = &["submission_id", "course_id", "enrolment_id", "item_id"];

const COURSE_LINK: &str = "/#course/{course_id}";
const CERTIFICATE_LINK: &str = "/verify/{certificate_id}";
const ITEM_LINK: &str = "/#learn/{enrolment_id}/{item_id}";
const GIG_LINK: &str = "/#gig/{gig_id}";
const CONTRACT_LINK: &str = "/#contract/{contract_id}";
const BOOKING_LINK: &str = "/mentors#booking/{booking_id}";
const ROOM_LINK: &str = "/#room/{room_id}";

/// What most kinds have in common.
const BASE: Kind = Kind {
    key: "",
    name: "",
    to: &[],
    one: "",
    many: "",
    body: "",
    group: None,
    link: "/",
    keep: &[],
    default: BOTH,
    patience: 0,
};

macro_rules! kinds {
    ($( $key:literal { $( $field:ident: $value:expr ),+ $(,)? } )+) => {
        &[ $( Kind { key: $key, $( $field: $value, )+ ..BASE } ),+ ]
    };
}

/// All of them, in the order of the settings.
pub const KINDS: &[Kind] = kinds! {
    "user.registered" {
        name: "Welcome", to: &[SELF], one: "Welcome to Gigsy", body: "Complete your profile, and say hello in a room.",
        default: HERE,
    }
    "message.sent" {
        name: "Direct messages", to: &[MANY], one: "A new direct message", many: "{count} new direct messages",
        group: Some("room_id"), link: ROOM_LINK, keep: MESSAGE, patience: 600,
    }
    "message.mentioned" {
        name: "Mentions", to: &[MANY], one: "You were mentioned", many: "You were mentioned {count} times",
        group: Some("room_id"), link: ROOM_LINK, keep: MESSAGE, patience: 300,
    }
    "application.submitted" {
        name: "New applications", to: &[OWNER], one: "A new application for “{gig_title|your gig}”",
        many: "{count} new applications for “{gig_title|your gig}”", group: Some("gig_id"), link: GIG_LINK, keep: APPLICATION,
    }
    "application.withdrawn" {
        name: "Applications that are withdrawn", to: &[OWNER], one: "An application for “{gig_title|your gig}” was withdrawn",
        many: "{count} applications for “{gig_title|your gig}” were withdrawn", group: Some("gig_id"), link: GIG_LINK,
        keep: APPLICATION, default: HERE,
    }
    "application.shortlisted" {
        name: "You are on a shortlist", to: &[STUDENT], one: "You are on the shortlist for “{gig_title|a gig}”",
        link: GIG_LINK, keep: APPLICATION,
    }
    "application.offered" {
        name: "Offers", to: &[STUDENT], one: "You have an offer for “{gig_title|a gig}”",
        body: "Look at the terms, then accept or decline.", link: GIG_LINK, keep: APPLICATION,
    }
    "application.accepted" {
        name: "Offers that are accepted", to: &[OWNER], one: "Your offer for “{gig_title|your gig}” was accepted",
        body: "The contract is made; fund its first milestone to begin.", link: GIG_LINK, keep: APPLICATION,
    }
    "application.declined" {
        name: "Offers that are declined", to: &[OWNER], one: "Your offer for “{gig_title|your gig}” was declined",
        link: GIG_LINK, keep: APPLICATION,
    }
    "application.rejected" {
        name: "Applications that are rejected", to: &[STUDENT], one: "Your application for “{gig_title|a gig}” was not chosen",
        link: GIG_LINK, keep: APPLICATION,
    }
    "application.lapsed" {
        name: "Applications that lapse", to: &[STUDENT], one: "“{gig_title|A gig}” takes no more applications",
        body: "Your application has lapsed.", link: GIG_LINK, keep: APPLICATION, default: HERE,
    }
    "invitation.sent" {
        name: "Invitations", to: &[STUDENT], one: "You are invited to apply for “{gig_title|a gig}”",
        link: GIG_LINK, keep: &["invitation_id", "gig_id"],
    }
    "contract.activated" {
        name: "Contracts begin", to: &[STUDENT], one: "The contract for “{title|a gig}” is active",
        body: "Work can begin.", link: CONTRACT_LINK, keep: CONTRACT, default: HERE,
    }
    "contract.completed" {
        name: "Contracts are complete", to: &[CLIENT, STUDENT], one: "The contract for “{title|a gig}” is complete",
        body: "You can review each other now.", link: CONTRACT_LINK, keep: CONTRACT,
    }
    "contract.ended" {
        name: "Contracts end", to: &[CLIENT, STUDENT], one: "The contract for “{title|a gig}” has ended",
        body: "You can review each other now.", link: CONTRACT_LINK, keep: CONTRACT,
    }
    "contract.cancelled" {
        name: "Contracts are cancelled", to: &[CLIENT, STUDENT], one: "The contract for “{title|a gig}” was cancelled",
        link: CONTRACT_LINK, keep: CONTRACT,
    }
    "milestone.funded" {
        name: "Milestones are paid for", to: &[STUDENT], one: "“{title|A milestone}” is paid for",
        body: "{amount|The money} is held until the work is approved.", link: CONTRACT_LINK, keep: MILESTONE,
    }
    "milestone.submitted" {
        name: "Work is delivered", to: &[CLIENT], one: "“{title|A milestone}” was delivered",
        body: "Approve it or ask for changes within 14 days; then it counts as approved.", link: CONTRACT_LINK, keep: MILESTONE,
    }
    "milestone.changes_requested" {
        name: "Changes are wanted", to: &[STUDENT], one: "Changes are wanted for “{title|a milestone}”",
        link: CONTRACT_LINK, keep: MILESTONE,
    }
    "milestone.approved" {
        name: "Work is approved", to: &[STUDENT], one: "“{title|A milestone}” was approved",
        link: CONTRACT_LINK, keep: MILESTONE, default: HERE,
    }
    "milestone.released" {
        name: "Money is released", to: &[STUDENT], one: "{amount|The money} for “{title|a milestone}” was released",
        link: CONTRACT_LINK, keep: MILESTONE,
    }
    "milestone.refund_requested" {
        name: "Money is asked back", to: &[STUDENT], one: "{amount|The money} for “{title|a milestone}” is asked back",
        body: "Agree, or open a dispute within 7 days.", link: CONTRACT_LINK, keep: MILESTONE,
    }
    "milestone.refunded" {
        name: "Refunds", to: &[CLIENT], one: "{amount|The money} for “{title|a milestone}” is on its way back to you",
        link: CONTRACT_LINK, keep: MILESTONE,
    }
    "dispute.opened" {
        name: "Disputes are opened", to: &[CLIENT, STUDENT], one: "A dispute about “{title|a milestone}” was opened",
        body: "An operator looks into it.", link: CONTRACT_LINK, keep: MILESTONE,
    }
    "dispute.resolved" {
        name: "Disputes are decided", to: &[CLIENT, STUDENT], one: "The dispute about “{title|a milestone}” was decided",
        link: CONTRACT_LINK, keep: MILESTONE,
    }
    "payment.failed" {
        name: "Payments fail", to: &[CLIENT], one: "The payment for “{title|a milestone}” failed",
        body: "It can be tried again.", link: CONTRACT_LINK, keep: MILESTONE,
    }
    "payment.returned" {
        name: "Payments go back", to: &[CLIENT], one: "A payment for “{title|a milestone}” came too late and goes back",
        link: CONTRACT_LINK, keep: MILESTONE,
    }
    "payment.charged_back" {
        name: "Charge-backs", to: &[CLIENT, STUDENT], one: "The bank took the payment for “{title|a milestone}” back",
        link: CONTRACT_LINK, keep: MILESTONE,
    }
    "review.published" {
        name: "Reviews", to: &[To::One("subject_id")], one: "Somebody reviewed you: {rating|some} of 5",
        link: CONTRACT_LINK, keep: &["review_id", "contract_id", "rating"],
    }
    "announcement.sent" {
        name: "Announcements", to: &[MANY], one: "Your instructor announced something in “{title|a course}”",
        many: "{count} announcements in “{title|a course}”", group: Some("course_id"), link: COURSE_LINK,
        keep: &["course_id", "announcement_id"], patience: 600,
    }
    "course.completed" {
        name: "Courses are completed", to: &[SELF], one: "You completed “{title|a course}”",
        link: "/#learn/{enrolment_id}", keep: COURSE, default: HERE,
    }
    "certificate.issued" {
        name: "Certificates", to: &[SELF], one: "Your certificate for “{title|a course}” is there",
        body: "Anybody you give the address to can verify it.", link: CERTIFICATE_LINK, keep: CERTIFICATE,
    }
    "certificate.revoked" {
        name: "Certificates are revoked", to: &[SELF], one: "Your certificate for “{title|a course}” was revoked",
        link: CERTIFICATE_LINK, keep: CERTIFICATE,
    }
    "export.ready" {
        name: "Archives of your data", to: &[SELF], one: "The archive of your data can be fetched",
        body: "It is there for seven days.", link: "/privacy", keep: &["export_id", "expires_at"],
    }
    "submission.graded" {
        name: "Hand-ins are graded", to: &[STUDENT], one: "What you handed in was graded",
        link: ITEM_LINK, keep: HAND_IN,
    }
    "submission.returned" {
        name: "Hand-ins come back", to: &[STUDENT], one: "What you handed in is to be done again",
        body: "Your instructor says why.", link: ITEM_LINK, keep: HAND_IN,
    }
    "enrolment.lapsed" {
        name: "Places are given up", to: &[STUDENT], one: "Your place in a course was given up",
        body: "It was not paid within a day.", link: COURSE_LINK, keep: COURSE,
    }
    "enrolment.refunded" {
        name: "Course refunds", to: &[STUDENT], one: "Your payment for a course is on its way back to you",
        link: COURSE_LINK, keep: COURSE,
    }
    "saved_search.matched" {
        name: "Saved searches", to: &[SELF], one: "A new match for “{name|your search}”",
        many: "{count} new matches for “{name|your search}”", group: Some("saved_search_id"),
        link: GIG_LINK, keep: &["saved_search_id", "gig_id"],
    }
    "match.found" {
        name: "Gigs that fit you", to: &[SELF], one: "A gig that fits you: “{gig_title|look at it}”", body: "{reason|}",
        link: GIG_LINK, keep: &["gig_id", "score", "reasons"], default: HERE,
    }
    "mentor.approved" {
        name: "Mentoring is approved", to: &[SELF], one: "You can be booked as a mentor",
        body: "Say when you are open, if you have not yet.", link: "/mentors",
    }
    "mentor.rejected" {
        name: "Mentoring is not approved", to: &[SELF], one: "Your application to mentor was not approved",
        body: "{note|You may change it and apply again.}", link: "/mentors",
    }
    "booking.offered" {
        name: "Waiting lists", to: &[SEEKER], one: "A time was freed for you: {when_seeker|look now}",
        body: "It is held for half an hour.", link: BOOKING_LINK, keep: BOOKING,
    }
    "booking.requested" {
        name: "Sessions are asked for", to: &[MENTOR], one: "Somebody asks for a session: {when_mentor|look when}",
        body: "Confirm it, decline it, or propose another time.", link: BOOKING_LINK, keep: BOOKING,
    }
    "booking.confirmed" {
        name: "Sessions are agreed", to: &[SEEKER, MENTOR], one: "A session is agreed",
        body: "It is in the mail for your calendar.", link: BOOKING_LINK, keep: BOOKING, default: HERE,
    }
    "booking.declined" {
        name: "Sessions are declined", to: &[SEEKER], one: "Your session on {when_seeker|that day} was declined",
        link: BOOKING_LINK, keep: BOOKING,
    }
    "booking.rescheduled" {
        name: "Sessions are moved", to: &[SEEKER, MENTOR], one: "A session is to be moved",
        body: "Look at the new time, then agree or not.", link: BOOKING_LINK, keep: BOOKING,
    }
    "booking.cancelled" {
        name: "Sessions are cancelled", to: &[SEEKER, MENTOR], one: "A session was cancelled",
        link: BOOKING_LINK, keep: BOOKING, default: HERE,
    }
    "booking.expired" {
        name: "Sessions that nobody answered", to: &[SEEKER], one: "Your session on {when_seeker|that day} was not agreed in time",
        link: BOOKING_LINK, keep: BOOKING, default: HERE,
    }
    "booking.completed" {
        name: "Sessions took place", to: &[SEEKER], one: "How was your session?",
        body: "You can review your mentor.", link: BOOKING_LINK, keep: BOOKING, default: HERE,
    }
    "booking.reminded" {
        name: "Reminders of sessions", to: &[SELF], one: "Your session: {when|soon}",
        link: BOOKING_LINK, keep: BOOKING,
    }
    "booking.paid_out" {
        name: "Sessions are paid out", to: &[MENTOR], one: "{amount|The money} for a session was released",
        link: BOOKING_LINK, keep: BOOKING,
    }
    "mentor_review.written" {
        name: "Reviews of mentors", to: &[MENTOR], one: "Somebody reviewed you as a mentor: {rating|some} of 5",
        link: "/mentors", keep: &["review_id", "booking_id", "rating"],
    }
    "xp.awarded" {
        name: "Points", to: &[SELF], one: "You earned {points|some} points", many: "You earned points {count} times",
        body: "You have {total|more} now.", group: Some("user_id"), keep: &["points", "rule", "total", "level"],
        default: NONE,
    }
    "badge.awarded" {
        name: "Badges", to: &[SELF], one: "You earned a badge: {name|well done}", keep: &["badge", "award_id", "name", "tier"],
        link: "/badges/{award_id}", default: HERE,
    }
    "level.reached" {
        name: "Levels", to: &[SELF], one: "You reached level {level|after level}", keep: &["level"], default: HERE,
    }
    "league.closed" {
        name: "Leagues", to: &[SELF], one: "The league week is over: rank {rank|noted}", keep: &["league", "rank", "outcome"],
        default: HERE,
    }
};

/// Every subject that some kind is made of, by aggregate.
pub const SUBJECTS: &[&str] = &[
    "user.registered",
    "message.*",
    "application.*",
    "invitation.*",
    "contract.*",
    "milestone.*",
    "dispute.*",
    "payment.*",
    "export.*",
    "review.*",
    "saved_search.*",
    "match.*",
    "course.*",
    "announcement.*",
    "certificate.*",
    "submission.*",
    "enrolment.*",
    "mentor.*",
    "booking.*",
    "mentor_review.*",
    "xp.*",
    "badge.*",
    "level.*",
    "league.*",
];

/// The kind of that name.
pub fn kind(key: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.key == key)
}

/// What somebody is told of one event.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// Who.
    pub user: UserId,
    /// What events of this kind must share to be one notification.
    pub group: String,
    /// Who did it, where a person did.
    pub actor: Option<UserId>,
    /// Fields for clients.
    pub data: Value,
    /// Fields for the words.
    pub params: Value,
}

impl Kind {
    /// What each person concerned is told, sorted by person: rows of several people are always locked
    /// in that order.
    pub fn drafts(&self, event: Uuid, data: &Value) -> Vec<Draft> {
        // A room with several people is not a conversation that one is told of word by word, and where
        // one is told of each word, one need not be told of one's name too.
        let room = data.get("room_kind").and_then(Value::as_str).unwrap_or("");
        match self.key {
            "message.sent" if !matches!(room, "" | "direct") => return Vec::new(),
            "message.mentioned" if room == "direct" => return Vec::new(),
            // What a correction takes back was not earned.
            "xp.awarded" if data.get("points").and_then(Value::as_i64).is_some_and(|points| points <= 0) => {
                return Vec::new();
            }
            _ => {}
        }
        let person = |value: &Value| value.as_str().and_then(|text| text.parse().ok()).map(UserId);
        let actor =
            ["actor_id", "sender_id", "author_id"].iter().find_map(|name| data.get(name).and_then(person));
        let mut people: Vec<UserId> = self
            .to
            .iter()
            .flat_map(|to| match to {
                To::One(field) => data.get(field).and_then(person).into_iter().collect::<Vec<_>>(),
                To::All(field) => {
                    let all = data.get(field).and_then(Value::as_array);
                    all.map(|all| all.iter().filter_map(person).collect()).unwrap_or_default()
                }
            })
            .filter(|user| Some(*user) != actor)
            .collect();
        people.sort_unstable();
        people.dedup();
        let group = self.group.and_then(|field| data.get(field)).map_or_else(
            || event.to_string(),
            |value| value.as_str().map_or_else(|| value.to_string(), str::to_owned),
        );
        let group: String = group.chars().take(200).collect();
        let only = |names: &mut dyn Iterator<Item = &str>| {
            let found = names.filter_map(|name| Some((name.to_owned(), data.get(name)?.clone())));
            Value::Object(found.collect())
        };
        let kept = only(&mut self.keep.iter().copied());
        let params = only(&mut self.placeholders());
        people
            .into_iter()
            .map(|user| Draft {
                user,
                group: group.clone(),
                actor,
                data: kept.clone(),
                params: params.clone(),
            })
            .collect()
    }

    /// The fields that its templates name.
    fn placeholders(&self) -> impl Iterator<Item = &'static str> {
        let named = |template: &'static str| {
            let places = template.split('{').skip(1).filter_map(|part| part.split_once('}'));
            places.map(|(place, _)| place.split('|').next().unwrap_or(place))
        };
        [self.one, self.many, self.body, self.link].into_iter().flat_map(named)
    }

    /// Title, body and link for `count` events, of which `data` is the latest.
    pub fn words(&self, data: &Value, count: i32) -> (String, String, String) {
        let title = if count > 1 && !self.many.is_empty() { self.many } else { self.one };
        (fill(title, data, count), fill(self.body, data, count), fill(self.link, data, count))
    }
}

/// The longest text that a field may put into a template, in characters.
const LONGEST: usize = 160;

/// Puts fields into a template.
fn fill(template: &str, data: &Value, count: i32) -> String {
    let mut out = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let Some((place, after)) = after.split_once('}') else { return out };
        let (name, otherwise) = place.split_once('|').unwrap_or((place, ""));
        match field(data, name, count) {
            Some(text) => out.push_str(&text),
            None => out.push_str(otherwise),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

fn field(data: &Value, name: &str, count: i32) -> Option<String> {
    if name == "count" {
        return Some(count.to_string());
    }
    let text = match data.get(name)? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        money @ Value::Object(_) => {
            serde_json::from_value::<crate::money::Money>(money.clone()).ok()?.to_string()
        }
        _ => return None,
    };
    // One line, whatever people call their gigs.
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect();
    Some(text).filter(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::events::TOPICS;

    #[test]
    fn every_kind_is_whole() {
        let keys: BTreeSet<_> = KINDS.iter().map(|kind| kind.key).collect();
        assert_eq!(keys.len(), KINDS.len(), "a kind is there twice");
        for kind in KINDS {
            assert!(!kind.name.is_empty() && !kind.one.is_empty() && !kind.to.is_empty(), "{}", kind.key);
            assert_eq!(
                kind.group.is_some(),
                !kind.many.is_empty(),
                "{} groups in words or not at all",
                kind.key
            );
            let aggregate = kind.key.split('.').next().unwrap();
            let heard = SUBJECTS.iter().any(|s| *s == kind.key || *s == format!("{aggregate}.*"));
            assert!(heard, "nobody listens for {}", kind.key);
            for template in [kind.one, kind.many, kind.body, kind.link] {
                assert_eq!(template.matches('{').count(), template.matches('}').count(), "{template}");
            }
        }
    }

    #[test]
    fn an_event_that_is_told_has_its_words() {
        let declared = |key: &str| {
            let aggregate = key.split('.').next().unwrap();
            TOPICS.iter().any(|topic| topic.aggregates.contains(&aggregate))
        };
        // Those of contexts to come are named here, so that a misspelt one is not taken for one.
        let to_come = ["saved_search", "xp", "badge", "level", "league"];
        for kind in KINDS {
            let known = declared(kind.key) || to_come.iter().any(|a| kind.key.starts_with(a));
            assert!(known, "{} is nobody's event", kind.key);
        }
    }

    #[test]
    fn templates_take_texts_numbers_and_money() {
        let data = json!({ "title": "A\nposter", "amount": { "amount_minor": 1250, "currency": "EUR" }, "rating": 5 });
        assert_eq!(fill("{amount|?} for “{title}”", &data, 1), "12.50 EUR for “A poster”");
        assert_eq!(fill("{rating} of {count}, {none|some}, {gone}", &data, 7), "5 of 7, some, ");
        assert_eq!(fill("an open {brace", &data, 1), "an open ");
        assert_eq!(fill("{title}", &json!({ "title": "x".repeat(500) }), 1).len(), LONGEST);
    }

    #[test]
    fn whoever_did_it_is_not_told() {
        let (client, student) = (UserId::new(), UserId::new());
        let told = |actor: Option<UserId>| {
            let data = json!({ "client_id": client, "student_id": student, "actor_id": actor });
            let drafts = kind("contract.cancelled").unwrap().drafts(Uuid::now_v7(), &data);
            drafts.into_iter().map(|draft| draft.user).collect::<BTreeSet<_>>()
        };
        assert_eq!(told(None), BTreeSet::from([client, student]));
        assert_eq!(told(Some(client)), BTreeSet::from([student]));
    }

    #[test]
    fn only_direct_rooms_are_told_of_each_message() {
        let (a, b, room) = (UserId::new(), UserId::new(), Uuid::now_v7());
        let drafts = |kind_of_room: Option<&str>| {
            let mut data = json!({ "room_id": room, "sender_id": a, "user_ids": [a, b] });
            if let Some(kind) = kind_of_room {
                data["room_kind"] = kind.into();
            }
            kind("message.sent").unwrap().drafts(Uuid::now_v7(), &data)
        };
        assert_eq!(drafts(None).len(), 1);
        assert_eq!(drafts(Some("direct"))[0].user, b);
        assert_eq!(drafts(Some("direct"))[0].group, room.to_string());
        assert!(drafts(Some("group")).is_empty());
        let named = json!({ "room_id": room, "room_kind": "direct", "sender_id": a, "user_ids": [b] });
        assert!(kind("message.mentioned").unwrap().drafts(Uuid::now_v7(), &named).is_empty());
        let broken = kind("message.sent").unwrap().drafts(Uuid::now_v7(), &json!({ "user_ids": "x" }));
        assert!(broken.is_empty());
    }
}
