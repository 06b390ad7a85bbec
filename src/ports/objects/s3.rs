//! Objects in a bucket of Amazon S3 or anything that speaks its protocol.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{StreamExt, future::BoxFuture};
use s3::{Bucket, Region, creds::Credentials, error::S3Error, serde_types};
use serde::Deserialize;
use url::Url;

use super::{Bounds, ByteStream, Key, Listed, ObjectError, Objects, Part, Presented, SignedRequest};
use crate::ports::{Mode, Store, StoreStatus};

/// How long one call may take.
const WITHIN: Duration = Duration::from_secs(60);
/// How long reading, copying or joining a large object may take.
const SLOW: Duration = Duration::from_secs(6 * 3600);
/// The longest life of a presigned URL: SigV4's own bound.
const LONGEST_LIFE: u64 = 7 * 24 * 3600;

/// Where the bucket is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `S3_BUCKET`.
    pub bucket: String,
    /// `S3_ENDPOINT`; unset: Amazon's own for the region.
    pub endpoint: Option<Url>,
    /// `S3_REGION`.
    pub region: String,
    /// `S3_ACCESS_KEY_ID`.
    pub access_key: String,
    /// `S3_SECRET_ACCESS_KEY`.
    pub secret_key: String,
    /// `S3_PATH_STYLE`: the bucket in the path, not in the host's name.
    pub path_style: bool,
    /// `MEDIA_BASE_URL`: what downloads go through.
    pub media_base: Option<Url>,
}

/// A bucket.
#[derive(Clone)]
pub struct S3 {
    bucket: Box<Bucket>,
    /// The same, with patience.
    slow: Box<Bucket>,
    media_base: Option<Url>,
}

impl S3 {
    /// A client of the bucket; nothing is asked yet.
    ///
    /// # Errors
    /// When the settings make no client.
    pub fn new(settings: &Settings) -> Result<Self, ObjectError> {
        let region = match &settings.endpoint {
            Some(endpoint) => Region::Custom {
                region: settings.region.clone(),
                endpoint: endpoint.as_str().trim_end_matches('/').to_owned(),
            },
            None => settings.region.parse().map_err(ObjectError::unavailable)?,
        };
        let credentials =
            Credentials::new(Some(&settings.access_key), Some(&settings.secret_key), None, None, None)
                .map_err(ObjectError::unavailable)?;
        let mut bucket = Bucket::new(&settings.bucket, region, credentials)
            .and_then(|bucket| bucket.with_request_timeout(WITHIN))
            .map_err(ObjectError::unavailable)?;
        if settings.path_style {
            bucket.set_path_style();
        }
        let slow = bucket.with_request_timeout(SLOW).map_err(ObjectError::unavailable)?;
        Ok(Self { bucket, slow, media_base: settings.media_base.clone() })
    }

    /// The bucket itself, for the tests that must make it.
    #[cfg(test)]
    pub(crate) fn bucket(&self) -> &Bucket {
        &self.bucket
    }

    async fn presigned_put(
        &self,
        key: &Key,
        headers: BTreeMap<String, String>,
        query: Option<HashMap<String, String>>,
        life: Duration,
    ) -> Result<SignedRequest, ObjectError> {
        let mut signed = HeaderMap::new();
        for (name, value) in &headers {
            let name = name.parse::<HeaderName>().map_err(ObjectError::unavailable)?;
            signed.insert(name, value.parse().map_err(ObjectError::unavailable)?);
        }
        let url = self
            .bucket
            .presign_put(key.as_str(), seconds(life), Some(signed), query)
            .await
            .map_err(failed)?;
        Ok(SignedRequest { method: "PUT", url, headers })
    }
}

/// The header types of the `http` crate that rust-s3 speaks; actix-web has an older one.
type HeaderMap = reqwest::header::HeaderMap;
type HeaderName = reqwest::header::HeaderName;

fn seconds(life: Duration) -> u32 {
    u32::try_from(life.as_secs().clamp(1, LONGEST_LIFE)).unwrap_or(1)
}

