//! Whatever arrives, only what was announced becomes ready; and the quota is the sum of what is kept.

use proptest::{prelude::*, strategy::ValueTree};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::world::{World, person};
use crate::{
    contexts::objects::{CompleteForm, UploadForm, UploadState},
    ports::objects::contract::send,
};

#[derive(Clone, Debug)]
enum Fate {
    AsAnnounced,
    OtherByte(prop::sample::Index),
    Shorter,
    Never,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        2 => Just(Fate::AsAnnounced),
        2 => any::<prop::sample::Index>().prop_map(Fate::OtherByte),
        1 => Just(Fate::Shorter),
        1 => Just(Fate::Never),
    ]
}

#[test]
fn only_what_was_announced_becomes_ready() {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(24);
    actix_web::rt::System::new().block_on(async {
        let world = World::new().await;
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
            cases,
            failure_persistence: None,
            ..ProptestConfig::default()
        });
        let strategy = (proptest::collection::vec(b' '..b'~', 1..300), fate(), any::<bool>());
        for _ in 0..cases {
            let (body, fate, told) = strategy.new_tree(&mut runner).unwrap().current();
            if body.starts_with(b"<") {
                continue;
            }
            let who = person();
            let digest: String = Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
            let form = UploadForm {
                name: "f".into(),
                media_type: "text/plain".into(),
                size: body.len() as u64,
                sha256: told.then(|| digest.clone()),
            };
            let upload = world.uploads.begin(&who, Uuid::now_v7(), &form).await.unwrap();
            let put = upload.put.unwrap();
            let mut sent = body.clone();
            match &fate {
                Fate::OtherByte(at) => {
                    let at = at.index(sent.len());
                    sent[at] ^= 1;
                }
                Fate::Shorter => {
                    sent.pop();
                }
                _ => {}
            }
            if !matches!(fate, Fate::Never) {
                send(&put, sent).await;
            }
            let end = CompleteForm { sha256: Some(digest) };
            let ready = world.uploads.complete(&who, upload.id, &end).await.is_ok();
            assert_eq!(ready, matches!(fate, Fate::AsAnnounced), "{fate:?}, announced: {told}");
            let state = world.uploads.upload(&who, upload.id).await.unwrap().state;
            assert_eq!(state == UploadState::Ready, ready);
        }
        world.drain().await;
    });
}
