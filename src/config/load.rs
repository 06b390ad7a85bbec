//! Reading the layers and laying them over each other.

use std::{env, fs, path::PathBuf};

use toml::{Table, Value};

use super::{Config, DEFAULTS, EmbeddingsConfig, PaymentsProvider};
use crate::ports::mail::Sender;

/// What is wrong with the configuration; the message names the setting.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file that was asked for cannot be read.
    #[error("cannot read the configuration file {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{path} is not valid TOML: {detail}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        detail: String,
    },
    /// A setting has an unusable value.
    #[error("{name}: {detail}")]
    Setting {
        /// The environment variable, or `section.key`.
        name: String,
        /// What is wrong.
        detail: String,
    },
}

/// A configuration and where it came from.
#[derive(Debug)]
pub struct Loaded {
    /// The effective settings.
    pub config: Config,
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
}

/// How an environment variable's text becomes a value.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Number,
    Real,
    Flag,
    List,
}

/// Every environment variable: its name, its section and key, its kind.
const VARIABLES: &[(&str, &str, &str, Kind)] = &[
    ("GIGSY_LISTEN", "server", "listen", Kind::Text),
    ("GIGSY_PUBLIC_URL", "server", "public_url", Kind::Text),
    ("GIGSY_ALLOWED_ORIGINS", "server", "allowed_origins", Kind::List),
    ("GIGSY_TRUSTED_PROXIES", "server", "trusted_proxies", Kind::List),
    ("GIGSY_WORKERS", "server", "workers", Kind::Number),
    ("GIGSY_DRAIN_SECONDS", "server", "drain_seconds", Kind::Number),
    ("GIGSY_MAX_BODY_BYTES", "server", "max_body_bytes", Kind::Number),
    ("GIGSY_DATA_DIR", "data", "dir", Kind::Text),
    ("GIGSY_ALLOW_DEMO", "data", "allow_demo", Kind::Flag),
    ("DATABASE_URL", "database", "url", Kind::Text),
    ("GIGSY_POSTGRES_BIN", "database", "postgres_bin", Kind::Text),
    ("GIGSY_DATABASE_POOL", "database", "pool_size", Kind::Number),
    ("GIGSY_DATABASE_ACQUIRE_SECONDS", "database", "acquire_seconds", Kind::Number),
    ("NATS_URL", "bus", "url", Kind::Text),
    ("GIGSY_BUS_PREFIX", "bus", "prefix", Kind::Text),
    ("REDIS_URL", "redis", "url", Kind::Text),
    ("GIGSY_REDIS_PREFIX", "redis", "prefix", Kind::Text),
    ("GIGSY_REDIS_TIMEOUT_MS", "redis", "timeout_ms", Kind::Number),
    ("MONGODB_URL", "mongodb", "url", Kind::Text),
    ("GIGSY_CHAT_TAIL_MIB", "mongodb", "tail_mib", Kind::Number),
    ("GIGSY_MONGODB_TIMEOUT_SECONDS", "mongodb", "timeout_seconds", Kind::Number),
    ("QDRANT_URL", "qdrant", "url", Kind::Text),
    ("QDRANT_API_KEY", "qdrant", "api_key", Kind::Text),
    ("GIGSY_QDRANT_PREFIX", "qdrant", "prefix", Kind::Text),
    ("GIGSY_QDRANT_TIMEOUT_MS", "qdrant", "timeout_ms", Kind::Number),
    ("MEILI_URL", "meilisearch", "url", Kind::Text),
    ("MEILI_MASTER_KEY", "meilisearch", "api_key", Kind::Text),
    ("MEILI_SEARCH_KEY", "meilisearch", "search_key", Kind::Text),
    ("GIGSY_MEILI_PREFIX", "meilisearch", "prefix", Kind::Text),
    ("GIGSY_MEILI_TIMEOUT_MS", "meilisearch", "timeout_ms", Kind::Number),
    ("GIGSY_ACTIVITY_DAYS", "activity", "days", Kind::Number),
    ("GIGSY_LOG", "log", "level", Kind::Text),
    ("GIGSY_LOG_FORMAT", "log", "format", Kind::Text),
    ("LOGTAIL_TOKEN", "log", "logtail_token", Kind::Text),
    ("LOGTAIL_URL", "log", "logtail_url", Kind::Text),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "tracing", "endpoint", Kind::Text),
    ("OTEL_EXPORTER_OTLP_HEADERS", "tracing", "headers", Kind::Text),
    ("OTEL_SERVICE_NAME", "tracing", "service", Kind::Text),
    ("OTEL_TRACES_SAMPLER_ARG", "tracing", "ratio", Kind::Real),
    ("GIGSY_SESSION_DAYS", "auth", "session_days", Kind::Number),
    ("GIGSY_REALTIME_TOKEN_SECONDS", "auth", "realtime_token_seconds", Kind::Number),
    ("GIGSY_HASH_CONCURRENCY", "auth", "hash_concurrency", Kind::Number),
    ("GIGSY_CROSS_SITE_COOKIE", "auth", "cross_site", Kind::Flag),
    ("GIGSY_LIMIT_SIGN_IN", "limits", "sign_in_per_minute", Kind::Number),
    ("GIGSY_LIMIT_CALLS", "limits", "calls_per_minute", Kind::Number),
    ("GIGSY_LIMIT_USER", "limits", "user_calls_per_minute", Kind::Number),
    ("GIGSY_LIMIT_ACCOUNT", "limits", "account_per_minute", Kind::Number),
    ("GIGSY_LIMIT_COMMANDS", "limits", "commands_per_second", Kind::Number),
    ("GIGSY_PING_SECONDS", "realtime", "ping_seconds", Kind::Number),
    ("GIGSY_PONG_SECONDS", "realtime", "pong_seconds", Kind::Number),
    ("GIGSY_HANDSHAKE_SECONDS", "realtime", "handshake_seconds", Kind::Number),
    ("GIGSY_MAX_FRAME_BYTES", "realtime", "max_frame_bytes", Kind::Number),
    ("GIGSY_QUEUE_BYTES", "realtime", "queue_bytes", Kind::Number),
    ("GIGSY_RECOVERY_LIMIT", "realtime", "history_limit", Kind::Number),
    ("GIGSY_MAX_SUBSCRIPTIONS", "realtime", "max_subscriptions", Kind::Number),
    ("GIGSY_MAX_CONNECTIONS_PER_SESSION", "realtime", "max_connections_per_session", Kind::Number),
    ("GIGSY_MAILBOX_CAPACITY", "actors", "mailbox_capacity", Kind::Number),
    ("GIGSY_PASSIVATE_SECONDS", "actors", "passivate_seconds", Kind::Number),
    ("GIGSY_CHAT_EDIT_SECONDS", "chat", "edit_seconds", Kind::Number),
    ("GIGSY_CHAT_RECEIPT_MEMBERS", "chat", "receipt_members", Kind::Number),
    ("GIGSY_PUSH_HOSTS", "push", "hosts", Kind::List),
    ("GIGSY_PUSH_CONTACT", "push", "contact", Kind::Text),
    ("GIGSY_CHAT_RETENTION_DAYS", "chat", "retention_days", Kind::Number),
    ("GIGSY_CHAT_ERASURE", "chat", "erasure", Kind::Text),
    ("GIGSY_PAYMENTS", "payments", "provider", Kind::Text),
    ("GIGSY_FEE_BASIS_POINTS", "payments", "fee_basis_points", Kind::Number),
    ("STRIPE_SECRET_KEY", "payments", "stripe_secret_key", Kind::Text),
    ("STRIPE_WEBHOOK_SECRET", "payments", "stripe_webhook_secret", Kind::Text),
    ("STRIPE_API_URL", "payments", "stripe_api_url", Kind::Text),
    ("GIGSY_SANDBOX_DELAY_MS", "payments", "sandbox_delay_ms", Kind::Number),
    ("GIGSY_SANDBOX_REFUSE", "payments", "sandbox_refuse", Kind::Number),
    ("GIGSY_SANDBOX_LOSE", "payments", "sandbox_lose", Kind::Number),
    ("GIGSY_SANDBOX_DUPLICATE", "payments", "sandbox_duplicate", Kind::Number),
    ("GIGSY_SANDBOX_REORDER", "payments", "sandbox_reorder", Kind::Number),
    ("S3_BUCKET", "objects", "s3_bucket", Kind::Text),
    ("S3_ENDPOINT", "objects", "s3_endpoint", Kind::Text),
    ("S3_REGION", "objects", "s3_region", Kind::Text),
    ("S3_ACCESS_KEY_ID", "objects", "s3_access_key", Kind::Text),
    ("S3_SECRET_ACCESS_KEY", "objects", "s3_secret_key", Kind::Text),
    ("S3_PATH_STYLE", "objects", "s3_path_style", Kind::Flag),
    ("MEDIA_BASE_URL", "objects", "media_base_url", Kind::Text),
    ("GIGSY_OBJECTS_QUOTA_BYTES", "objects", "quota_bytes", Kind::Number),
    ("GIGSY_OBJECTS_MAX_BYTES", "objects", "max_bytes", Kind::Number),
    ("GIGSY_OBJECTS_PART_BYTES", "objects", "part_bytes", Kind::Number),
    ("GIGSY_OBJECTS_URL_SECONDS", "objects", "url_seconds", Kind::Number),
    ("GIGSY_OBJECTS_UPLOAD_HOURS", "objects", "upload_hours", Kind::Number),
    ("GIGSY_FONTS_DIR", "learning", "fonts_dir", Kind::Text),
    ("GIGSY_BOARD_ZONE", "gamification", "zone", Kind::Text),
    ("GIGSY_DISCOVERY_WEIGHTS", "discovery", "weights", Kind::Text),
    ("SMTP_URL", "mail", "url", Kind::Text),
    ("GIGSY_MAIL_FROM", "mail", "from", Kind::Text),
    ("GIGSY_SMTP_CA", "mail", "ca", Kind::Text),
    ("GIGSY_SMTP_TIMEOUT_SECONDS", "mail", "timeout_seconds", Kind::Number),
    ("GIGSY_MAIL_ATTEMPTS", "mail", "attempts", Kind::Number),
    ("EMBEDDINGS_URL", "embeddings", "url", Kind::Text),
    ("EMBEDDINGS_MODEL", "embeddings", "model", Kind::Text),
    ("EMBEDDINGS_DIMENSION", "embeddings", "dimension", Kind::Number),
    ("EMBEDDINGS_KEY", "embeddings", "key", Kind::Text),
    ("GIGSY_EMBEDDINGS_BATCH", "embeddings", "batch", Kind::Number),
    ("GIGSY_EMBEDDINGS_PER_MINUTE", "embeddings", "per_minute", Kind::Number),
    ("GIGSY_EMBEDDINGS_TIMEOUT_SECONDS", "embeddings", "timeout_seconds", Kind::Number),
];