fn failed(error: S3Error) -> ObjectError {
    match &error {
        S3Error::HttpFailWithBody(404, body) if body.contains("NoSuchUpload") => ObjectError::NoUpload,
        S3Error::HttpFailWithBody(404, _) => ObjectError::NotFound,
        S3Error::HttpFailWithBody(400, body) if body.contains("InvalidPart") => ObjectError::BadPart,
        _ => ObjectError::unavailable(error),
    }
}

/// What rust-s3 has no call for: the answer to ListParts.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListPartsResult {
    #[serde(default)]
    is_truncated: bool,
    #[serde(default)]
    next_part_number_marker: Option<String>,
    #[serde(default)]
    part: Vec<ListedPart>,
}

#[derive(Debug, Deserialize)]
struct ListedPart {
    #[serde(rename = "PartNumber")]
    number: u32,
    #[serde(rename = "ETag")]
    tag: String,
    #[serde(rename = "Size")]
    size: u64,
}

#[async_trait]
impl Objects for S3 {
    async fn put_request(
        &self,
        key: &Key,
        bounds: &Bounds,
        life: Duration,
    ) -> Result<SignedRequest, ObjectError> {
        let mut headers = BTreeMap::from([
            ("content-length".to_owned(), bounds.size.to_string()),
            ("content-type".to_owned(), bounds.media_type.clone()),
        ]);
        if let Some(sha256) = bounds.sha256 {
            headers.insert("x-amz-checksum-sha256".to_owned(), STANDARD.encode(sha256));
        }
        self.presigned_put(key, headers, None, life).await
    }

    async fn begin_parts(&self, key: &Key, media_type: &str) -> Result<String, ObjectError> {
        let begun = self.bucket.initiate_multipart_upload(key.as_str(), media_type).await.map_err(failed)?;
        Ok(begun.upload_id)
    }

    async fn part_request(
        &self,
        key: &Key,
        upload: &str,
        number: u32,
        size: u64,
        life: Duration,
    ) -> Result<SignedRequest, ObjectError> {
        let headers = BTreeMap::from([("content-length".to_owned(), size.to_string())]);
        let query = HashMap::from([
            ("partNumber".to_owned(), number.to_string()),
            ("uploadId".to_owned(), upload.to_owned()),
        ]);
        self.presigned_put(key, headers, Some(query), life).await
    }

    async fn parts(&self, key: &Key, upload: &str) -> Result<Vec<Part>, ObjectError> {
        let mut all = Vec::new();
        let mut marker: Option<String> = None;
        loop {
            let mut query = HashMap::from([("uploadId".to_owned(), upload.to_owned())]);
            if let Some(marker) = marker.take() {
                query.insert("part-number-marker".to_owned(), marker);
            }
            let url = self.bucket.presign_get(key.as_str(), 60, Some(query)).await.map_err(failed)?;
            let answer = self.bucket.http_client().get(url).timeout(WITHIN).send().await;
            let answer = answer.map_err(ObjectError::unavailable)?;
            let status = answer.status().as_u16();
            let text = answer.text().await.map_err(ObjectError::unavailable)?;
            match status {
                200 => {}
                404 => return Err(ObjectError::NoUpload),
                other => return Err(ObjectError::unavailable(format!("ListParts answered {other}: {text}"))),
            }
            let page: ListPartsResult = quick_xml::de::from_str(&text).map_err(ObjectError::unavailable)?;
            all.extend(page.part.into_iter().map(|part| Part {
                number: part.number,
                size: part.size,
                tag: part.tag,
            }));
            if !page.is_truncated || page.next_part_number_marker.is_none() {
                return Ok(all);
            }
            marker = page.next_part_number_marker;
        }
    }

    async fn join_parts(&self, key: &Key, upload: &str, parts: &[Part]) -> Result<(), ObjectError> {
        let parts = parts
            .iter()
            .map(|part| serde_types::Part { part_number: part.number, etag: part.tag.clone() })
            .collect();
        self.slow.complete_multipart_upload(key.as_str(), upload, parts).await.map_err(failed)?;
        Ok(())
    }

