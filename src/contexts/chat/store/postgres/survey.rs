//! Which rooms there are.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::schema::rooms;
use crate::{
    contexts::chat::{model::RoomId, store::StoreError},
    postgres::Database,
};

/// Every room.
///
/// # Errors
/// The database's.
pub async fn all_rooms(db: &Database) -> Result<Vec<RoomId>, StoreError> {
    let mut conn = db.conn().await?;
    Ok(rooms::table.select(rooms::id).order(rooms::id).load(&mut conn).await?)
}