/// Variables that are read elsewhere and are no mistake.
const OTHER_VARIABLES: &[&str] = &["GIGSY_CONFIG"];

/// Reads the defaults, `gigsy.toml` (or the file that `GIGSY_CONFIG` names) and the environment.
///
/// # Errors
/// Names the first setting that cannot be used.
pub fn load() -> Result<Loaded, ConfigError> {
    let named = env::var_os("GIGSY_CONFIG").map(PathBuf::from);
    let path = named.clone().unwrap_or_else(|| PathBuf::from("gigsy.toml"));
    let (file, text) = match fs::read_to_string(&path) {
        Ok(text) => (Some(path), text),
        Err(e) if named.is_none() && e.kind() == std::io::ErrorKind::NotFound => (None, String::new()),
        Err(source) => return Err(ConfigError::Unreadable { path, source }),
    };
    let config = layer(file.clone().unwrap_or_default(), &text, env::vars())?;
    Ok(Loaded { config, file })
}

/// Lays `text` (a TOML file) and `vars` (an environment) over the defaults.
pub(crate) fn layer(
    path: PathBuf,
    text: &str,
    vars: impl Iterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    let mut table: Table = DEFAULTS.parse().map_err(|e: toml::de::Error| ConfigError::Syntax {
        path: "default.toml".into(),
        detail: e.to_string(),
    })?;
    let file: Table =
        text.parse().map_err(|e: toml::de::Error| ConfigError::Syntax { path, detail: e.to_string() })?;
    merge(&mut table, file);

    let mut from_env = Vec::new();
    for (name, text) in vars {
        let (name, text) = from_file(name, text)?;
        let Some((_, section, key, kind)) = VARIABLES.iter().find(|v| v.0 == name) else {
            // A misspelt variable would silently leave a default in force.
            if name.starts_with("GIGSY_")
                && !OTHER_VARIABLES.contains(&name.as_str())
                && !name.starts_with("GIGSY_TEST_")
            {
                return Err(ConfigError::Setting { name, detail: "there is no such setting".into() });
            }
            continue;
        };
        if text.trim().is_empty() {
            continue;
        }
        let value = parse(*kind, text.trim())
            .map_err(|detail| ConfigError::Setting { name: name.clone(), detail })?;
        if let Some(Value::Table(section)) = table.get_mut(*section) {
            section.insert((*key).to_owned(), value);
        }
        from_env.push((name, format!("{section}.{key}")));
    }

    let config: Config = serde_path_to_error::deserialize(Value::Table(table)).map_err(|e| {
        let setting = e.path().to_string();
        let name = from_env
            .iter()
            .find(|(_, path)| setting == *path || setting.starts_with(&format!("{path}[")))
            .map_or(setting, |(name, _)| name.clone());
        ConfigError::Setting { name, detail: e.into_inner().message().to_owned() }
    })?;
    check(&config)?;
    Ok(config)
}

