//! Certificates as documents: rendered by poppler, which shares no code with what writes them; the QR code
//! read from its pixels.

use std::{path::Path, process::Command};

use actix_web::{App, test as web_test, web};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};

use super::{certificate::certified, world::World};
use crate::{
    contexts::learning::{
        LazyFonts, LearningError, RevokeForm,
        certificate::{Certified, DocumentError, render},
    },
    http::router,
    ports::objects::{Key, Objects},
    tests::{
        chat::support::Node,
        support::{
            sdk::{has_program, root},
            skip::skip,
        },
    },
};

const URL: &str = "https://gigsy.example/verify/01936b0e-7b1c-7e60-9f3e-2f6a5d4c3b2a";

fn at() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000, 0).unwrap()
}

fn made(name: &str, course: &str, fonts: &LazyFonts) -> Result<Vec<u8>, DocumentError> {
    let id = "01936b0e-7b1c-7e60-9f3e-2f6a5d4c3b2a".to_owned();
    render(&Certified { id, name, course, at: at(), verify_url: URL }, fonts.get())
}

/// Fonts compiled in, and nothing else.
fn own() -> LazyFonts {
    LazyFonts::new(Some("/nowhere".into()))
}

/// What is read, without spaces and marks of direction: poppler sets them by the distance of glyphs.
fn letters(text: &str) -> String {
    let mark =
        |c: &char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().filter(|c| !c.is_whitespace() && !mark(c)).collect()
}

fn run(program: &str, args: &[&str], dir: &Path) -> Vec<u8> {
    let done = Command::new(program).args(args).current_dir(dir).output().unwrap();
    assert!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr));
    done.stdout
}

/// The page as grey pixels: width, height, rows.
fn pixels(dir: &Path) -> (usize, usize, Vec<u8>) {
    let pgm = run("pdftoppm", &["-gray", "-r", "120", "-singlefile", "one.pdf"], dir);
    let mut head = pgm.splitn(4, |byte| *byte == b'\n');
    assert_eq!(head.next(), Some(&b"P5"[..]));
    let size = String::from_utf8(head.next().unwrap().to_vec()).unwrap();
    let (width, height) = size.split_once(' ').unwrap();
    assert_eq!(head.next(), Some(&b"255"[..]));
    (width.parse().unwrap(), height.parse().unwrap(), head.next().unwrap().to_vec())
}

#[test]
fn the_bytes_are_a_function_of_what_is_certified() {
    let fonts = own();
    let one = made("Zoë Ångström", "Rust", &fonts).unwrap();
    assert!(one.starts_with(b"%PDF-"));
    assert_eq!(one, made("Zoë Ångström", "Rust", &own()).unwrap());
    assert_ne!(one, made("Zoe Ångström", "Rust", &fonts).unwrap());
    assert!(one.len() < 60_000, "{}: fonts are embedded in part", one.len());
}

