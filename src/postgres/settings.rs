//! The platform's few settings that live with the data: schema `platform`.

use base64::{Engine, engine::general_purpose::STANDARD};
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::RunQueryDsl;
use serde_json::Value;

use super::{Database, DbError};

diesel::table! {
    platform.settings (key) {
        key -> Text,
        value -> Jsonb,
    }
}

impl Database {
    /// A value, if it was ever set.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn setting(&self, key: &str) -> Result<Option<Value>, DbError> {
        let mut conn = self.conn().await?;
        Ok(settings::table.find(key).select(settings::value).first(&mut conn).await.optional()?)
    }

    /// Sets a value unless it is there already, and tells which one holds.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn setting_or(&self, key: &str, value: Value) -> Result<Value, DbError> {
        let mut conn = self.conn().await?;
        diesel::insert_into(settings::table)
            .values((settings::key.eq(key), settings::value.eq(value)))
            .on_conflict_do_nothing()
            .execute(&mut conn)
            .await?;
        Ok(settings::table.find(key).select(settings::value).first(&mut conn).await?)
    }

    /// The key that signs tokens and cursors: made once for a database, shared by every server
    /// on it, and part of its backup.
    ///
    /// # Errors
    /// When the store cannot be asked, or the operating system gives no randomness.
    pub async fn signing_key(&self) -> Result<[u8; 32], DbError> {
        const KEY: &str = "signing_key";
        let mut fresh = [0; 32];
        getrandom::fill(&mut fresh).map_err(|e| DbError::Other(Box::new(e)))?;
        let held = self.setting_or(KEY, Value::String(STANDARD.encode(fresh))).await?;
        let decoded = held.as_str().and_then(|text| STANDARD.decode(text).ok());
        decoded
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| DbError::Other("platform.settings holds no usable signing_key".into()))
    }
}
