//! Milestones.

use actix_web::{HttpResponse, web};

use super::id;
use crate::{
    contexts::gigs::{Gigs, MilestoneForm, MilestoneId, MilestoneView},
    http::{OptionalJson, Problem, SignedIn},
};

/// A milestone, for the two sides of its contract and operators.
#[utoipa::path(get, path = "/api/v1/milestones/{id}", tag = "contracts",
    params(("id" = MilestoneId, Path, description = "The milestone")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The milestone", body = MilestoneView)))]
pub async fn get(
    gigs: web::Data<Gigs>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(gigs.milestone(&who.0, id(&path, "milestone")?).await?))
}

/// Take a step: `fund`, `request_changes`, `approve`, `request_refund` (the client), `submit`,
/// `agree_refund` (the student), `dispute` (either).
///
/// `fund` prepares a payment with the provider: the answer's `payment` tells what the browser completes
/// it with, and only the provider's webhook makes the milestone `funded`. A step that is not possible
/// now is a 409 with `allowed_transitions`.
#[utoipa::path(post, path = "/api/v1/milestones/{id}/{transition}", tag = "contracts",
    request_body = Option<MilestoneForm>,
    params(
        ("id" = MilestoneId, Path, description = "The milestone"),
        ("transition" = String, Path, description = "The step"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The milestone as it is now", body = MilestoneView)))]
pub async fn transition(
    gigs: web::Data<Gigs>,
    who: SignedIn,
    path: web::Path<(String, String)>,
    form: OptionalJson<MilestoneForm>,
) -> Result<HttpResponse, Problem> {
    let (milestone, step) = path.into_inner();
    let milestone = id(&milestone, "milestone")?;
    Ok(HttpResponse::Ok().json(gigs.move_milestone(&who.0, milestone, &step, &form.0).await?))
}
