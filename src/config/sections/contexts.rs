//! What single contexts and their outside partners are set with.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use url::Url;

use super::masks::{mask, mask_url};

/// Texts as vectors.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingsConfig {
    /// `EMBEDDINGS_URL`: the base of an API that speaks OpenAI's embeddings call; unset means the model that
    /// is compiled in. May hold a secret.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "mask_url")]
    pub url: Option<Url>,
    /// `EMBEDDINGS_MODEL`: the model's name there. Another name: everything is embedded anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// `EMBEDDINGS_DIMENSION`: numbers in one of its vectors, 2,000 at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dimension: Option<usize>,
    /// `EMBEDDINGS_KEY`: the bearer token. A secret.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "mask")]
    pub key: Option<String>,
    /// `GIGSY_EMBEDDINGS_BATCH`: texts in one call.
    pub batch: usize,
    /// `GIGSY_EMBEDDINGS_PER_MINUTE`: calls in a minute at most.
    pub per_minute: u32,
    /// `GIGSY_EMBEDDINGS_TIMEOUT_SECONDS`: how long one call may take.
    pub timeout_seconds: u64,
}

/// Web Push.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PushConfig {
    /// `GIGSY_PUSH_HOSTS`: the push services that are sent to; `*.example.org` stands for every name below it.
    /// None: nothing is pushed.
    pub hosts: Vec<String>,
    /// `GIGSY_PUSH_CONTACT`: how push services reach whoever runs this, a `mailto:` or `https:` URL; by default
    /// the public URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
}

/// Courses and certificates.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LearningConfig {
    /// `GIGSY_FONTS_DIR`: fonts for names that those compiled in cannot write; by default `.gigsy/fonts` and
    /// the machine's Noto fonts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fonts_dir: Option<PathBuf>,
}

/// Points and leaderboards.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GamificationConfig {
    /// `GIGSY_BOARD_ZONE`: the IANA zone in which days, weeks and months of leaderboards and leagues begin
    /// and end.
    pub zone: String,
}

/// Search and recommendations.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DiscoveryConfig {
    /// `GIGSY_DISCOVERY_WEIGHTS`: a file with the weights that results are ordered by; unset means those compiled in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<PathBuf>,
}

/// Mail.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MailConfig {
    /// `SMTP_URL`: a mail server; unset means files. May hold a secret.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "mask_url")]
    pub url: Option<Url>,
    /// `GIGSY_MAIL_FROM`: the sender; by default `no-reply@` the public URL's host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// `GIGSY_SMTP_CA`: a PEM file with a certificate authority to trust besides the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// `GIGSY_SMTP_TIMEOUT_SECONDS`: how long handing one mail over may take.
    pub timeout_seconds: u64,
    /// `GIGSY_MAIL_ATTEMPTS`: after so many a mail is given up.
    pub attempts: u32,
}

/// Rooms and messages.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ChatConfig {
    /// `GIGSY_CHAT_EDIT_SECONDS`: how long after it was said a message can be edited; 0 for ever.
    pub edit_seconds: u64,
    /// `GIGSY_CHAT_RECEIPT_MEMBERS`: rooms of up to so many members show receipts.
    pub receipt_members: usize,
    /// `GIGSY_CHAT_RETENTION_DAYS`: how many days rooms keep messages that do not say otherwise; 0 for ever.
    pub retention_days: u32,
    /// `GIGSY_CHAT_ERASURE`: what becomes of the messages of somebody whose account is erased: `tombstone` or
    /// `anonymise`.
    pub erasure: Erasure,
}

/// What becomes of messages whose author is erased.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Erasure {
    /// Each becomes a tombstone: its words go, its place stays.
    #[default]
    Tombstone,
    /// The words stay, under an id that leads to nobody any more.
    Anonymise,
}

impl Erasure {
    /// The name in the configuration and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tombstone => "tombstone",
            Self::Anonymise => "anonymise",
        }
    }
}

/// Protected payment.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PaymentsConfig {
    /// `GIGSY_PAYMENTS`: who keeps the money.
    pub provider: PaymentsProvider,
    /// `GIGSY_FEE_BASIS_POINTS`: the platform's part of what is released, in hundredths of a percent.
    pub fee_basis_points: u16,
    /// `STRIPE_SECRET_KEY`. A secret.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "mask")]
    pub stripe_secret_key: Option<String>,
    /// `STRIPE_WEBHOOK_SECRET`: what webhooks are signed with; several, with commas between them, where the
    /// provider has several endpoints. A secret.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "mask")]
    pub stripe_webhook_secret: Option<String>,
    /// `STRIPE_API_URL`.
    pub stripe_api_url: Url,
    /// `GIGSY_SANDBOX_DELAY_MS`: from a call to its settlement and webhook.
    pub sandbox_delay_ms: u64,
    /// `GIGSY_SANDBOX_REFUSE`: of 100 payments, how many are refused.
    pub sandbox_refuse: u8,
    /// `GIGSY_SANDBOX_LOSE`: of 100 calls, how many get no answer.
    pub sandbox_lose: u8,
    /// `GIGSY_SANDBOX_DUPLICATE`: of 100 webhooks, how many come twice.
    pub sandbox_duplicate: u8,
    /// `GIGSY_SANDBOX_REORDER`: of 100 webhooks, how many come after later ones.
    pub sandbox_reorder: u8,
}

/// Who keeps the money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PaymentsProvider {
    /// Nobody: the money is not real.
    Sandbox,
    /// Stripe.
    Stripe,
}
