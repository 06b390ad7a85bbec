//! What clients see.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    kinds::KINDS,
    model::{Channels, Chosen, Digest, Item, NotificationId, QuietHoursForm, Which},
};
use crate::principal::UserId;

/// A notification.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct NotificationView {
    /// Its id.
    pub id: NotificationId,
    /// What it is about: `application.submitted`, …
    pub kind: String,
    /// One line.
    pub title: String,
    /// Perhaps a sentence more.
    pub body: String,
    /// Where it leads on our pages.
    pub link: String,
    /// The ids behind it; which ones belongs to the kind.
    #[schema(value_type = Object)]
    pub data: Value,
    /// Who did it, where a person did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor_id: Option<UserId>,
    /// How many events it stands for.
    pub count: i32,
    /// Its place in the list and in the log behind `user:<id>`.
    pub offset: i64,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// Its latest event.
    pub updated_at: DateTime<Utc>,
    /// When it was read; absent while it is unread.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_at: Option<DateTime<Utc>>,
}

impl From<Item> for NotificationView {
    fn from(item: Item) -> Self {
        let Item {
            id,
            kind,
            title,
            body,
            link,
            data,
            actor,
            events,
            offset,
            created_at,
            updated_at,
            read_at,
        } = item;
        Self {
            id,
            kind,
            title,
            body,
            link,
            data,
            actor_id: actor,
            count: events,
            offset,
            created_at,
            updated_at,
            read_at,
        }
    }
}

/// A page of notifications.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct NotificationsView {
    /// The newest first.
    pub items: Vec<NotificationView>,
    /// Present while there is more: pass it as `?cursor=`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// How many are unread, on whatever page.
    pub unread: i32,
    /// The end of the log behind `user:<id>`: everything up to here is in the list.
    pub offset: i64,
}

/// How many are unread.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct UnreadView {
    /// Unread notifications.
    pub unread: i32,
}

/// What is to be marked as read: one of the three.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadForm {
    /// These; 100 at most. Those that are not yours or read already change nothing.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub ids: Option<Vec<NotificationId>>,
    /// Everything up to this offset.
    #[serde(default)]
    #[schema(minimum = 0)]
    pub up_to: Option<i64>,
    /// Everything, with `true`.
    #[serde(default)]
    pub all: Option<bool>,
}

/// What a person wants.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PreferencesView {
    /// An IANA zone, for digests and quiet hours.
    #[schema(example = "Europe/Berlin")]
    pub zone: String,
    /// How mails are gathered.
    pub digest: Digest,
    /// When a daily digest comes: a full hour in `zone`, 0 to 23.
    pub digest_hour: u8,
    /// When no mail comes.
    pub quiet_hours: Option<QuietHoursForm>,
    /// Whether any mail comes at all.
    pub email: bool,
    /// By which ways each kind comes.
    pub kinds: BTreeMap<String, Channels>,
}

impl From<&Chosen> for PreferencesView {
    fn from(chosen: &Chosen) -> Self {
        let own = &chosen.preferences;
        let channels = |kind: &super::kinds::Kind| own.kinds.get(kind.key).copied().unwrap_or(kind.default);
        Self {
            zone: own.zone.clone(),
            digest: own.digest,
            digest_hour: own.digest_hour,
            quiet_hours: own.quiet_hours.as_ref().map(Into::into),
            email: own.email,
            kinds: KINDS.iter().map(|kind| (kind.key.to_owned(), channels(kind))).collect(),
        }
    }
}

/// All that a person wants: what is left out is as it would be for somebody who never chose.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PreferencesForm {
    /// An IANA zone; without one, the profile's as it is now, or UTC.
    #[serde(default)]
    #[schema(example = "Europe/Berlin", max_length = 64)]
    pub zone: Option<String>,
    /// How mails are gathered.
    #[serde(default)]
    #[schema(inline)]
    pub digest: Option<Digest>,
    /// When a daily digest comes: a full hour in `zone`, 0 to 23.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 23)]
    pub digest_hour: Option<u8>,
    /// When no mail comes.
    #[serde(default)]
    pub quiet_hours: Option<QuietHoursForm>,
    /// Whether any mail comes at all.
    #[serde(default)]
    pub email: Option<bool>,
    /// By which ways kinds come.
    #[serde(default)]
    pub kinds: BTreeMap<String, Channels>,
}

