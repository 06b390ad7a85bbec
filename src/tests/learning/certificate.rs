//! Certificates. Property 5 of the design: at most one live certificate an enrolment, a certificate implies
//! completion, any changed byte fails verification. The independent verifier is PyPI `openbadgeslib`.

use std::process::Stdio;

use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::world::{World, person};
use crate::telemetry::metrics::Metrics;
use crate::{
    contexts::learning::{
        CertificateView, EnrolmentId, ItemId, LearningError, ProgressForm, RevokeForm, consumers,
    },
    events::Consumer,
    principal::{Principal, Role},
    tests::{
        chat::support::Node,
        support::{sdk::venv, skip::skip},
    },
};

fn cases(default: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

fn reason() -> RevokeForm {
    RevokeForm { reason: "a mistake".into() }
}

/// Somebody who completed a course, and the consumer that issues certificates.
async fn completed(world: &World) -> (Principal, EnrolmentId) {
    let student = person(Role::Student);
    let item = ItemId::new();
    let course = world
        .course(json!({ "modules": [{ "title": "M", "items": [
            { "id": item, "title": "T", "body": { "type": "text", "markdown": "" } }] }] }))
        .await;
    let mine = world.enrol(&student, course).await;
    let viewed = ProgressForm { viewed: true, ..ProgressForm::default() };
    world.learning.advance(&student, mine.id, item, &viewed).await.unwrap();
    (student, mine.id)
}

pub(super) async fn certified(world: &World, node: &Node) -> (Principal, CertificateView) {
    let (student, _) = completed(world).await;
    let all = consumers(&world.learning, &world.live, &node.chat, &Metrics::new());
    world.deliver(&*all[0]).await;
    let (mut certificates, _) = world.learning.certificates(&student, 10, None).await.unwrap();
    assert_eq!(certificates.len(), 1);
    (student, certificates.remove(0))
}

#[actix_web::test]
async fn a_completion_is_certified_once_and_can_be_verified_revoked_and_reissued() {
    let world = World::new().await;
    let node = Node::on(&world.test).await;
    let (student, one) = certified(&world, &node).await;
    assert_eq!((one.learner_name.as_str(), one.course_title.as_str()), ("Ada Lovelace", "A course"));
    let issue: &dyn Consumer = &*consumers(&world.learning, &world.live, &node.chat, &Metrics::new())[0];
    world.deliver(issue).await;
    assert_eq!(world.learning.certificates(&student, 10, None).await.unwrap().0.len(), 1, "twice is once");
    assert!(world.learning.verify(one.id).await.unwrap().valid);
    let own = world.learning.move_certificate(&student, one.id, "revoke", &reason()).await;
    assert!(matches!(own, Err(LearningError::NotYours(_))));
    let early = world.learning.move_certificate(&world.teacher, one.id, "reissue", &reason()).await;
    assert!(matches!(early, Err(LearningError::Contradicts(_))), "one live certificate at most");
    world.learning.move_certificate(&world.teacher, one.id, "revoke", &reason()).await.unwrap();
    let gone = world.learning.verify(one.id).await.unwrap();
    assert!(!gone.valid && gone.signature_valid);
    let next = world.learning.move_certificate(&world.teacher, one.id, "reissue", &reason()).await.unwrap();
    assert_ne!(next.id, one.id);
    assert!(world.learning.verify(next.id).await.unwrap().valid);
    // A new key signs what comes; what the old one signed stays good.
    world.learning.rotate_key().await.unwrap();
    assert!(world.learning.verify(next.id).await.unwrap().valid);
    let document = world.learning.did_document().await.unwrap();
    assert_eq!(document["verificationMethod"].as_array().unwrap().len(), 2);
    let subjects: Vec<String> = world.recorded().await.into_iter().map(|event| event.subject).collect();
    let count = |subject: &str| subjects.iter().filter(|one| *one == subject).count();
    assert_eq!((count("certificate.issued"), count("certificate.revoked")), (2, 1));
}

#[actix_web::test]
async fn nothing_is_issued_without_completion() {
    let world = World::new().await;
    let student = person(Role::Student);
    let course = world
        .course(json!({ "modules": [{ "title": "M", "items": [
            { "title": "T", "body": { "type": "text", "markdown": "" } }] }] }))
        .await;
    let mine = world.enrol(&student, course).await;
    let mut conn = world.database.conn().await.unwrap();
    assert_eq!(world.learning.issue(&mut conn, mine.id).await.unwrap(), None);
    assert_eq!(world.learning.issue(&mut conn, EnrolmentId(Uuid::now_v7())).await.unwrap(), None);
}

/// Property 5: whatever is asked in whatever order, and any byte of the credential.
#[test]
fn at_most_one_is_live_and_no_changed_byte_verifies() {
    use proptest::strategy::ValueTree;
    let cases = cases(24);
    actix_web::rt::System::new().block_on(async {
        let world = World::new().await;
        let (student, enrolment) = completed(&world).await;
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::default()
        });
        let scripts = (proptest::collection::vec(0_u8..4, 1..6), any::<prop::sample::Index>(), 1_u8..128);
        for _ in 0..cases {
            let (script, at, flip) = scripts.new_tree(&mut runner).unwrap().current();
            for step in script {
                let mut conn = world.database.conn().await.unwrap();
                match step {
                    0 => {
                        world.learning.issue(&mut conn, enrolment).await.unwrap();
                    }
                    1 => {
                        world.learning.rotate_key().await.unwrap();
                    }
                    _ => {
                        drop(conn);
                        let all = world.learning.certificates(&student, 100, None).await.unwrap().0;
                        let Some(one) = all.first() else { continue };
                        let step = if step == 2 { "revoke" } else { "reissue" };
                        // Refused or done: never two live ones.
                        let _ =
                            world.learning.move_certificate(&world.teacher, one.id, step, &reason()).await;
                    }
                }
                let mut live = 0;
                for one in world.learning.certificates(&student, 100, None).await.unwrap().0 {
                    live += usize::from(world.learning.verify(one.id).await.unwrap().valid);
                }
                assert!(live <= 1);
            }
            let Some(one) = world.learning.certificates(&student, 1, None).await.unwrap().0.pop() else {
                continue;
            };
            let mut bytes = one.credential.clone().into_bytes();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            let changed = String::from_utf8_lossy(&bytes).into_owned();
            assert!(world.learning.signature_is_good(&one.credential).await);
            assert!(!world.learning.signature_is_good(&changed).await, "byte {at}");
        }
    });
}

