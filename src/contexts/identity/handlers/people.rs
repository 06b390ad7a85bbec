//! Other people.

use actix_web::{HttpResponse, web};

use super::id;
use crate::{
    contexts::identity::{Identity, Person},
    http::{Problem, SignedIn},
    principal::UserId,
};

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
    let person = identity.directory().person(id(&path, "person")?).await?;
    Ok(HttpResponse::Ok().json(person))
}
