//! The API document (OpenAPI 3.1), generated from the handlers.

use actix_web::HttpResponse;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        ContentBuilder, Ref, RefOr, ResponseBuilder,
        security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme},
    },
};

use super::problem::{MEDIA_TYPE, ProblemBody};
use crate::{contexts, error::FieldError};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Gigsy",
        description = "Careers, gigs, learning and chat on one real-time platform.\n\n\
            Failures are `application/problem+json` (RFC 9457). Lists are paged by opaque cursors. \
            Real-time traffic goes over one WebSocket at `/connection/websocket` in the Centrifuge \
            client protocol; every rpc has a REST twin here.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    components(schemas(ProblemBody, FieldError)),
    paths(
        super::health::healthz, super::health::readyz, super::health::metrics, super::health::demo,
        super::ops::actors, super::ops::restart, super::ops::system, super::ops::trace,
    ),
    tags(
        (name = "auth", description = "Accounts, sign-in, sessions"),
        (name = "me", description = "The caller's own profile"),
        (name = "chat", description = "Rooms, members, messages"),
        (name = "realtime", description = "Connection tokens"),
        (name = "ops", description = "For operators"),
        (name = "health", description = "Liveness, readiness, metrics"),
    ),
    modifiers(&House)
)]
struct Base;

/// What is the same for every operation.
struct House;

impl Modify for House {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let components = api.components.get_or_insert_with(Default::default);
        components.add_security_scheme("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
        components.add_security_scheme(
            "cookie",
            SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(super::extract::COOKIE))),
        );
    }
}

/// The whole document.
pub fn document() -> utoipa::openapi::OpenApi {
    let mut api = Base::openapi();
    api.merge(contexts::identity::api());
    api.merge(contexts::chat::api());
    api.merge(contexts::gigs::api());
    api.merge(contexts::ledger::api());
    api.merge(contexts::objects::api());
    api.merge(contexts::learning::api());
    api.merge(contexts::gamification::api());
    api.merge(contexts::activity::api());
    api.merge(contexts::notifications::api());
    api.merge(contexts::career::api());
    api.merge(contexts::privacy::api());
    api.merge(contexts::discovery::api());
    answer_problems(&mut api);
    api
}

/// Any operation may meet these; they are added here once instead of on every handler.
fn answer_problems(api: &mut utoipa::openapi::OpenApi) {
    for (path, item) in &mut api.paths.paths {
        if !path.starts_with("/api/v1/") {
            continue;
        }
        let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            for (status, said) in [
                ("400", "The request could not be read"),
                ("401", "Sign in first"),
                ("403", "Not allowed"),
                ("404", "Not found"),
                ("409", "Contradicts the present state"),
                ("413", "Too large"),
                ("415", "Unsupported media type"),
                ("422", "A value is not acceptable"),
                ("429", "Too many requests"),
                ("503", "Temporarily unavailable"),
            ] {
                operation.responses.responses.entry(status.to_owned()).or_insert_with(|| {
                    let problem = ContentBuilder::new()
                        .schema(Some(RefOr::Ref(Ref::from_schema_name("Problem"))))
                        .build();
                    ResponseBuilder::new().description(said).content(MEDIA_TYPE, problem).build().into()
                });
            }
        }
    }
}

/// `GET /api/openapi.json`
pub async fn json() -> HttpResponse {
    HttpResponse::Ok().json(document())
}