/// `NAME_FILE` gives the file that holds `NAME`'s value, as secrets are handed to containers.
fn from_file(name: String, text: String) -> Result<(String, String), ConfigError> {
    let Some(known) = name.strip_suffix("_FILE").filter(|known| VARIABLES.iter().any(|v| v.0 == *known))
    else {
        return Ok((name, text));
    };
    if text.trim().is_empty() {
        return Ok((known.to_owned(), String::new()));
    }
    match fs::read_to_string(text.trim()) {
        Ok(value) => Ok((known.to_owned(), value)),
        Err(error) => Err(ConfigError::Setting { name, detail: format!("cannot read {text}: {error}") }),
    }
}

fn merge(base: &mut Table, over: Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(base)), Value::Table(over)) => merge(base, over),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

fn parse(kind: Kind, text: &str) -> Result<Value, String> {
    Ok(match kind {
        Kind::Text => Value::String(text.to_owned()),
        Kind::Number => Value::Integer(text.parse().map_err(|_| format!("{text:?} is not a whole number"))?),
        Kind::Real => Value::Float(text.parse().map_err(|_| format!("{text:?} is not a number"))?),
        Kind::Flag => match text {
            "1" | "true" | "yes" | "on" => Value::Boolean(true),
            "0" | "false" | "no" | "off" => Value::Boolean(false),
            _ => return Err(format!("{text:?} is neither true nor false")),
        },
        Kind::List => Value::Array(
            text.split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .map(|part| Value::String(part.to_owned()))
                .collect(),
        ),
    })
}

