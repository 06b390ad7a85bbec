//! An upload from its beginning to its end, and every way in which it may not come to one.

use bytes::Bytes;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::world::{MIB, World, person};
use crate::{
    contexts::objects::{
        CompleteForm, PartsForm, UploadError, UploadForm, UploadId, UploadState, hold, release,
    },
    ports::objects::{
        Key, Objects,
        contract::{client, send},
    },
};

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn form(media_type: &str, body: &[u8]) -> UploadForm {
    UploadForm {
        name: "file".into(),
        media_type: media_type.into(),
        size: body.len() as u64,
        sha256: Some(hex(Sha256::digest(body))),
    }
}

fn video(length: usize) -> Vec<u8> {
    let mut body = b"\0\0\0\x20ftypisom".to_vec();
    body.extend((body.len()..length).map(|n| (n % 251) as u8));
    body
}

#[actix_web::test]
async fn what_arrives_as_announced_is_ready_and_nothing_before() {
    let (world, who) = (World::new().await, person());
    let body = b"WEBVTT\n\n00:00.000 --> 00:01.000\nHello".to_vec();
    let id = Uuid::now_v7();
    let upload = world.uploads.begin(&who, id, &form("text/vtt", &body)).await.unwrap();
    assert_eq!(upload.state, UploadState::Open);
    let again = world.uploads.begin(&who, id, &form("text/vtt", &body)).await.unwrap();
    assert_eq!(again.id, upload.id, "the same request begins one upload");
    assert!(matches!(world.uploads.download(&who, upload.id).await, Err(UploadError::NotNow(_))));
    let none = CompleteForm::default();
    assert!(matches!(world.uploads.complete(&who, upload.id, &none).await, Err(UploadError::Object(_))));
    let put = upload.put.unwrap();
    assert_eq!(send(&put, body.clone()).await, 200);
    assert!(
        matches!(world.uploads.download(&who, upload.id).await, Err(UploadError::NotNow(_))),
        "quarantine"
    );
    assert!(matches!(world.uploads.upload(&person(), upload.id).await, Err(UploadError::No)));
    let done = world.uploads.complete(&who, upload.id, &none).await.unwrap();
    assert_eq!((done.state, done.sha256), (UploadState::Ready, Some(hex(Sha256::digest(&body)))));
    // The URL still lives: what it brings now changes nothing, and is swept.
    assert_eq!(send(&put, body.clone()).await, 200);
    let link = world.uploads.download(&who, upload.id).await.unwrap();
    let answer = client().get(&link.url).send().await.unwrap();
    assert_eq!(answer.headers()["content-security-policy"], "sandbox; default-src 'none'");
    assert_eq!(answer.bytes().await.unwrap(), body);
    world.drain().await;
    assert_eq!(world.stored().await.len(), 1, "only what is ready is kept");
    world.store.clock.advance(chrono::Duration::seconds(700));
    assert_eq!(client().get(&link.url).send().await.unwrap().status(), 403, "links expire");
}

#[actix_web::test]
async fn what_is_not_as_announced_is_refused_and_its_bytes_are_removed() {
    let (world, who) = (World::new().await, person());
    let none = CompleteForm::default();
    for (media_type, body) in [
        ("image/png", b"GIF89a....".to_vec()),
        ("text/plain", b"<!doctype html><script>alert(1)</script>".to_vec()),
        ("application/pdf", b"\x7fELF\x02\x01\x01".to_vec()),
    ] {
        let upload = world.uploads.begin(&who, Uuid::now_v7(), &form(media_type, &body)).await.unwrap();
        assert_eq!(send(&upload.put.unwrap(), body).await, 200);
        let refused = world.uploads.complete(&who, upload.id, &none).await;
        assert!(matches!(refused, Err(UploadError::Refused(_))), "{media_type}: {refused:?}");
        assert_eq!(world.uploads.upload(&who, upload.id).await.unwrap().state, UploadState::Refused);
    }
    // A checksum that is only told at the end.
    let body = b"some text".to_vec();
    let mut unsure = form("text/plain", &body);
    unsure.sha256 = None;
    let upload = world.uploads.begin(&who, Uuid::now_v7(), &unsure).await.unwrap();
    assert_eq!(send(&upload.put.unwrap(), body).await, 200);
    let wrong = CompleteForm { sha256: Some("00".repeat(32)) };
    assert!(matches!(world.uploads.complete(&who, upload.id, &wrong).await, Err(UploadError::Refused(_))));
    world.drain().await;
    assert_eq!(world.stored().await, Vec::<String>::new());
    // Refusals give the quota back: the whole of it is free.
    for _ in 0..2 {
        let body = video(20 * MIB as usize);
        world.uploads.begin(&who, Uuid::now_v7(), &form("video/mp4", &body)).await.unwrap();
    }
    let more = world.uploads.begin(&who, Uuid::now_v7(), &form("text/plain", b"x")).await;
    assert!(matches!(more, Err(UploadError::OverQuota(_))));
}

