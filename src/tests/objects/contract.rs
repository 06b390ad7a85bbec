//! One contract, every adapter.

use super::{
    s3_server::{S3Server, moto, versitygw},
    world::Store,
};
use crate::{
    ports::{
        Store as _,
        objects::contract::{self, Suite},
    },
    tests::support::skip::skip,
};

#[actix_web::test]
async fn the_directory_keeps_the_contract() {
    let store = Store::start().await;
    contract::run(&store.directory, Suite { any_key: true, strict: true }).await;
    assert!(store.directory.status().await.reachable);
}

/// versitygw checks what is signed. It keeps objects as files, so it cannot hold every key that S3 can.
#[actix_web::test]
async fn s3_keeps_the_contract_where_signatures_are_checked() {
    let Some(bin) = versitygw() else {
        skip!(store "objects on an S3 server that checks signatures", "versitygw is not installed (scripts/setup-tests)");
    };
    let server = S3Server::versitygw(&bin).await;
    let s3 = server.bucket("contract").await;
    contract::run(&s3, Suite { any_key: false, strict: true }).await;
    assert!(s3.status().await.reachable);
    drop(server);
    let gone = s3.status().await;
    assert!(!gone.reachable && gone.mend.is_some(), "{gone:?}");
}

/// moto holds every key that S3 can, and believes every signature.
#[actix_web::test]
async fn s3_keeps_the_contract_for_every_key() {
    let Some(bin) = moto() else {
        skip!("objects on an S3 server that takes every key", "moto is not installed (scripts/setup-tests)");
    };
    let server = S3Server::moto(&bin).await;
    let s3 = server.bucket("contract").await;
    contract::run(&s3, Suite { any_key: true, strict: false }).await;
}