/// Runs the verifier of PyPI `openbadgeslib` over a credential, with the issuer's document and the status
/// list as they would be fetched.
async fn independent(credential: &str, document: &Value, list: &str) -> Result<(), String> {
    const SCRIPT: &str = r#"
import json, sys
from openbadgeslib.ob3 import OB3Verifier
from openbadgeslib.ob3.did import pem_for_kid
import jwt
said = json.load(sys.stdin)
header = jwt.get_unverified_header(said["credential"])
pem = pem_for_kid(said["document"], said["document"]["id"], header["kid"])
lists = jwt.get_unverified_header(said["list"])
assert lists["kid"] in [method["id"] for method in said["document"]["verificationMethod"]]
verifier = OB3Verifier(pubkey_pem=pem, issuer_did=said["document"]["id"])
same = lists["kid"] == header["kid"]
found = verifier.verify(said["credential"], check_status=True, verify_status_list=same,
                        download=lambda url: said["list"].encode())
print(found.achievement.name)
"#;
    let mut child = tokio::process::Command::new(venv("python"))
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let said = json!({ "credential": credential, "document": document, "list": list });
    let mut input = child.stdin.take().unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut input, said.to_string().as_bytes()).await.unwrap();
    drop(input);
    let done = child.wait_with_output().await.unwrap();
    if done.status.success() {
        assert_eq!(String::from_utf8_lossy(&done.stdout).trim(), "A course");
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    Err(said.lines().last().unwrap_or_default().to_owned())
}

#[actix_web::test]
async fn an_independent_verifier_accepts_it_and_refuses_what_was_changed_or_revoked() {
    let package = venv("../lib");
    let installed = std::fs::read_dir(package)
        .into_iter()
        .flatten()
        .flatten()
        .any(|python| python.path().join("site-packages/openbadgeslib").is_dir());
    if !installed {
        skip!("certificates by openbadgeslib", "it is not installed (scripts/setup-tests)");
    }
    let world = World::named("Ада Лавлейс 愛 आदा", "https://gigsy.example").await;
    let node = Node::on(&world.test).await;
    let (_, one) = certified(&world, &node).await;
    let document = world.learning.did_document().await.unwrap();
    let list = world.learning.status_list(0).await.unwrap();
    independent(&one.credential, &document, &list).await.expect("accepted");
    // A byte of the payload, and one of the signature.
    for at in [one.credential.find('.').unwrap() + 40, one.credential.len() - 20] {
        let mut bytes = one.credential.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        independent(&changed, &document, &list).await.expect_err("a changed byte");
    }
    // The list's place is its own: another one that is revoked does not touch this one.
    let (_, other) = certified(&world, &node).await;
    world.learning.move_certificate(&world.teacher, other.id, "revoke", &reason()).await.unwrap();
    let list = world.learning.status_list(0).await.unwrap();
    independent(&one.credential, &document, &list).await.expect("still accepted");
    let said = independent(&other.credential, &document, &list).await.expect_err("revoked");
    assert!(said.contains("revocation"), "{said}");
    world.learning.rotate_key().await.unwrap();
    let document = world.learning.did_document().await.unwrap();
    let list = world.learning.status_list(0).await.unwrap();
    independent(&one.credential, &document, &list).await.expect("what the old key signed stays good");
}
