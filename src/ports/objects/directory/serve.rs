//! Answers the signed URLs: `PUT` and `GET /objects/{token}`. The token is the permission; no session is
//! asked for, so the two work from any origin and through a CDN.

use actix_web::{
    HttpRequest, HttpResponse,
    body::SizedStream,
    http::{StatusCode, header},
    web,
};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

use super::{
    super::{Key, ObjectError},
    CHUNK, Directory,
    token::{self, Get, Put},
};
use crate::{error::ErrorKind, http::Problem, signing::SignatureError};

/// The store that answers, where it is this server itself.
#[derive(Clone)]
pub struct Served(pub Option<Directory>);

fn store(served: &Served) -> Result<&Directory, Problem> {
    served.0.as_ref().ok_or_else(|| Problem::new(ErrorKind::NotFound, "there is nothing at this path"))
}

fn permitted<T: serde::de::DeserializeOwned>(
    store: &Directory,
    purpose: &str,
    token: &str,
) -> Result<(T, DateTime<Utc>), Problem> {
    let now = store.inner.clock.now();
    let payload = store.inner.signer.verify(purpose, token, now).map_err(|error| match error {
        SignatureError::Invalid => Problem::new(ErrorKind::Forbidden, "this URL was not signed for this"),
        SignatureError::Expired => {
            Problem::new(ErrorKind::Forbidden, "this URL has expired; ask for another")
        }
    })?;
    let said = serde_json::from_slice(&payload)
        .map_err(|_| Problem::new(ErrorKind::Forbidden, "this URL was not signed for this"))?;
    Ok((said, now))
}

fn key(text: &str) -> Result<Key, Problem> {
    Key::new(text).map_err(|_| Problem::new(ErrorKind::Forbidden, "this URL was not signed for this"))
}

/// Takes bytes as the token allows them: so many, of that type, with that checksum.
pub async fn put(
    served: web::Data<Served>,
    token: web::Path<String>,
    req: HttpRequest,
    mut body: web::Payload,
) -> Result<HttpResponse, Problem> {
    let store = store(&served)?;
    let (put, _): (Put, _) = permitted(store, token::PUT, &token)?;
    let key = key(&put.key)?;
    let sent = |name: header::HeaderName| req.headers().get(name).and_then(|value| value.to_str().ok());
    if let Some(length) = sent(header::CONTENT_LENGTH)
        && length.parse() != Ok(put.size)
    {
        return Err(wrong_size(put.size));
    }
    if put.media_type.as_deref().is_some_and(|wanted| sent(header::CONTENT_TYPE) != Some(wanted)) {
        let said = "the Content-Type is not the one that was announced";
        return Err(Problem::new(ErrorKind::UnsupportedMedia, said));
    }
    let draft = store.blocking(|files| files.draft()).await?;
    let unwritten = |error: std::io::Error| Problem::from(ObjectError::from(error));
    let mut file = tokio::fs::File::create_new(&draft.path).await.map_err(unwritten)?;
    let (mut digest, mut came) = (Sha256::new(), 0_u64);
    while let Some(chunk) = body.next().await {
        let chunk = chunk
            .map_err(|error| Problem::new(ErrorKind::BadRequest, format!("the body broke off: {error}")))?;
        came += chunk.len() as u64;
        if came > put.size {
            return Err(wrong_size(put.size));
        }
        digest.update(&chunk);
        file.write_all(&chunk).await.map_err(unwritten)?;
    }
    file.flush().await.map_err(unwritten)?;
    drop(file);
    if came != put.size {
        return Err(wrong_size(put.size));
    }
    let tag = token::hex(digest.finalize());
    if put.sha256.is_some_and(|wanted| wanted != tag) {
        return Err(Problem::new(ErrorKind::Invalid, "the bytes do not have the SHA-256 that was announced"));
    }
    let placed = tag.clone();
    let media_type = put.media_type.unwrap_or_default();
    store
        .blocking(move |files| match put.part {
            Some((upload, number)) => files.place_part(draft, &upload, number, &placed),
            None => files.place(draft, &key, &media_type),
        })
        .await?;
    Ok(HttpResponse::Ok().insert_header((header::ETAG, format!("\"{tag}\""))).finish())
}

fn wrong_size(size: u64) -> Problem {
    Problem::new(ErrorKind::TooLarge, format!("exactly {size} bytes were announced"))
}