/// What no single field's type can say.
fn check(config: &Config) -> Result<(), ConfigError> {
    let bad = |name: &str, detail: &str| {
        Err(ConfigError::Setting { name: name.to_owned(), detail: detail.to_owned() })
    };
    if let Some(url) = &config.database.url
        && !matches!(url.scheme(), "postgres" | "postgresql")
    {
        return bad("DATABASE_URL", "must start with postgres:// or postgresql://");
    }
    if let Some(url) = &config.bus.url
        && (!matches!(url.scheme(), "nats" | "tls") || url.host().is_none())
    {
        return bad("NATS_URL", "must be like nats://host:4222 or tls://host:4222");
    }
    if let Some(url) = &config.redis.url
        && (!matches!(url.scheme(), "redis" | "rediss") || url.host_str().is_none_or(str::is_empty))
    {
        return bad("REDIS_URL", "must be like redis://host:6379 or rediss://host:6379");
    }
    if !is_subject_word(&config.redis.prefix) {
        return bad("GIGSY_REDIS_PREFIX", "takes a-z, 0-9, - and _");
    }
    for (name, url) in [("QDRANT_URL", &config.qdrant.url), ("MEILI_URL", &config.meilisearch.url)] {
        if let Some(url) = url
            && (!matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty))
        {
            return bad(name, "must start with http:// or https://");
        }
    }
    let prefixes =
        [("GIGSY_QDRANT_PREFIX", &config.qdrant.prefix), ("GIGSY_MEILI_PREFIX", &config.meilisearch.prefix)];
    for (name, prefix) in prefixes {
        if !is_subject_word(prefix) || prefix.len() > 20 {
            return bad(name, "takes up to 20 of a-z, 0-9, - and _");
        }
    }
    if let Some(url) = &config.tracing.endpoint
        && (!matches!(url.scheme(), "http" | "https") || url.host().is_none())
    {
        return bad("OTEL_EXPORTER_OTLP_ENDPOINT", "must be like http://collector:4318");
    }
    if !(0.0..=1.0).contains(&config.tracing.ratio) {
        return bad("OTEL_TRACES_SAMPLER_ARG", "is from 0 to 1");
    }
    if config.gamification.zone.parse::<chrono_tz::Tz>().is_err() {
        return bad("GIGSY_BOARD_ZONE", "is no IANA time zone");
    }
    if let Some(url) = &config.mongodb.url
        && !url.starts_with("mongodb://")
        && !url.starts_with("mongodb+srv://")
    {
        return bad("MONGODB_URL", "must start with mongodb:// or mongodb+srv://");
    }
    if config.mongodb.tail_mib > 1_048_576 {
        return bad("GIGSY_CHAT_TAIL_MIB", "is a terabyte at most");
    }
    if !config.bus.prefix.split('.').all(is_subject_word) && !config.bus.prefix.is_empty() {
        return bad("GIGSY_BUS_PREFIX", "takes words of a-z, 0-9, - and _, joined by dots");
    }
    for url in config.server.allowed_origins.iter().chain(&config.server.public_url) {
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return bad("GIGSY_PUBLIC_URL or GIGSY_ALLOWED_ORIGINS", "takes http:// or https:// URLs");
        }
    }
    if config.auth.cross_site && !config.is_https() {
        return bad(
            "GIGSY_CROSS_SITE_COOKIE",
            "needs an https:// GIGSY_PUBLIC_URL: browsers refuse such a cookie otherwise",
        );
    }
    if let Some(url) = &config.mail.url
        && (!matches!(url.scheme(), "smtp" | "smtps") || url.host().is_none())
    {
        return bad("SMTP_URL", "must be like smtp://user:password@host:587 or smtps://host:465");
    }
    if let Some(from) = &config.mail.from
        && Sender::parse(from).is_none()
    {
        return bad("GIGSY_MAIL_FROM", "takes an address, or a name and one: Gigsy <no-reply@example.org>");
    }
    embeddings(&config.embeddings)?;
    let positive: [(&str, u64); 24] = [
        ("GIGSY_QDRANT_TIMEOUT_MS", config.qdrant.timeout_ms),
        ("GIGSY_MEILI_TIMEOUT_MS", config.meilisearch.timeout_ms),
        ("GIGSY_EMBEDDINGS_BATCH", config.embeddings.batch as u64),
        ("GIGSY_EMBEDDINGS_PER_MINUTE", u64::from(config.embeddings.per_minute)),
        ("GIGSY_EMBEDDINGS_TIMEOUT_SECONDS", config.embeddings.timeout_seconds),
        ("GIGSY_REDIS_TIMEOUT_MS", config.redis.timeout_ms),
        ("GIGSY_CHAT_TAIL_MIB", config.mongodb.tail_mib),
        ("GIGSY_MONGODB_TIMEOUT_SECONDS", config.mongodb.timeout_seconds),
        ("GIGSY_ACTIVITY_DAYS", u64::from(config.activity.days)),
        ("GIGSY_DATABASE_POOL", config.database.pool_size as u64),
        ("GIGSY_DATABASE_ACQUIRE_SECONDS", config.database.acquire_seconds),
        ("GIGSY_SESSION_DAYS", u64::from(config.auth.session_days)),
        ("GIGSY_REALTIME_TOKEN_SECONDS", config.auth.realtime_token_seconds),
        ("GIGSY_PING_SECONDS", config.realtime.ping_seconds),
        ("GIGSY_PONG_SECONDS", config.realtime.pong_seconds),
        ("GIGSY_HANDSHAKE_SECONDS", config.realtime.handshake_seconds),
        ("GIGSY_RECOVERY_LIMIT", config.realtime.history_limit as u64),
        ("GIGSY_MAX_SUBSCRIPTIONS", config.realtime.max_subscriptions as u64),
        ("GIGSY_MAX_CONNECTIONS_PER_SESSION", config.realtime.max_connections_per_session as u64),
        ("GIGSY_MAILBOX_CAPACITY", config.actors.mailbox_capacity as u64),
        ("GIGSY_PASSIVATE_SECONDS", config.actors.passivate_seconds),
        ("GIGSY_MAX_BODY_BYTES", config.server.max_body_bytes as u64),
        ("GIGSY_SMTP_TIMEOUT_SECONDS", config.mail.timeout_seconds),
        ("GIGSY_MAIL_ATTEMPTS", u64::from(config.mail.attempts)),
    ];
    for (name, value) in positive {
        if value == 0 {
            return bad(name, "must be at least 1");
        }
    }
    if config.realtime.max_frame_bytes < 1024 {
        return bad("GIGSY_MAX_FRAME_BYTES", "must be at least 1024");
    }
    if config.realtime.queue_bytes < config.realtime.max_frame_bytes {
        return bad("GIGSY_QUEUE_BYTES", "must hold at least one frame of GIGSY_MAX_FRAME_BYTES");
    }
    if config.realtime.pong_seconds >= config.realtime.ping_seconds {
        return bad("GIGSY_PONG_SECONDS", "must be less than GIGSY_PING_SECONDS");
    }
    if config.chat.receipt_members > 100 {
        return bad("GIGSY_CHAT_RECEIPT_MEMBERS", "must be at most 100: each receipt goes to every member");
    }
    let contact = config.push.contact.as_deref();
    if contact.is_some_and(|contact| !contact.starts_with("mailto:") && !contact.starts_with("https://")) {
        return bad("GIGSY_PUSH_CONTACT", "must be a mailto: or an https: URL");
    }
    if config.chat.retention_days > 36_500 {
        return bad("GIGSY_CHAT_RETENTION_DAYS", "must be at most 36500");
    }
    let payments = &config.payments;
    if payments.fee_basis_points > 10_000 {
        return bad("GIGSY_FEE_BASIS_POINTS", "must be at most 10000, which is all of it");
    }
    for (name, percent) in [
        ("GIGSY_SANDBOX_REFUSE", payments.sandbox_refuse),
        ("GIGSY_SANDBOX_LOSE", payments.sandbox_lose),
        ("GIGSY_SANDBOX_DUPLICATE", payments.sandbox_duplicate),
        ("GIGSY_SANDBOX_REORDER", payments.sandbox_reorder),
    ] {
        if percent > 100 {
            return bad(name, "is a percentage: at most 100");
        }
    }
    if payments.provider == PaymentsProvider::Stripe {
        for (name, secret) in [
            ("STRIPE_SECRET_KEY", &payments.stripe_secret_key),
            ("STRIPE_WEBHOOK_SECRET", &payments.stripe_webhook_secret),
        ] {
            if secret.is_none() {
                return bad(name, "is needed with GIGSY_PAYMENTS=stripe");
            }
        }
    }
    let objects = &config.objects;
    for url in objects.s3_endpoint.iter().chain(&objects.media_base_url) {
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return bad("S3_ENDPOINT or MEDIA_BASE_URL", "takes http:// or https:// URLs");
        }
    }
    if objects.s3_bucket.is_some() {
        for (name, key) in
            [("S3_ACCESS_KEY_ID", &objects.s3_access_key), ("S3_SECRET_ACCESS_KEY", &objects.s3_secret_key)]
        {
            if key.is_none() {
                return bad(name, "is needed with S3_BUCKET");
            }
        }
    }
    for (name, value, most) in [
        ("GIGSY_OBJECTS_QUOTA_BYTES", objects.quota_bytes, i64::MAX as u64),
        ("GIGSY_OBJECTS_MAX_BYTES", objects.max_bytes, crate::ports::objects::LARGEST),
        ("GIGSY_OBJECTS_PART_BYTES", objects.part_bytes, crate::ports::objects::SINGLE_PUT),
        ("GIGSY_OBJECTS_URL_SECONDS", objects.url_seconds, 7 * 24 * 3600),
        ("GIGSY_OBJECTS_UPLOAD_HOURS", objects.upload_hours, 24 * 365),
    ] {
        if !(1..=most).contains(&value) {
            return Err(ConfigError::Setting {
                name: name.to_owned(),
                detail: format!("must be from 1 to {most}"),
            });
        }
    }
    if config.database.pool_size < 2 {
        return bad("GIGSY_DATABASE_POOL", "must be at least 2");
    }
    Ok(())
}

