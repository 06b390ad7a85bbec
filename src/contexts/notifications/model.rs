//! Notifications and what people want of them; no I/O.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::kinds::Kind;
use crate::principal::UserId;

crate::id_type!(
    /// A notification of one person.
    NotificationId
);

/// By which ways somebody is told of a kind; by none, they are not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Channels {
    /// In the list here, live.
    pub in_app: bool,
    /// By e-mail, to a verified address.
    pub email: bool,
    /// To one's subscribed browsers (Web Push), where it is in the list too.
    #[serde(default = "yes")]
    pub push: bool,
}

/// Who has chosen before there was Web Push has not chosen against it.
const fn yes() -> bool {
    true
}

/// How mails are gathered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Digest {
    /// Not at all.
    #[default]
    Immediate,
    /// At the full hour.
    Hourly,
    /// Once a day, at `digest_hour`.
    Daily,
}

/// A part of the day without mails. It may span midnight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuietHours {
    /// Its first minute.
    pub from: NaiveTime,
    /// The first minute after it; another one than `from`.
    pub to: NaiveTime,
}

/// `{"from": "22:00", "to": "07:00"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuietHoursForm {
    /// The first quiet minute, `HH:MM`.
    #[schema(example = "22:00", pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$")]
    pub from: String,
    /// The first minute that is not quiet any more.
    #[schema(example = "07:00", pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$")]
    pub to: String,
}

/// Minutes since midnight of `HH:MM`.
pub(super) fn minute(text: &str) -> Option<NaiveTime> {
    let (hours, minutes) = text.split_once(':')?;
    let two =
        |text: &str| (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok());
    NaiveTime::from_hms_opt(two(hours)??, two(minutes)??, 0)
}

impl From<&QuietHours> for QuietHoursForm {
    fn from(quiet: &QuietHours) -> Self {
        let text = |time: NaiveTime| time.format("%H:%M").to_string();
        Self { from: text(quiet.from), to: text(quiet.to) }
    }
}

impl Serialize for QuietHours {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        QuietHoursForm::from(self).serialize(to)
    }
}

impl<'de> Deserialize<'de> for QuietHours {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let form = QuietHoursForm::deserialize(from)?;
        let read = |text: &str| minute(text).ok_or_else(|| serde::de::Error::custom("no time of day"));
        Ok(Self { from: read(&form.from)?, to: read(&form.to)? })
    }
}

/// What a person wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preferences {
    /// An IANA zone, for digests and quiet hours.
    pub zone: String,
    /// How mails are gathered.
    pub digest: Digest,
    /// When a daily digest comes, 0 to 23.
    pub digest_hour: u8,
    /// When no mail comes.
    pub quiet_hours: Option<QuietHours>,
    /// Whether any mail comes at all.
    pub email: bool,
    /// Ways of kinds, where they differ from the kind's own.
    pub kinds: BTreeMap<String, Channels>,
}

impl Default for Preferences {
    fn default() -> Self {
        Self {
            zone: "UTC".into(),
            digest: Digest::Immediate,
            digest_hour: 8,
            quiet_hours: None,
            email: true,
            kinds: BTreeMap::new(),
        }
    }
}

impl Preferences {
    /// By which ways a kind comes.
    pub fn channels(&self, kind: &Kind) -> Channels {
        let chosen = self.kinds.get(kind.key).copied().unwrap_or(kind.default);
        Channels { email: chosen.email && self.email, push: chosen.push && chosen.in_app, ..chosen }
    }

    /// The zone; UTC if it is no longer one.
    pub fn tz(&self) -> Tz {
        self.zone.parse().unwrap_or(Tz::UTC)
    }
}

/// Preferences as they are stored. Version 0: the person never chose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chosen {
    /// Raised by every change.
    pub version: i64,
    /// The choice.
    pub preferences: Preferences,
}

/// A notification.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Its id.
    pub id: NotificationId,
    /// Its kind's key.
    pub kind: String,
    /// One line.
    pub title: String,
    /// Perhaps a sentence more.
    pub body: String,
    /// Where it leads, on our pages.
    pub link: String,
    /// Ids for clients.
    pub data: Value,
    /// Who did it, where a person did.
    pub actor: Option<UserId>,
    /// How many events it stands for.
    pub events: i32,
    /// Where in the person's log its latest state is.
    pub offset: i64,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// Its latest event.
    pub updated_at: DateTime<Utc>,
    /// When the person read it.
    pub read_at: Option<DateTime<Utc>>,
}

/// What is to be marked as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// These.
    Ids(Vec<NotificationId>),
    /// Everything up to this offset.
    UpTo(i64),
    /// Everything.
    All,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contexts::notifications::kinds::{KINDS, kind};

    #[test]
    fn a_time_of_day_is_four_digits() {
        assert_eq!(minute("07:05"), NaiveTime::from_hms_opt(7, 5, 0));
        for bad in ["7:05", "24:00", "12:60", "12", "1a:00", "+1:00", "12:00:00", ""] {
            assert_eq!(minute(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn preferences_survive_their_store() {
        let quiet = QuietHours { from: minute("22:00").unwrap(), to: minute("07:30").unwrap() };
        let kinds = BTreeMap::from([(
            "message.sent".to_owned(),
            Channels { in_app: true, email: false, push: true },
        )]);
        let some =
            Preferences { quiet_hours: Some(quiet), digest: Digest::Daily, kinds, ..Preferences::default() };
        let json = serde_json::to_value(&some).unwrap();
        assert_eq!(json["quiet_hours"]["to"], "07:30");
        assert_eq!(serde_json::from_value::<Preferences>(json).unwrap(), some);
    }

    /// Every kind × what one may choose.
    #[test]
    fn the_table_of_channels() {
        for of in KINDS {
            for bits in 0..32 {
                let [chosen, in_app, email, master, push] = [1, 2, 4, 8, 16].map(|bit| bits & bit != 0);
                let mut preferences = Preferences { email: master, ..Preferences::default() };
                if chosen {
                    preferences.kinds.insert(of.key.into(), Channels { in_app, email, push });
                }
                let got = preferences.channels(of);
                let wanted = if chosen { Channels { in_app, email, push } } else { of.default };
                assert_eq!(got.in_app, wanted.in_app, "{}", of.key);
                assert_eq!(got.email, wanted.email && master, "{}", of.key);
                assert_eq!(got.push, wanted.push && wanted.in_app, "{}", of.key);
            }
        }
        assert!(kind("message.sent").is_some() && kind("nobody.knows").is_none());
    }
}
