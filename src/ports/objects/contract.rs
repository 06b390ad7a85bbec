//! What every adapter must do. Bytes go by the signed requests, as a client's would.

use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};

use super::{Bounds, Key, ObjectError, Objects, Part, Presented, SignedRequest};

const LIFE: Duration = Duration::from_secs(60);
/// The least part that S3 takes when it is not the last.
const PART: usize = 5 << 20;

/// A client as any other.
pub(crate) fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

/// Sends what was signed; the status.
pub(crate) async fn send(request: &SignedRequest, body: Vec<u8>) -> u16 {
    let mut put = client().put(&request.url);
    for (name, value) in request.headers.iter().filter(|(name, _)| *name != "content-length") {
        put = put.header(name, value);
    }
    put.body(body).send().await.expect("the store answers").status().as_u16()
}

async fn bytes(store: &dyn Objects, key: &Key) -> Vec<u8> {
    let chunks: Vec<Bytes> =
        store.read(key).await.expect("it is there").try_collect().await.expect("its bytes");
    chunks.concat()
}

fn noise(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|n| (n as u8).wrapping_mul(31).wrapping_add(seed)).collect()
}

fn presented() -> Presented {
    Presented { media_type: "text/plain".into(), name: "Übung “1”.txt".into(), inline: false }
}

/// What a store server for tests can be held to; the adapters' own part is the same.
#[derive(Clone, Copy)]
pub(crate) struct Suite {
    /// It takes any key: also 1,024 bytes in one segment, and prefixes of other keys.
    pub any_key: bool,
    /// It checks signatures, sizes and checksums.
    pub strict: bool,
}

/// The whole suite.
pub(crate) async fn run(store: &dyn Objects, suite: Suite) {
    if suite.any_key {
        keys_of_all_sorts(store).await;
    }
    signed_puts(store, suite.strict).await;
    parts(store, suite.strict).await;
    downloads(store).await;
}

async fn keys_of_all_sorts(store: &dyn Objects) {
    let long = format!("long/{}", "k".repeat(1019));
    assert_eq!(long.len(), 1024);
    // Each is a prefix of the next, or differs in what a file system may confuse.
    let keys: Vec<Key> = ["a", "a/b", "a/b/c", "a.meta", "A", "a b/ü+%&=?#", "..a/b..", &long]
        .map(|k| Key::new(k).unwrap())
        .into();
    for (n, key) in keys.iter().enumerate() {
        assert_eq!(store.size(key).await.unwrap(), None, "{key}");
        assert!(matches!(store.read(key).await.err(), Some(ObjectError::NotFound)), "{key}");
        store.write(key, "text/plain", Bytes::from(noise(n + 1, 1))).await.unwrap();
    }
    for (n, key) in keys.iter().enumerate() {
        assert_eq!(bytes(store, key).await, noise(n + 1, 1), "{key}");
        assert_eq!(store.size(key).await.unwrap(), Some(n as u64 + 1), "{key}");
    }
    let mut sorted = keys.clone();
    sorted.sort();
    let listed = store.list(None, 100).await.unwrap();
    assert_eq!(listed.iter().map(|one| one.key.clone()).collect::<Vec<_>>(), sorted);
    let first = store.list(None, 3).await.unwrap();
    let rest = store.list(Some(&first[2].key), 100).await.unwrap();
    assert_eq!((first.len(), rest.len()), (3, sorted.len() - 3), "a walk by pages is the whole walk");
    let copied = Key::new("copied").unwrap();
    store.copy(&keys[1], &copied).await.unwrap();
    store.delete(&keys[1]).await.unwrap();
    assert_eq!(bytes(store, &copied).await, noise(2, 1));
    assert_eq!(store.size(&keys[1]).await.unwrap(), None);
    assert_eq!(store.size(&keys[2]).await.unwrap(), Some(3), "what has it as a prefix stays");
    assert!(store.copy(&keys[1], &copied).await.is_err());
    store.write(&keys[0], "text/plain", Bytes::from_static(b"anew")).await.unwrap();
    assert_eq!(bytes(store, &keys[0]).await, b"anew");
    for key in keys.iter().chain([&copied]) {
        store.delete(key).await.unwrap();
        store.delete(key).await.expect("twice is once");
    }
    assert!(store.list(None, 100).await.unwrap().is_empty());
}

