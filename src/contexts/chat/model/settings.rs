//! What can be set: by a room's admins for the room, by a member for themselves, by a person everywhere.

use serde::{Deserialize, Serialize};

use super::{MemberRole, RoomKind};

/// What a room's admins decide.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RoomSettings {
    /// Seconds between two messages of one member; 0 for none. Admins are free of it.
    pub slow_mode_seconds: u32,
    /// Messages that one member may send a minute; 0 for as many as they like. Admins are free of it.
    pub messages_per_minute: u32,
    /// Who may mention `@room`.
    pub mention_room: Option<MemberRole>,
    /// Who may pin.
    pub pin: Option<MemberRole>,
    /// Who may attach.
    pub attach: Option<MemberRole>,
    /// Days that messages are kept; 0 for as long as the operator says.
    pub retention_days: u32,
    /// Words with which a message is refused; in lower case.
    pub blocked_words: Vec<String>,
    /// Words with which a message is put before the moderators; in lower case.
    pub flagged_words: Vec<String>,
}

impl RoomSettings {
    /// The longest slow mode, in seconds.
    pub const SLOWEST: u32 = 3_600;
    /// The longest retention that a room can set, in days.
    pub const LONGEST_RETENTION: u32 = 36_500;
    /// Words of each list.
    pub const MOST_WORDS: usize = 500;

    /// The role that `@room` takes: everybody's in a direct room and a group, an admin's in public.
    pub fn mention_room(&self, kind: RoomKind) -> MemberRole {
        let default = if kind == RoomKind::Public { MemberRole::Admin } else { MemberRole::Member };
        self.mention_room.unwrap_or(default)
    }

    /// The role that pinning takes: everybody's in a direct room, else an admin's.
    pub fn pin(&self, kind: RoomKind) -> MemberRole {
        let default = if kind == RoomKind::Direct { MemberRole::Member } else { MemberRole::Admin };
        self.pin.unwrap_or(default)
    }

    /// The role that attaching takes: everybody's.
    pub fn attach(&self) -> MemberRole {
        self.attach.unwrap_or(MemberRole::Member)
    }
}

/// What changes in [`RoomSettings`]; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettingsPatch {
    /// See [`RoomSettings::slow_mode_seconds`].
    pub slow_mode_seconds: Option<u32>,
    /// See [`RoomSettings::messages_per_minute`].
    pub messages_per_minute: Option<u32>,
    /// See [`RoomSettings::mention_room`].
    pub mention_room: Option<MemberRole>,
    /// See [`RoomSettings::pin`].
    pub pin: Option<MemberRole>,
    /// See [`RoomSettings::attach`].
    pub attach: Option<MemberRole>,
    /// See [`RoomSettings::retention_days`].
    pub retention_days: Option<u32>,
    /// See [`RoomSettings::blocked_words`].
    pub blocked_words: Option<Vec<String>>,
    /// See [`RoomSettings::flagged_words`].
    pub flagged_words: Option<Vec<String>>,
}

impl SettingsPatch {
    /// Applies it; answers what of it is news for the room. The lists of words are told as changed only.
    pub fn apply(&self, to: &mut RoomSettings) -> serde_json::Map<String, serde_json::Value> {
        let mut news = serde_json::Map::new();
        let mut set = |name: &str, value: serde_json::Value| news.insert(name.to_owned(), value);
        if let Some(new) = self.slow_mode_seconds.filter(|new| *new != to.slow_mode_seconds) {
            to.slow_mode_seconds = new;
            set("slow_mode_seconds", new.into());
        }
        if let Some(new) = self.messages_per_minute.filter(|new| *new != to.messages_per_minute) {
            to.messages_per_minute = new;
            set("messages_per_minute", new.into());
        }
        if let Some(new) = self.retention_days.filter(|new| *new != to.retention_days) {
            to.retention_days = new;
            set("retention_days", new.into());
        }
        for (name, new, old) in [
            ("mention_room", self.mention_room, &mut to.mention_room),
            ("pin", self.pin, &mut to.pin),
            ("attach", self.attach, &mut to.attach),
        ] {
            if new.is_some() && new != *old {
                *old = new;
                set(name, new.map(MemberRole::as_str).into());
            }
        }
        for (new, old) in
            [(&self.blocked_words, &mut to.blocked_words), (&self.flagged_words, &mut to.flagged_words)]
        {
            if let Some(new) = new.as_ref().filter(|new| *new != old) {
                old.clone_from(new);
                set("word_rules", true.into());
            }
        }
        news
    }
}

/// The words of a text, in lower case: runs of letters and digits.
pub fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $( $(#[$variant_doc:meta])* $variant:ident = $text:literal ),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $( $(#[$variant_doc])* $variant ),+ }

        impl $name {
            /// The name in JSON and in the database.
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $text ),+ }
            }

            /// The one of that name.
            pub fn parse(name: &str) -> Option<Self> {
                match name { $( $text => Some(Self::$variant), )+ _ => None }
            }
        }
    };
}

named!(
    /// What a member wants to hear of a room.
    NotifyLevel {
        /// Everything.
        All = "all",
        /// Mentions only.
        Mentions = "mentions",
        /// Nothing.
        None = "none",
    }
);
named!(
    /// Who may see when somebody was last there.
    LastSeenTo {
        /// Everybody who shares a room.
        Everyone = "everyone",
        /// Those with whom one has a direct room.
        Contacts = "contacts",
        /// Nobody.
        Nobody = "nobody",
    }
);
named!(
    /// What a session says of itself.
    Status {
        /// There.
        Online = "online",
        /// Not looking.
        Away = "away",
        /// Not to be disturbed: nothing is pushed.
        Dnd = "dnd",
    }
);
named!(
    /// Why a message is reported.
    ReportReason {
        /// Advertising.
        Spam = "spam",
        /// Insults, threats.
        Abuse = "abuse",
        /// A fraud.
        Scam = "scam",
        /// Contents that the law forbids.
        Illegal = "illegal",
        /// One of the room's flagged words.
        Word = "word",
        /// Anything else.
        Other = "other",
    }
);