fn embeddings(embeddings: &EmbeddingsConfig) -> Result<(), ConfigError> {
    let bad = |name: &str, detail: &str| {
        Err(ConfigError::Setting { name: name.to_owned(), detail: detail.to_owned() })
    };
    let Some(url) = &embeddings.url else { return Ok(()) };
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return bad("EMBEDDINGS_URL", "must be like https://api.openai.com/v1");
    }
    if embeddings.model.as_deref().is_none_or(|model| model.is_empty() || model.len() > 100) {
        return bad("EMBEDDINGS_MODEL", "is needed with EMBEDDINGS_URL: a name of 1 to 100 characters");
    }
    // pgvector indexes no more.
    if !embeddings.dimension.is_some_and(|dimension| (8..=2000).contains(&dimension)) {
        return bad("EMBEDDINGS_DIMENSION", "is needed with EMBEDDINGS_URL: 8 to 2000");
    }
    if embeddings.batch > 2048 {
        return bad("GIGSY_EMBEDDINGS_BATCH", "is at most 2048");
    }
    let plain = |key: &str| key.trim().bytes().all(|byte| byte.is_ascii_graphic());
    if !embeddings.key.as_deref().is_none_or(plain) {
        return bad("EMBEDDINGS_KEY", "is of visible ASCII characters");
    }
    Ok(())
}

