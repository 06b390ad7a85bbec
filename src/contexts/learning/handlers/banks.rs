//! Banks of questions.

use actix_web::{HttpRequest, HttpResponse, http::header, web};

use super::{id, seen, tagged};
use crate::{
    contexts::learning::{
        BankForm, BankId, BankView, ImportForm, ImportView, Learning, QtiView, QuestionForm, QuestionId,
        QuestionStatistics, QuestionView,
    },
    http::{Idempotent, IfMatch, Json, Page, PageQuery, Problem, Query, SignedIn},
};

/// Make a bank of questions. Takes the role `instructor`.
#[utoipa::path(post, path = "/api/v1/banks", tag = "quizzes", request_body = BankForm,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition harmless")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 201, description = "Made", body = BankView)))]
pub async fn create(
    learning: web::Data<Learning>,
    who: SignedIn,
    key: Idempotent,
    form: Json<BankForm>,
) -> Result<HttpResponse, Problem> {
    let bank = learning.make_bank(&who.0, key.resource_id(), &form.0).await?;
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, format!("/api/v1/banks/{}", bank.id)))
        .json(bank))
}

/// One's banks, the newest first.
#[utoipa::path(get, path = "/api/v1/banks", tag = "quizzes", params(PageQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "A page of banks", body = Page<BankView>)))]
pub async fn list(
    learning: web::Data<Learning>,
    who: SignedIn,
    query: Query<PageQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let limit = query.0.limit()?;
    let (items, next_cursor) = learning.banks(&who.0, limit, query.0.cursor.as_deref()).await?;
    Ok(Page { items, next_cursor }.respond(&req))
}

/// A bank with its questions, answers included. Takes owning it.
#[utoipa::path(get, path = "/api/v1/banks/{id}", tag = "quizzes",
    params(("id" = BankId, Path, description = "The bank")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The bank", body = BankView)))]
pub async fn get(
    learning: web::Data<Learning>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(learning.bank(&who.0, id(&path, "bank")?).await?))
}

/// Add a question.
#[utoipa::path(post, path = "/api/v1/banks/{id}/questions", tag = "quizzes", request_body = QuestionForm,
    params(
        ("id" = BankId, Path, description = "The bank"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition harmless"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 201, description = "Added", body = QuestionView)))]
pub async fn add(
    learning: web::Data<Learning>,
    who: SignedIn,
    path: web::Path<String>,
    key: Idempotent,
    form: Json<QuestionForm>,
) -> Result<HttpResponse, Problem> {
    let question = learning.add_question(&who.0, id(&path, "bank")?, key.resource_id(), &form.0).await?;
    Ok(tagged(HttpResponse::Created(), i64::from(question.revision), &question))
}

/// Write the next revision of a question, or retire it. Attempts keep the one that they asked.
#[utoipa::path(put, path = "/api/v1/questions/{id}", tag = "quizzes", request_body = QuestionForm,
    params(
        ("id" = QuestionId, Path, description = "The question"),
        ("If-Match" = String, Header, description = "The ETag that was last read: its revision"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses(
        (status = 200, description = "The revision", body = QuestionView),
        (status = 412, description = "Changed in the meantime", content_type = "application/problem+json"),
        (status = 428, description = "If-Match is required", content_type = "application/problem+json"),
    ))]
pub async fn revise(
    learning: web::Data<Learning>,
    who: SignedIn,
    path: web::Path<String>,
    tags: IfMatch,
    form: Json<QuestionForm>,
) -> Result<HttpResponse, Problem> {
    let question = learning.revise_question(&who.0, id(&path, "question")?, &form.0, seen(&tags)?).await?;
    Ok(tagged(HttpResponse::Ok(), i64::from(question.revision), &question))
}

/// Take the questions of a Moodle GIFT file or of QTI 2.1 items. What cannot be taken is named; the rest is.
#[utoipa::path(post, path = "/api/v1/banks/{id}/import", tag = "quizzes", request_body = ImportForm,
    params(("id" = BankId, Path, description = "The bank")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "What became of it", body = ImportView)))]
pub async fn import(
    learning: web::Data<Learning>,
    who: SignedIn,
    path: web::Path<String>,
    form: Json<ImportForm>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(learning.import(&who.0, id(&path, "bank")?, &form.0).await?))
}

/// A bank as QTI 2.1: an item a question.
#[utoipa::path(get, path = "/api/v1/banks/{id}/qti", tag = "quizzes",
    params(("id" = BankId, Path, description = "The bank")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The items", body = QtiView)))]
pub async fn qti(
    learning: web::Data<Learning>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(learning.export_qti(&who.0, id(&path, "bank")?).await?))
}

/// A bank as a Moodle GIFT file. What GIFT cannot say stands in comments at its end.
#[utoipa::path(get, path = "/api/v1/banks/{id}/export", tag = "quizzes",
    params(("id" = BankId, Path, description = "The bank")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "GIFT", body = String, content_type = "text/plain")))]
pub async fn export(
    learning: web::Data<Learning>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let gift = learning.export(&who.0, id(&path, "bank")?).await?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/plain; charset=utf-8"))
        .insert_header((header::CONTENT_DISPOSITION, "attachment; filename=\"questions.gift\""))
        .body(gift))
}

/// How a bank's questions do: difficulty and discrimination over graded attempts.
#[utoipa::path(get, path = "/api/v1/banks/{id}/statistics", tag = "quizzes",
    params(("id" = BankId, Path, description = "The bank")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "By question", body = Page<QuestionStatistics>)))]
pub async fn statistics(
    learning: web::Data<Learning>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let items = learning.statistics(&who.0, id(&path, "bank")?).await?;
    Ok(HttpResponse::Ok().json(Page { items, next_cursor: None }))
}
