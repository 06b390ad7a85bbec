//! `Idempotency-Key` on POST: the same key and body give the same answer and one effect; another body
//! gives 422, one in flight 409. Scoped by person and route; kept for 48 hours.
//!
//! Answers below 500 are kept, except those that a later attempt should not be bound to (401, 408,
//! 429). After any other end, a crash included, the same request may run again; what it creates has
//! the same id as before ([`IdempotencyKey::resource_id`]), and money has constraints of its own.
//!
//! Sign-in and its like are left out: an answer that holds a token is not kept.

mod key;
mod store;

use actix_web::{
    Error, HttpMessage, HttpResponse, ResponseError,
    body::{BoxBody, EitherBody, MessageBody, to_bytes_limited},
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::{
        Method, StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
    middleware::Next,
    web::{self, Bytes, BytesMut},
};
use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use uuid::Uuid;

pub use key::{HEADER, IdempotencyKey, Idempotent};

use self::store::{Claim, Stored};
use super::{
    Problem,
    extract::{SessionLookup, session_credential},
};
use crate::{
    clock::Clock,
    config::Config,
    error::ErrorKind,
    postgres::{Database, DbError},
    telemetry::log,
};

/// Says that the answer is an earlier one.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The largest answer that is kept, in bytes.
const LARGEST: usize = 1 << 20;
/// Headers that belong to an answer; the others are of the connection or the moment.
const KEPT_HEADERS: [HeaderName; 4] =
    [header::CONTENT_TYPE, header::LOCATION, header::ETAG, header::CACHE_CONTROL];

/// Where keys and answers are kept.
#[derive(Clone)]
pub struct Idempotency {
    database: Database,
    clock: Clock,
}

impl Idempotency {
    /// In that database, by that clock.
    pub fn new(database: Database, clock: Clock) -> Self {
        Self { database, clock }
    }

    /// Removes what has expired; answers how many.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn tidy(&self) -> Result<usize, DbError> {
        store::tidy(&self.database, self.clock.now()).await
    }
}

/// The middleware, inside the rate limit and the origin check.
pub async fn guard<B: MessageBody + 'static>(
    mut req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, Error> {
    if !applies(&req) {
        return Ok(next.call(req).await?.map_into_left_body());
    }
    match admit(&mut req).await {
        Ok(None) => Ok(next.call(req).await?.map_into_left_body()),
        Ok(Some(Admitted::Answered(answer))) => Ok(req.into_response(replay(&answer)).map_into_right_body()),
        Ok(Some(Admitted::Run(run))) => run.finish(next.call(req).await).await,
        Err(problem) => Ok(req.into_response(problem.error_response()).map_into_right_body()),
    }
}

fn applies(req: &ServiceRequest) -> bool {
    let path = req.path();
    *req.method() == Method::POST
        && req.headers().contains_key(&HEADER)
        && path.starts_with("/api/v1/")
        && !path.starts_with("/api/v1/auth/")
        && !path.starts_with("/api/v1/realtime/")
}

/// Forgets the answers to a person; how many.
///
/// # Errors
/// The database's.
pub async fn forget(
    conn: &mut diesel_async::AsyncPgConnection,
    person: crate::principal::UserId,
) -> Result<u64, DbError> {
    store::forget(conn, person).await
}

/// One attempt.
struct Run {
    idempotency: web::Data<Idempotency>,
    scope: [u8; 32],
    owner: Uuid,
}

enum Admitted {
    Run(Run),
    Answered(Stored),
}