fn is_subject_word(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(vars: &[(&str, &str)], file: &str) -> Result<Config, String> {
        let vars = vars.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        layer("gigsy.toml".into(), file, vars).map_err(|e| e.to_string())
    }

    #[test]
    fn defaults_stand_alone() {
        let config = with(&[], "").unwrap();
        assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
        assert!(config.is_loopback());
    }

    #[test]
    fn the_environment_beats_the_file_and_the_file_beats_the_defaults() {
        let file = "[server]\nlisten = \"127.0.0.1:9000\"\nworkers = 3\n";
        let config = with(&[("GIGSY_LISTEN", "127.0.0.1:9001")], file).unwrap();
        assert_eq!(config.server.listen.port(), 9001);
        assert_eq!(config.server.workers, 3);
    }

    #[test]
    fn every_mistake_names_its_setting() {
        for (vars, file, name) in [
            (vec![("GIGSY_LISTEN", "nowhere")], "", "GIGSY_LISTEN"),
            (vec![("GIGSY_DATABASE_POOL", "many")], "", "GIGSY_DATABASE_POOL"),
            (vec![("GIGSY_DATABASE_POOL", "-1")], "", "GIGSY_DATABASE_POOL"),
            (vec![("DATABASE_URL", "mysql://x")], "", "DATABASE_URL"),
            (vec![("MONGODB_URL", "http://127.0.0.1:27017")], "", "MONGODB_URL"),
            (vec![("GIGSY_CHAT_TAIL_MIB", "0")], "", "GIGSY_CHAT_TAIL_MIB"),
            (vec![("NATS_URL", "http://127.0.0.1:4222")], "", "NATS_URL"),
            (vec![("REDIS_URL", "http://127.0.0.1:6379")], "", "REDIS_URL"),
            (vec![("REDIS_URL", "redis:///var/run/redis.sock")], "", "REDIS_URL"),
            (vec![("GIGSY_REDIS_PREFIX", "a b")], "", "GIGSY_REDIS_PREFIX"),
            (vec![("QDRANT_URL", "grpc://127.0.0.1:6334")], "", "QDRANT_URL"),
            (vec![("MEILI_URL", "127.0.0.1:7700")], "", "MEILI_URL"),
            (vec![("GIGSY_MEILI_PREFIX", "a.b")], "", "GIGSY_MEILI_PREFIX"),
            (vec![("GIGSY_QDRANT_TIMEOUT_MS", "0")], "", "GIGSY_QDRANT_TIMEOUT_MS"),
            (vec![("GIGSY_BUS_PREFIX", "a..b")], "", "GIGSY_BUS_PREFIX"),
            (vec![("SMTP_URL", "http://127.0.0.1:25")], "", "SMTP_URL"),
            (vec![("GIGSY_MAIL_FROM", "nobody")], "", "GIGSY_MAIL_FROM"),
            (vec![("EMBEDDINGS_URL", "ftp://h/v1")], "", "EMBEDDINGS_URL"),
            (vec![("EMBEDDINGS_URL", "https://h/v1")], "", "EMBEDDINGS_MODEL"),
            (vec![("EMBEDDINGS_URL", "https://h/v1"), ("EMBEDDINGS_MODEL", "m")], "", "EMBEDDINGS_DIMENSION"),
            (vec![("GIGSY_EMBEDDINGS_BATCH", "0")], "", "GIGSY_EMBEDDINGS_BATCH"),
            (vec![("GIGSY_LISTENN", "127.0.0.1:1")], "", "GIGSY_LISTENN"),
            (vec![("GIGSY_ALLOWED_ORIGINS", "not a url")], "", "GIGSY_ALLOWED_ORIGINS"),
            (vec![("GIGSY_LOG", "loud")], "", "GIGSY_LOG"),
            (vec![("GIGSY_TRUSTED_PROXIES", "10.0.0.0/40")], "", "GIGSY_TRUSTED_PROXIES"),
            (vec![], "[server]\nlisten = 3\n", "server.listen"),
            (vec![], "[server]\nlissten = \"x\"\n", "server"),
        ] {
            let said = with(&vars, file).unwrap_err();
            assert!(said.starts_with(name), "{said:?} does not name {name}");
        }
    }

    #[test]
    fn a_secret_may_come_from_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("url");
        fs::write(&path, "postgres://u:s3cret@h/db\n").unwrap();
        let config = with(&[("DATABASE_URL_FILE", path.to_str().unwrap())], "").unwrap();
        assert_eq!(config.database.url.unwrap().host_str(), Some("h"));
        let said = with(&[("DATABASE_URL_FILE", "/nowhere/url")], "").unwrap_err();
        assert!(said.starts_with("DATABASE_URL_FILE: cannot read"), "{said}");
        assert!(with(&[("GIGSY_NOTHING_FILE", "/nowhere")], "").unwrap_err().contains("no such setting"));
    }

    #[test]
    fn every_variable_of_the_table_is_documented() {
        for (name, ..) in VARIABLES {
            assert!(DEFAULTS.contains(name), "{name} is missing from default.toml");
        }
    }

    #[test]
    fn no_secret_is_printed() {
        let secrets = [
            ("DATABASE_URL", "postgres://u:s3cret@h/db?password=s3cret"),
            ("NATS_URL", "nats://u:s3cret@h:4222"),
            ("REDIS_URL", "rediss://default:s3cret@h:6379/0"),
            ("QDRANT_API_KEY", "s3cret"),
            ("MEILI_MASTER_KEY", "s3cret"),
            ("MEILI_SEARCH_KEY", "s3cret"),
            ("MONGODB_URL", "mongodb://u:s3cret@a:27017,b:27017/gigsy?authSource=s3cret"),
            ("SMTP_URL", "smtp://u:s3cret@h:587"),
        ];
        let config = with(&secrets, "").unwrap();
        let shown = toml::to_string(&config).unwrap();
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