/// Gives bytes, or the range of them that was asked for (RFC 9110 §14).
pub async fn get(
    served: web::Data<Served>,
    token: web::Path<String>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let store = store(&served)?;
    let (get, _): (Get, _) = permitted(store, token::GET, &token)?;
    let key = key(&get.key)?;
    let path = store.inner.files.data(&key);
    let unread = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Problem::from(ObjectError::NotFound),
        _ => Problem::from(ObjectError::from(error)),
    };
    let mut file = tokio::fs::File::open(&path).await.map_err(unread)?;
    let size = file.metadata().await.map_err(unread)?.len();
    // A key is written once, so its name is the tag of its bytes.
    let tag = format!("\"{}\"", &token::hex(Sha256::digest(key.as_str()))[..32]);
    let header = |name: header::HeaderName| req.headers().get(name).and_then(|value| value.to_str().ok());
    let mut answer = HttpResponse::Ok();
    answer
        .insert_header((header::ETAG, tag.clone()))
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        // The URL is the secret: whoever has it may keep the bytes as long as a browser likes.
        .insert_header((header::CACHE_CONTROL, "private, max-age=86400, immutable"));
    if header(header::IF_NONE_MATCH).is_some_and(|tags| tags.split(',').any(|one| one.trim() == tag)) {
        return Ok(answer.status(StatusCode::NOT_MODIFIED).finish());
    }
    answer
        .insert_header((header::CONTENT_TYPE, get.media_type))
        .insert_header((header::CONTENT_DISPOSITION, get.disposition))
        // Whatever somebody uploaded: nothing in it may act in our origin's name.
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"));
    let fresh = header(header::IF_RANGE).is_none_or(|one| one == tag);
    let asked = header(header::RANGE).filter(|_| fresh).map_or(Asked::Whole, |range| Asked::of(range, size));
    let (start, end) = match asked {
        Asked::Whole => (0, size),
        Asked::Part(start, end) => {
            answer.status(StatusCode::PARTIAL_CONTENT);
            answer.insert_header((header::CONTENT_RANGE, format!("bytes {start}-{}/{size}", end - 1)));
            (start, end)
        }
        Asked::Beyond => {
            let range = (header::CONTENT_RANGE, format!("bytes */{size}"));
            return Ok(HttpResponse::RangeNotSatisfiable().insert_header(range).finish());
        }
    };
    file.seek(std::io::SeekFrom::Start(start)).await.map_err(unread)?;
    let stream = futures_util::stream::try_unfold((file, end - start), |(mut file, left)| async move {
        if left == 0 {
            return Ok::<_, std::io::Error>(None);
        }
        let mut chunk = Vec::with_capacity(CHUNK);
        let read = (&mut file).take(left.min(CHUNK as u64)).read_to_end(&mut chunk).await?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Some((Bytes::from(chunk), (file, left - read as u64))))
    });
    Ok(answer.body(SizedStream::new(end - start, Box::pin(stream))))
}

/// What a `Range` header comes to.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Whole,
    /// From the first to before the second.
    Part(u64, u64),
    Beyond,
}

impl Asked {
    /// One range of bytes is served; several, other units and what is malformed get the whole.
    fn of(range: &str, size: u64) -> Self {
        let Some((first, last)) = range.strip_prefix("bytes=").and_then(|spec| spec.trim().split_once('-'))
        else {
            return Self::Whole;
        };
        let number = |text: &str| text.trim().parse::<u64>();
        match (first.trim(), last.trim()) {
            ("", suffix) => match number(suffix) {
                Ok(0) => Self::Beyond,
                Ok(_) if size == 0 => Self::Beyond,
                Ok(suffix) => Self::Part(size.saturating_sub(suffix), size),
                Err(_) => Self::Whole,
            },
            (first, last) => match (number(first), number(last)) {
                (Ok(first), Ok(last)) if last < first => Self::Whole,
                (Ok(first), _) if first >= size => Self::Beyond,
                (Ok(first), Ok(last)) => Self::Part(first, last.saturating_add(1).min(size)),
                (Ok(first), Err(_)) if last.is_empty() => Self::Part(first, size),
                _ => Self::Whole,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        for (range, asked) in [
            ("bytes=0-0", Asked::Part(0, 1)),
            ("bytes=5-", Asked::Part(5, 10)),
            ("bytes=-3", Asked::Part(7, 10)),
            ("bytes=-30", Asked::Part(0, 10)),
            ("bytes=2-100", Asked::Part(2, 10)),
            ("bytes=10-", Asked::Beyond),
            ("bytes=-0", Asked::Beyond),
            ("bytes=5-2", Asked::Whole),
            ("bytes=0-1,3-4", Asked::Whole),
            ("lines=0-1", Asked::Whole),
            ("bytes=x-y", Asked::Whole),
        ] {
            assert_eq!(Asked::of(range, 10), asked, "{range}");
        }
        assert_eq!(Asked::of("bytes=0-", 0), Asked::Beyond);
    }

    proptest! {
        #[test]
        fn a_range_lies_within_the_object(range in "bytes=[0-9]{0,20}-[0-9]{0,20}", size in any::<u64>()) {
            if let Asked::Part(start, end) = Asked::of(&range, size) {
                prop_assert!(start < end && end <= size);
            }
        }
    }
}
