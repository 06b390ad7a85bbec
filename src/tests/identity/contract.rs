use std::sync::Arc;

use crate::{
    contexts::identity::store::{PostgresStore, contract},
    tests::support::database::TestDatabase,
};

#[tokio::test]
async fn the_postgres_store_keeps_the_contract() {
    let own = TestDatabase::new();
    contract::run(Arc::new(PostgresStore::new(own.open().await))).await;
}
