//! Other people.

use actix_web::{HttpResponse, web};
use serde::Deserialize;

use super::id;
use crate::{
    contexts::identity::{Identity, IdentityError, Person},
    http::{Page, Problem, Query, SignedIn},
    principal::UserId,
};

/// The longest text that is searched for, in characters.
const MAX_TEXT: usize = 254;
/// Suggestions are read at a glance.
const MOST: usize = 20;

/// Whom to look for.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PeopleQuery {
    /// Part of a name, or a whole e-mail address.
    #[param(min_length = 1, max_length = 254)]
    pub q: String,
}

/// People to invite or write to, by name or address; at most twenty.
#[utoipa::path(get, path = "/api/v1/people", tag = "people", params(PeopleQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "Those who match", body = Page<Person>)))]
pub async fn find(
    identity: web::Data<Identity>,
    _who: SignedIn,
    query: Query<PeopleQuery>,
) -> Result<HttpResponse, Problem> {
    let text = query.0.q;
    if text.trim().is_empty() || text.chars().count() > MAX_TEXT {
        return Err(IdentityError::field("?q", "takes 1 to 254 characters").into());
    }
    let items = identity.directory().find(&text, MOST).await?;
    Ok(HttpResponse::Ok().json(Page { items, next_cursor: None }))
}

/// What others may know of a person.
#[utoipa::path(get, path = "/api/v1/people/{id}", tag = "people",
    params(("id" = UserId, Path, description = "The person")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The person", body = Person)))]
pub async fn get(
    identity: web::Data<Identity>,
    _who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let person = identity.public_profile(id(&path, "person")?).await?;
    Ok(HttpResponse::Ok().json(person))
}