/// Changes; what is left out stays.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PreferencesPatch {
    /// As in the whole form.
    #[serde(default)]
    #[schema(max_length = 64)]
    pub zone: Option<String>,
    /// As in the whole form.
    #[serde(default)]
    #[schema(inline)]
    pub digest: Option<Digest>,
    /// As in the whole form.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 23)]
    pub digest_hour: Option<u8>,
    /// As in the whole form; `null` ends them.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<QuietHoursForm>)]
    pub quiet_hours: Option<Option<QuietHoursForm>>,
    /// As in the whole form.
    #[serde(default)]
    pub email: Option<bool>,
    /// Kinds to change; others stay.
    #[serde(default)]
    pub kinds: BTreeMap<String, Channels>,
}

/// Tells `null` from absent.
fn given<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(from).map(Some)
}

/// A kind, for settings.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct KindView {
    /// Its name in `kinds` of the preferences.
    pub kind: &'static str,
    /// What to call it.
    pub name: &'static str,
    /// By which ways it comes to those who never chose.
    pub default: Channels,
}

/// Every kind.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct KindsView {
    /// In the order of the settings.
    pub items: Vec<KindView>,
}

impl KindsView {
    /// All there are.
    pub fn all() -> Self {
        let view =
            |kind: &super::kinds::Kind| KindView { kind: kind.key, name: kind.name, default: kind.default };
        Self { items: KINDS.iter().map(view).collect() }
    }
}

/// What a browser subscribes with.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PushKeyView {
    /// The server's public key: an uncompressed point of P-256, in URL-safe base64.
    pub public_key: String,
}

/// A browser's keys.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct SubscriptionKeys {
    /// Its public key: 65 bytes in URL-safe base64.
    #[schema(min_length = 87, max_length = 88)]
    pub p256dh: String,
    /// Its secret: 16 bytes in URL-safe base64.
    #[schema(min_length = 22, max_length = 24)]
    pub auth: String,
}

/// What `PushSubscription.toJSON()` gives, and a label.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct SubscribeForm {
    /// Where the browser's push service takes messages for it.
    #[schema(max_length = 2048)]
    pub endpoint: String,
    /// Its keys.
    pub keys: SubscriptionKeys,
    /// What the person calls the browser: one line of up to 80 characters.
    #[serde(default)]
    #[schema(max_length = 80)]
    pub label: Option<String>,
}

/// A browser that notifications are pushed to.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SubscriptionView {
    /// Its id.
    pub id: uuid::Uuid,
    /// The host of its push service.
    pub service: String,
    /// What the person calls it; may be empty.
    pub label: String,
    /// Since when.
    pub created_at: DateTime<Utc>,
    /// When something was pushed to it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pushed_at: Option<DateTime<Utc>>,
}

/// One's browsers.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SubscriptionsView {
    /// The latest first.
    pub items: Vec<SubscriptionView>,
}

/// What goes out on `user:<id>` when there is something to tell.
pub(super) fn told(item: &NotificationView, unread: i32) -> Value {
    json!({ "type": "notification", "notification": item, "unread": unread })
}

/// What goes out when something was read, on whichever device.
pub(super) fn read(which: &Which, unread: i32) -> Value {
    let mut data = json!({ "type": "notifications_read", "unread": unread });
    match which {
        Which::Ids(ids) => data["ids"] = json!(ids),
        Which::UpTo(offset) => data["up_to"] = json!(offset),
        Which::All => data["all"] = json!(true),
    }
    data
}