/// `None`: nobody to scope the key by; the handler refuses the request, or needs no session.
async fn admit(req: &mut ServiceRequest) -> Result<Option<Admitted>, Problem> {
    let Some(key) = key::parse(req.headers())? else { return Ok(None) };
    let Some(idempotency) = req.app_data::<web::Data<Idempotency>>().cloned() else { return Ok(None) };
    let Some(sessions) = req.app_data::<web::Data<std::sync::Arc<dyn SessionLookup>>>().cloned() else {
        return Ok(None);
    };
    let Some(credential) = session_credential(req.request()) else { return Ok(None) };
    let caller = match sessions.by_session_token(&credential.token).await {
        Ok(principal) => principal.user_id,
        Err(problem) if problem.kind() == ErrorKind::Unauthenticated => return Ok(None),
        Err(problem) => return Err(problem),
    };
    let body = take_body(req).await?;
    let route = req.match_pattern().unwrap_or_else(|| req.path().to_owned());
    let scope = digest(&[caller.0.as_bytes(), route.as_bytes(), key.as_bytes()]);
    let media = req.headers().get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let fingerprint = digest(&[req.path().as_bytes(), req.query_string().as_bytes(), media, &body]);
    req.set_payload(Payload::from(body));

    let now = idempotency.clock.now();
    match store::claim(&idempotency.database, &scope, &fingerprint, caller, now).await? {
        Claim::Run { owner, resource_id } => {
            req.extensions_mut().insert(IdempotencyKey::new(key, resource_id));
            Ok(Some(Admitted::Run(Run { idempotency, scope, owner })))
        }
        Claim::Answered(answer) => Ok(Some(Admitted::Answered(answer))),
        Claim::InFlight => Err(Problem::new(
            ErrorKind::Conflict,
            "a request with this Idempotency-Key is being worked on; ask again for its answer",
        )
        .retry_after(std::time::Duration::from_secs(1))),
        Claim::Other => Err(Problem::new(
            ErrorKind::Invalid,
            "this Idempotency-Key was used for another request; take a fresh one",
        )),
    }
}

/// The parts, told apart by their lengths.
fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

async fn take_body(req: &mut ServiceRequest) -> Result<Bytes, Problem> {
    let limit = req.app_data::<web::Data<Config>>().map_or(256 * 1024, |config| config.server.max_body_bytes);
    let mut payload = req.take_payload();
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk =
            chunk.map_err(|e| Problem::new(ErrorKind::BadRequest, format!("the body broke off: {e}")))?;
        if body.len() + chunk.len() > limit {
            let said = format!("the body is over the limit of {limit} bytes");
            return Err(Problem::new(ErrorKind::TooLarge, said));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

impl Run {
    async fn finish<B: MessageBody + 'static>(
        self,
        outcome: Result<ServiceResponse<B>, Error>,
    ) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, Error> {
        let response = match outcome {
            Ok(response) if keeps(response.status()) => response,
            Ok(response) => {
                self.release().await;
                return Ok(response.map_into_left_body());
            }
            Err(error) => {
                self.release().await;
                return Err(error);
            }
        };
        let (request, response) = response.into_parts();
        let (head, body) = response.into_parts();
        let body = match to_bytes_limited(body, LARGEST).await {
            Ok(Ok(body)) => body,
            _ => {
                self.release().await;
                let said = "the answer could not be read";
                let problem = Problem::new(ErrorKind::Internal, said);
                return Ok(ServiceResponse::new(request, problem.error_response()).map_into_right_body());
            }
        };
        let header = |name: &HeaderName| {
            let value = head.headers().get(name)?.to_str().ok()?;
            Some((name.as_str().to_owned(), value.to_owned()))
        };
        let answer = Stored {
            status: head.status().as_u16(),
            headers: KEPT_HEADERS.iter().filter_map(header).collect(),
            body: body.to_vec(),
        };
        if let Err(error) = store::save(&self.idempotency.database, &self.scope, self.owner, &answer).await {
            // The effect stands and is answered; a repetition will wait for the lock and run again.
            slog::warn!(log(), "an answer could not be kept for its Idempotency-Key"; "error" => %error);
        }
        let response = head.set_body(BoxBody::new(body));
        Ok(ServiceResponse::new(request, response).map_into_right_body())
    }

    async fn release(&self) {
        let now = self.idempotency.clock.now();
        if let Err(error) = store::release(&self.idempotency.database, &self.scope, self.owner, now).await {
            slog::debug!(log(), "an Idempotency-Key stays locked for a while"; "error" => %error);
        }
    }
}

/// Whether a repetition gets this answer too.
fn keeps(status: StatusCode) -> bool {
    let of_the_moment =
        [StatusCode::UNAUTHORIZED, StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
    !status.is_server_error() && !of_the_moment.contains(&status)
}

fn replay(answer: &Stored) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    for (name, value) in &answer.headers {
        response.insert_header((name.as_str(), value.as_str()));
    }
    response.insert_header((REPLAYED, "true"));
    response.body(answer.body.clone())
}
