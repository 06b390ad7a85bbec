//! One contract, every adapter.

use super::{
    s3_server::{S3Server, installed},
    world::Store,
};
use crate::{
    ports::{Store as _, objects::contract},
    tests::support::skip::skip,
};

#[actix_web::test]
async fn the_directory_keeps_the_contract() {
    let store = Store::start().await;
    contract::run(&store.directory, true).await;
    assert!(store.directory.status().await.reachable);
}

#[actix_web::test]
async fn s3_keeps_the_contract() {
    let Some(bin) = installed() else {
        skip!(store "objects on an S3 server", "versitygw is not installed (scripts/setup-tests)");
    };
    let server = S3Server::start(&bin).await;
    let s3 = server.bucket("contract").await;
    contract::run(&s3, true).await;
    assert!(s3.status().await.reachable);
    drop(server);
    let gone = s3.status().await;
    assert!(!gone.reachable && gone.mend.is_some(), "{gone:?}");
}
