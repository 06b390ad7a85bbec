//! The demo's rooms and what was said in them.

use chrono::{DateTime, Duration, Utc};
use uuid::{ContextV7, Timestamp, Uuid};

use crate::{
    contexts::chat::{
        Chat, ChatError,
        model::{
            Body, Member, MemberRole, MessageId, NewEvent, Payload, Room, RoomId, RoomKind, RoomSettings,
            Said, now,
        },
        store::{NewRoom, Top},
    },
    principal::UserId,
};

/// Who plays in the demo.
#[derive(Clone, Debug)]
pub struct DemoCast {
    /// Posts gigs.
    pub client: UserId,
    /// Learns and applies.
    pub student: UserId,
    /// Gives advice.
    pub mentor: UserId,
    /// Teaches.
    pub instructor: UserId,
    /// Runs the platform.
    pub operator: UserId,
    /// Everybody else.
    pub others: Vec<UserId>,
}

impl From<&crate::contexts::identity::DemoPeople> for DemoCast {
    fn from(people: &crate::contexts::identity::DemoPeople) -> Self {
        Self {
            client: people.client,
            student: people.student,
            mentor: people.mentor,
            instructor: people.instructor,
            operator: people.operator,
            others: people.others.clone(),
        }
    }
}

impl DemoCast {
    /// Who a name in the script stands for; a figure nobody plays is played by the student.
    fn who(&self, name: &str) -> UserId {
        match name {
            "client" => self.client,
            "mentor" => self.mentor,
            "instructor" => self.instructor,
            "operator" => self.operator,
            other => other
                .parse::<usize>()
                .ok()
                .and_then(|n| self.others.get(n % self.others.len().max(1)).copied())
                .unwrap_or(self.student),
        }
    }

    fn everybody(&self) -> Vec<UserId> {
        let mut all = vec![self.operator, self.client, self.student, self.mentor, self.instructor];
        all.extend(&self.others);
        all
    }
}

/// The script: `= kind | name | topic | days ago`, then `who: text`; `~ minutes` is a pause.
const SCRIPT: &str = include_str!("demo.txt");

struct Scene<'a> {
    kind: RoomKind,
    name: &'a str,
    topic: &'a str,
    days_ago: i64,
    lines: Vec<(Duration, &'a str, &'a str)>,
}

fn scenes(script: &str) -> Vec<Scene<'_>> {
    let mut scenes: Vec<Scene<'_>> = Vec::new();
    let mut pause = Duration::zero();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(head) = line.strip_prefix("= ") {
            let mut parts = head.split(" | ");
            let mut part = || parts.next().unwrap_or("").trim();
            let (kind, name, topic) = (part(), part(), part());
            let days_ago = part().parse().unwrap_or(1);
            let kind = RoomKind::parse(kind).unwrap_or(RoomKind::Group);
            scenes.push(Scene { kind, name, topic, days_ago, lines: Vec::new() });
        } else if let Some(minutes) = line.strip_prefix("~ ") {
            pause += Duration::minutes(minutes.parse().unwrap_or(0));
        } else if let (Some(scene), Some((who, text))) = (scenes.last_mut(), line.split_once(": ")) {
            // People type at some forty words a minute.
            let typing = Duration::seconds(15 + text.len() as i64 / 3);
            scene.lines.push((std::mem::take(&mut pause) + typing, who, text));
        }
    }
    scenes
}

fn id_at(at: DateTime<Utc>) -> Uuid {
    let context = ContextV7::new();
    let (seconds, nanos) = (at.timestamp().unsigned_abs(), at.timestamp_subsec_nanos());
    Uuid::new_v7(Timestamp::from_unix(&context, seconds, nanos))
}

impl Chat {
    /// Puts the demo's rooms and their history there; what is there already stays as it is.
    ///
    /// # Errors
    /// When a store fails; what was done stays, and the next call does the rest.
    pub async fn seed_demo(&self, cast: &DemoCast) -> Result<(), ChatError> {
        for (number, scene) in scenes(SCRIPT).iter().enumerate() {
            self.seed_scene(cast, number, scene).await?;
        }
        Ok(())
    }