    async fn abort_parts(&self, key: &Key, upload: &str) -> Result<(), ObjectError> {
        match self.bucket.abort_upload(key.as_str(), upload).await.map_err(failed) {
            Err(ObjectError::NoUpload | ObjectError::NotFound) | Ok(()) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn write(&self, key: &Key, media_type: &str, bytes: Bytes) -> Result<(), ObjectError> {
        self.bucket.put_object_with_content_type(key.as_str(), &bytes, media_type).await.map_err(failed)?;
        Ok(())
    }

    async fn read(&self, key: &Key) -> Result<ByteStream, ObjectError> {
        let stream = self.slow.get_object_stream(key.as_str()).await.map_err(failed)?;
        match stream.status_code {
            200 | 206 => Ok(Box::pin(stream.bytes.map(|chunk| chunk.map_err(failed)))),
            404 => Err(ObjectError::NotFound),
            other => Err(ObjectError::unavailable(format!("GetObject answered {other}"))),
        }
    }

    async fn size(&self, key: &Key) -> Result<Option<u64>, ObjectError> {
        match self.bucket.head_object(key.as_str()).await {
            Ok((head, 200)) => Ok(head.content_length.and_then(|length| u64::try_from(length).ok())),
            Ok((_, 404)) => Ok(None),
            Ok((_, other)) => Err(ObjectError::unavailable(format!("HeadObject answered {other}"))),
            Err(error) => match failed(error) {
                ObjectError::NotFound => Ok(None),
                error => Err(error),
            },
        }
    }

    async fn copy(&self, from: &Key, to: &Key) -> Result<(), ObjectError> {
        self.slow.copy_object_internal(from.as_str(), to.as_str()).await.map_err(failed)?;
        Ok(())
    }

    async fn delete(&self, key: &Key) -> Result<(), ObjectError> {
        match self.bucket.delete_object(key.as_str()).await.map_err(failed) {
            Ok(_) | Err(ObjectError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn get_url(&self, key: &Key, presented: &Presented, life: Duration) -> Result<String, ObjectError> {
        let query = HashMap::from([
            ("response-content-type".to_owned(), presented.media_type.clone()),
            ("response-content-disposition".to_owned(), presented.disposition()),
            ("response-cache-control".to_owned(), format!("private, max-age={}, immutable", life.as_secs())),
        ]);
        let url = self.bucket.presign_get(key.as_str(), seconds(life), Some(query)).await.map_err(failed)?;
        let Some(base) = &self.media_base else { return Ok(url) };
        // The signature covers the bucket's host: the CDN asks its origin by that name.
        let signed = Url::parse(&url).map_err(ObjectError::unavailable)?;
        let query = signed.query().unwrap_or_default();
        Ok(format!("{}{}?{query}", base.as_str().trim_end_matches('/'), signed.path()))
    }

    async fn list(&self, after: Option<&Key>, limit: usize) -> Result<Vec<Listed>, ObjectError> {
        let after = after.map(|key| key.as_str().to_owned());
        let (page, status) =
            self.bucket.list_page(String::new(), None, None, after, Some(limit)).await.map_err(failed)?;
        if status != 200 {
            return Err(ObjectError::unavailable(format!("ListObjectsV2 answered {status}")));
        }
        let listed = |object: serde_types::Object| {
            Some(Listed {
                key: Key::new(object.key).ok()?,
                size: object.size,
                modified: DateTime::parse_from_rfc3339(&object.last_modified).ok()?.with_timezone(&Utc),
            })
        };
        Ok(page.contents.into_iter().filter_map(listed).collect())
    }
}

impl Store for S3 {
    fn status(&self) -> BoxFuture<'_, StoreStatus> {
        Box::pin(async move {
            let begun = Instant::now();
            let asked = tokio::time::timeout(Duration::from_secs(3), self.list(None, 1)).await;
            let reachable = matches!(asked, Ok(Ok(_)));
            StoreStatus {
                name: "objects",
                mode: Mode::Server,
                reachable,
                latency_ms: Some(begun.elapsed().as_secs_f64() * 1000.0),
                version: None,
                detail: Some(format!("bucket {}", self.bucket.name())),
                mend: (!reachable).then(|| {
                    "check S3_ENDPOINT, S3_BUCKET, S3_REGION and the two keys, and that the bucket is there"
                        .to_owned()
                }),
            }
        })
    }
}
