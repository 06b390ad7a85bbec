use std::sync::Arc;

use super::world;
use crate::contexts::identity::store::{PostgresStore, contract};

#[tokio::test]
async fn the_postgres_store_keeps_the_contract() {
    let database = world::database().await;
    contract::run(Arc::new(PostgresStore::new(database.clone()))).await;
}