    async fn seed_scene(&self, cast: &DemoCast, number: usize, scene: &Scene<'_>) -> Result<(), ChatError> {
        let start = now() - Duration::days(scene.days_ago);
        let mut people: Vec<UserId> = scene.lines.iter().map(|(_, who, _)| cast.who(who)).collect();
        if scene.kind == RoomKind::Public {
            people.extend(cast.everybody());
        }
        let founder = people.first().copied().unwrap_or(cast.operator);
        let mut members: Vec<Member> = Vec::new();
        for user_id in people {
            if !members.iter().any(|member| member.user_id == user_id) {
                let is_founder = user_id == founder && scene.kind != RoomKind::Direct;
                let role = if is_founder { MemberRole::Owner } else { MemberRole::Member };
                members.push(Member::new(user_id, role, start));
            }
        }
        // One id for the same scene and founder, so that seeding again finds the room.
        let id = RoomId(scene_id(number, founder));
        let room = match self.inner.rooms.load(id).await? {
            Some(known) => known.room.id,
            None => {
                let name = (!scene.name.is_empty()).then(|| scene.name.to_owned());
                let room = Room {
                    id,
                    kind: scene.kind,
                    name,
                    topic: scene.topic.to_owned(),
                    created_by: founder,
                    created_at: start,
                    archived_at: None,
                    version: 1,
                    settings: RoomSettings::default(),
                };
                self.inner.rooms.create(NewRoom { room, members }).await?.0.room.id
            }
        };
        let top = self.inner.log.open(room).await?;
        if top.last_seq == 0 {
            // History is no news: nobody is told of it.
            let end = Top { last_seq: scene.lines.len() as u64, ..top };
            self.inner.desk.skip_announcements(room, &end).await?;
        }
        let mut at = start;
        let mut batch = Vec::with_capacity(scene.lines.len());
        for (n, (pause, who, text)) in scene.lines.iter().enumerate() {
            at += *pause;
            let body: Body =
                text.parse().map_err(|error| ChatError::field(format!("demo/{number}/{n}"), error))?;
            batch.push(NewEvent {
                message_id: MessageId(id_at(at)),
                sender_id: cast.who(who),
                client_msg_id: super::field("demo", &format!("demo-{number}-{n}"))?,
                payload: Payload::Message(Said::text(body.into_inner())),
                // A long conversation ends now at the latest.
                created_at: at.min(now()),
                correlation_id: "demo-seed".into(),
            });
        }
        // Known messages are told as duplicates, so a second run adds nothing.
        self.inner.log.append(room, &batch).await?;
        Ok(())
    }
}

/// An id for a scene, in the shape of a UUIDv7 of early 2026, from the scene and its founder.
fn scene_id(number: usize, founder: UserId) -> Uuid {
    let mut bytes = *founder.0.as_bytes();
    // 0x019b… milliseconds; the founder's random part keeps two installations apart.
    bytes[..6].copy_from_slice(&[0x01, 0x9b, 0x76, 0x00, 0x00, u8::try_from(number).unwrap_or(u8::MAX)]);
    bytes[6] = 0x70 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    Uuid::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_well_formed() {
        let scenes = scenes(SCRIPT);
        assert!(scenes.len() >= 6);
        let lines: usize = scenes.iter().map(|scene| scene.lines.len()).sum();
        assert!(lines >= 180, "{lines} lines");
        for scene in &scenes {
            let length: Duration = scene.lines.iter().map(|(pause, ..)| *pause).sum();
            assert!(length < Duration::days(scene.days_ago), "{} reaches into the future", scene.name);
            for (_, who, text) in &scene.lines {
                assert!(text.parse::<Body>().is_ok(), "{text}");
                let cast = ["client", "student", "mentor", "instructor", "operator"];
                assert!(cast.contains(who) || who.parse::<usize>().is_ok(), "{who}");
            }
        }
    }
}