#[actix_web::test]
async fn a_large_one_comes_in_parts_and_goes_on_after_an_interruption() {
    let (world, who) = (World::new().await, person());
    let body = video(13 * MIB as usize + 7);
    let upload = world.uploads.begin(&who, Uuid::now_v7(), &form("video/mp4", &body)).await.unwrap();
    let cut = upload.parts.unwrap();
    assert_eq!((cut.size, cut.count), (5 * MIB, 3));
    let piece = |number: u32| {
        let from = (number as usize - 1) * cut.size as usize;
        body[from..body.len().min(from + cut.size as usize)].to_vec()
    };
    let numbers = PartsForm { numbers: vec![3, 1, 2] };
    let signed = world.uploads.sign_parts(&who, upload.id, &numbers).await.unwrap();
    assert_eq!(send(&signed[0].put, piece(3)).await, 200);
    assert_eq!(send(&signed[1].put, piece(2)).await, 200, "the right size, and the wrong bytes");
    let seen = world.uploads.upload(&who, upload.id).await.unwrap().parts.unwrap();
    assert_eq!(seen.arrived_bytes, 3 * MIB + 7 + 5 * MIB);
    let none = CompleteForm::default();
    let short = world.uploads.complete(&who, upload.id, &none).await;
    assert!(matches!(short, Err(UploadError::Incomplete(missing)) if missing == [2]));
    assert_eq!(send(&signed[2].put, piece(2)).await, 200);
    assert_eq!(send(&signed[1].put, piece(1)).await, 200, "sent again, the last one counts");
    let over = PartsForm { numbers: vec![4] };
    assert!(matches!(world.uploads.sign_parts(&who, upload.id, &over).await, Err(UploadError::Invalid(_))));
    let waiting = world.uploads.complete(&who, upload.id, &none).await.unwrap();
    assert_eq!(waiting.state, UploadState::Verifying, "too large to wait for");
    world.drain().await;
    let done = world.uploads.upload(&who, upload.id).await.unwrap();
    assert_eq!((done.state, done.sha256), (UploadState::Ready, Some(hex(Sha256::digest(&body)))));
    assert_eq!(send(&signed[0].put, piece(3)).await, 409, "the upload is over");
    let url = world.uploads.download(&who, upload.id).await.unwrap().url;
    let range = client().get(url).header("range", "bytes=5242879-5242880").send().await.unwrap();
    assert_eq!(range.bytes().await.unwrap(), body[5_242_879..=5_242_880]);
}

#[actix_web::test]
async fn what_is_never_completed_expires_and_orphans_are_swept() {
    let (world, who) = (World::new().await, person());
    let body = video(6 * MIB as usize);
    let whole = world.uploads.begin(&who, Uuid::now_v7(), &form("text/plain", b"abc")).await.unwrap();
    let parts = world.uploads.begin(&who, Uuid::now_v7(), &form("video/mp4", &body)).await.unwrap();
    let put = whole.put.unwrap();
    assert_eq!(send(&put, b"abc".to_vec()).await, 200);
    let signed = world.uploads.sign_parts(&who, parts.id, &PartsForm { numbers: vec![2] }).await.unwrap();
    assert_eq!(send(&signed[0].put, body[5 * MIB as usize..].to_vec()).await, 200);
    world.store.clock.advance(chrono::Duration::minutes(61));
    assert!(matches!(
        world.uploads.complete(&who, whole.id, &CompleteForm::default()).await,
        Err(UploadError::NotNow(_))
    ));
    world.drain().await;
    for id in [whole.id, parts.id] {
        assert_eq!(world.uploads.upload(&who, id).await.unwrap().state, UploadState::Expired);
    }
    assert_eq!(world.stored().await, Vec::<String>::new());
    let left = std::fs::read_dir(world.store.files.path().join("parts")).unwrap().count();
    assert_eq!(left, 0, "parts of an interrupted upload go too");
    // Bytes that nobody's row knows: left alone while young, for their row may be on its way.
    let stray = Key::new("made/zz/stray").unwrap();
    world.store.directory.write(&stray, "text/plain", Bytes::from_static(b"?")).await.unwrap();
    assert_eq!(world.uploads.sweep_orphans().await.unwrap(), 0);
    world.store.clock.advance(chrono::Duration::hours(25));
    assert_eq!(world.uploads.sweep_orphans().await.unwrap(), 1);
    assert_eq!(world.stored().await, Vec::<String>::new());
}

#[actix_web::test]
async fn what_a_context_holds_stays() {
    let (world, who) = (World::new().await, person());
    let made = UploadId::new();
    let bytes = Bytes::from_static(b"a certificate");
    for _ in 0..2 {
        world.uploads.keep(made, who.user_id, "c.txt", "text/plain", bytes.clone()).await.unwrap();
    }
    let mut conn = world.database.conn().await.unwrap();
    let file = hold(&mut conn, made, "test:1").await.unwrap();
    assert_eq!((file.size, file.name.as_str()), (13, "c.txt"));
    assert!(matches!(world.uploads.remove(&who, made).await, Err(UploadError::InUse)));
    release(&mut conn, made, "test:1").await.unwrap();
    drop(conn);
    assert!(matches!(world.uploads.remove(&person(), made).await, Err(UploadError::No)));
    world.uploads.remove(&who, made).await.unwrap();
    world.drain().await;
    assert_eq!(world.stored().await, Vec::<String>::new());
    assert!(matches!(world.uploads.link(made).await, Err(UploadError::No)));
}