async fn signed_puts(store: &dyn Objects, strict: bool) {
    let key = Key::of("in", uuid::Uuid::now_v7());
    let body = noise(10_000, 3);
    let bounds = Bounds {
        size: body.len() as u64,
        media_type: "text/plain".into(),
        sha256: Some(Sha256::digest(&body).into()),
    };
    let request = store.put_request(&key, &bounds, LIFE).await.unwrap();
    if strict {
        for (what, wrong) in
            [("more", noise(10_001, 3)), ("less", noise(9_999, 3)), ("other", noise(10_000, 4))]
        {
            let status = send(&request, wrong).await;
            assert!((400..500).contains(&status), "{what} bytes: {status}");
            assert_eq!(store.size(&key).await.unwrap(), None, "{what}: nothing came of it");
        }
        let mut forged = request.clone();
        let end = forged.url.pop().unwrap();
        forged.url.push(if end == 'A' || end == '0' { '1' } else { '0' });
        let status = send(&forged, body.clone()).await;
        assert!((400..500).contains(&status), "a forged URL: {status}");
        let mut other = request.clone();
        other.headers.insert("content-type".into(), "text/html".into());
        let status = send(&other, body.clone()).await;
        assert!((400..500).contains(&status), "another type: {status}");
        assert_eq!(store.size(&key).await.unwrap(), None);
    }
    assert_eq!(send(&request, body.clone()).await, 200);
    assert_eq!(bytes(store, &key).await, body);
    store.delete(&key).await.unwrap();
}

async fn parts(store: &dyn Objects, strict: bool) {
    let key = Key::of("o", uuid::Uuid::now_v7());
    let upload = store.begin_parts(&key, "video/mp4").await.unwrap();
    let pieces = [noise(PART, 1), noise(PART, 2), noise(77, 3)];
    let put = async |number: u32, body: &[u8]| {
        let size = body.len() as u64;
        let request = store.part_request(&key, &upload, number, size, LIFE).await.unwrap();
        assert_eq!(send(&request, body.to_vec()).await, 200, "part {number}");
    };
    // Out of order, broken off, and taken up again: what has arrived is known.
    put(3, &pieces[2]).await;
    put(1, &noise(PART, 9)).await;
    let there: Vec<u32> = store.parts(&key, &upload).await.unwrap().iter().map(|part| part.number).collect();
    assert_eq!(there, [1, 3]);
    assert_eq!(store.size(&key).await.unwrap(), None, "nothing is there before the end");
    put(1, &pieces[0]).await;
    put(2, &pieces[1]).await;
    let there = store.parts(&key, &upload).await.unwrap();
    assert_eq!(there.iter().map(|part| part.size).collect::<Vec<_>>(), [PART as u64, PART as u64, 77]);
    let mut wrong = there.clone();
    wrong[1] = Part { tag: "\"00000000000000000000000000000000\"".into(), ..wrong[1].clone() };
    assert!(store.join_parts(&key, &upload, &wrong).await.is_err(), "another part's tag");
    store.join_parts(&key, &upload, &there).await.unwrap();
    assert_eq!(Sha256::digest(bytes(store, &key).await), Sha256::digest(pieces.concat()));
    assert!(store.parts(&key, &upload).await.is_err(), "the upload is over");
    store.delete(&key).await.unwrap();

    let upload = store.begin_parts(&key, "video/mp4").await.unwrap();
    let request = store.part_request(&key, &upload, 1, 5, LIFE).await.unwrap();
    assert_eq!(send(&request, b"bytes".to_vec()).await, 200);
    store.abort_parts(&key, &upload).await.unwrap();
    store.abort_parts(&key, &upload).await.expect("twice is once");
    assert!(matches!(store.parts(&key, &upload).await, Err(ObjectError::NoUpload)));
    let status = send(&request, b"bytes".to_vec()).await;
    // moto stumbles here (500), which refuses as well.
    assert!((400..if strict { 500 } else { 600 }).contains(&status), "a part of what is over: {status}");
    assert_eq!(store.size(&key).await.unwrap(), None);
}

async fn downloads(store: &dyn Objects) {
    let key = Key::of("o", uuid::Uuid::now_v7());
    let body = noise(100_000, 5);
    store.write(&key, "text/plain", Bytes::from(body.clone())).await.unwrap();
    let url = store.get_url(&key, &presented(), LIFE).await.unwrap();
    let whole = client().get(&url).send().await.unwrap();
    assert_eq!(whole.status(), 200);
    let header = |name: &str| whole.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "text/plain");
    assert!(header("content-disposition").starts_with("attachment; filename="), "{:?}", whole.headers());
    assert!(header("content-disposition").contains("%C3%9Cbung"));
    assert_eq!(whole.bytes().await.unwrap(), body);
    for (range, part) in
        [("bytes=0-9", &body[..10]), ("bytes=99990-", &body[99_990..]), ("bytes=-5", &body[99_995..])]
    {
        let answer = client().get(&url).header("range", range).send().await.unwrap();
        assert_eq!(answer.status(), 206, "{range}");
        assert_eq!(answer.bytes().await.unwrap(), part, "{range}");
    }
    let beyond = client().get(&url).header("range", "bytes=200000-").send().await.unwrap();
    assert_eq!(beyond.status(), 416);
    store.delete(&key).await.unwrap();
    // S3 says 403 where the signer may not list the bucket.
    let gone = client().get(&url).send().await.unwrap().status().as_u16();
    assert!(matches!(gone, 403 | 404), "what is deleted: {gone}");
}