#[test]
fn a_name_is_not_printed_with_holes() {
    let refused = made("王小明", "Rust", &own());
    assert!(matches!(refused, Err(DocumentError::NoFont(missing)) if missing == ['小', '明', '王']));
    // Symbols are no letters: they are left out. What has nothing else is still a document.
    for name in ["Ada 🎉\u{fe0f}", "🎉", "a\u{0}b", &"x".repeat(400)] {
        made(name, "Rust", &own()).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn names_of_all_scripts_are_read_as_they_are_said() {
    if !has_program("pdftotext") || !has_program("pdftoppm") {
        skip!("documents by poppler", "there is no pdftotext and pdftoppm (scripts/setup-tests)");
    }
    let fonts = LazyFonts::default();
    let cjk = root().join(".gigsy/fonts").is_dir()
        || Path::new("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc").is_file();
    let mut names = vec![
        ("latin", "Zoë Ångström-Nguyễn", "Rust for careers"),
        ("cyrillic", "Ирина Ђорђевић", "Курс по базам данных"),
        ("arabic", "فاطمة الزهراء بنت محمد", "مقدمة في البرمجة"),
        ("devanagari", "क्षितिज श्रीवास्तव", "हिन्दी में प्रोग्रामिंग"),
        ("mixed", "Ali علي Иван", "Two scripts, نصان"),
        ("long", "Ananthapadmanabhaswami Ramakrishnan Venkataraghavan of the Long Names", "T"),
    ];
    if cjk {
        names.extend([
            ("han", "王小明 李娜", "資料庫導論"),
            ("kana and hangul", "さくら 김민수", "データベース入門"),
        ]);
    } else {
        eprintln!("no CJK font here (scripts/setup-fonts)");
    }
    let keep = std::env::var_os("GIGSY_TEST_KEEP_DOCUMENTS");
    for (script, name, course) in names {
        let dir = tempfile::tempdir().unwrap();
        let bytes = made(name, course, &fonts).unwrap_or_else(|error| panic!("{script}: {error}"));
        std::fs::write(dir.path().join("one.pdf"), &bytes).unwrap();
        let text = String::from_utf8(run("pdftotext", &["-layout", "one.pdf", "-"], dir.path())).unwrap();
        let read = letters(&text);
        for said in [name, course, URL, "Certificate of completion", "Issued on 18 November 2026"] {
            // A line that changes direction has no one order on a page: its words have.
            let parts: Vec<&str> = if script == "mixed" { said.split(' ').collect() } else { vec![said] };
            for part in parts {
                assert!(read.contains(&letters(part)), "{script}: {part:?} is not in {text:?}");
            }
        }
        let fonts_used = String::from_utf8(run("pdffonts", &["one.pdf"], dir.path())).unwrap();
        for font in fonts_used.lines().skip(2) {
            let flags: Vec<&str> = font.split_whitespace().rev().skip(2).take(3).collect();
            assert_eq!(flags, ["yes", "yes", "yes"], "embedded, in part, with Unicode: {font}");
        }
        let (width, height, grey) = pixels(dir.path());
        assert!(width > height, "it lies");
        let mut image =
            rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| grey[y * width + x]);
        let codes = image.detect_grids();
        assert_eq!(codes.len(), 1, "{script}");
        assert_eq!(codes[0].decode().unwrap().1, URL);
        if let Some(keep) = &keep {
            std::fs::write(Path::new(keep).join(format!("{script}.pdf")), &bytes).unwrap();
        }
    }
}

#[actix_web::test]
async fn a_certificate_gets_its_document_once_as_an_object() {
    let world = World::named("Ирина Ђорђевић", "https://gigsy.example").await;
    let node = Node::on(&world.test).await;
    let (student, one) = certified(&world, &node).await;
    assert_eq!(one.document.sha256, None, "it is not made in the transaction that issues");
    world.drain().await;
    let one = world.learning.certificate(one.id).await.unwrap();
    assert_eq!(one.document.url, format!("https://gigsy.example/api/v1/certificates/{}/pdf", one.id));
    let key = Key::of("made", one.id.0);
    let read = async || -> Vec<u8> {
        let chunks: Vec<Bytes> = world.store.directory.read(&key).await.unwrap().try_collect().await.unwrap();
        chunks.concat()
    };
    let bytes = read().await;
    let hex: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(one.document.sha256.as_ref(), Some(&hex));
    assert_eq!(one.document.size, i64::try_from(bytes.len()).ok());
    // Whoever has the id may have the link; nothing is made again.
    let link = world.learning.document(one.id).await.unwrap();
    assert!(!link.url.is_empty());
    assert_eq!(read().await, bytes);
    // It is held: its owner cannot remove it.
    world.uploads.remove(&student, crate::contexts::objects::UploadId(one.id.0)).await.unwrap_err();
    // A revoked one keeps its document; the page behind the code says that it is revoked.
    let reason = RevokeForm { reason: "a mistake".into() };
    world.learning.move_certificate(&world.teacher, one.id, "revoke", &reason).await.unwrap();
    world.learning.document(one.id).await.unwrap();
    // Asked for before the timer ran, it is made at once.
    let next = world.learning.move_certificate(&world.teacher, one.id, "reissue", &reason).await.unwrap();
    world.learning.document(next.id).await.unwrap();
    let next = world.learning.certificate(next.id).await.unwrap();
    assert_ne!(next.document.sha256, one.document.sha256, "it has a number of its own");
    world.drain().await;
    let nobody = world.learning.document(crate::contexts::learning::CertificateId::new()).await;
    assert!(matches!(nobody, Err(LearningError::No(_))));
}

#[actix_web::test]
async fn over_http_a_document_is_a_redirection_or_a_reason() {
    let (world, poor) = (World::new().await, World::set_in("王小明", own()).await);
    let mut found = Vec::new();
    for world in [&world, &poor] {
        let node = Node::on(&world.test).await;
        let (_, one) = certified(world, &node).await;
        let app = web_test::init_service(
            App::new().app_data(web::Data::new(world.learning.clone())).configure(router::configure),
        )
        .await;
        let get = async |path: String| {
            web_test::call_service(&app, web_test::TestRequest::get().uri(&path).to_request()).await
        };
        let answer = get(format!("/api/v1/certificates/{}/pdf", one.id)).await;
        let place = answer.headers().get("location").map(|place| place.to_str().unwrap().to_owned());
        let status = answer.status().as_u16();
        let body: serde_json::Value =
            serde_json::from_slice(&web_test::read_body(answer).await).unwrap_or_default();
        found.push((status, place.is_some(), body["detail"].as_str().unwrap_or_default().to_owned()));
        let page = web_test::TestRequest::get()
            .uri(&format!("/verify/{}", one.id))
            .insert_header(("accept", "text/html"))
            .to_request();
        let page = web_test::read_body(web_test::call_service(&app, page).await).await;
        let page = String::from_utf8_lossy(&page).into_owned();
        assert!(page.contains(&format!("/api/v1/certificates/{}/pdf", one.id)), "{page}");
        assert_eq!(get("/api/v1/certificates/none/pdf".into()).await.status(), 404);
    }
    assert_eq!(found[0], (302, true, String::new()));
    assert_eq!(found[1].0, 409);
    assert!(found[1].2.contains("U+738B"), "it names the letters: {}", found[1].2);
}

#[actix_web::test]
async fn a_document_waits_for_a_font() {
    let world = World::set_in("王小明", own()).await;
    let node = Node::on(&world.test).await;
    let (_, one) = certified(&world, &node).await;
    assert_eq!(world.learning.tick().await.unwrap(), 1, "tried, and put off");
    let refused = world.learning.document(one.id).await;
    assert!(matches!(refused, Err(LearningError::Document(DocumentError::NoFont(_)))));
    assert!(world.learning.verify(one.id).await.unwrap().valid, "the certificate is good all the same");
    world.clock.advance(chrono::Duration::hours(2));
    assert_eq!(world.learning.tick().await.unwrap(), 1, "and tried again");
}
