//! Where the last link of a mail leads, and where mail programs post to (RFC 8058). No session: the
//! token is all the right one needs. A GET changes nothing, because programs that look into mails follow
//! links.

use actix_web::{HttpResponse, http::header, web};
use serde::Deserialize;

use crate::{
    contexts::notifications::{Notifications, NotificationsError, letters::escape},
    error::Fault,
    http::{Problem, Query, pages},
    telemetry::log,
};

/// The query string.
#[derive(Deserialize)]
pub struct Link {
    #[serde(default)]
    token: String,
}

/// Asks whether that is meant: `GET /unsubscribe?token=`.
pub async fn ask(notifications: web::Data<Notifications>, link: Query<Link>) -> HttpResponse {
    match notifications.unsubscribe_token(&link.0.token) {
        Ok(ends) => page(
            200,
            "No more such mails?",
            &format!(
                "<p>You will get no more {}. In Gigsy itself nothing changes.</p>\n\
                 <form method=\"post\"><button type=\"submit\" class=\"main wide\">No more such mails</button></form>",
                escape(&ends.words())
            ),
        ),
        Err(error) => failed(&error),
    }
}

/// Ends the mails: `POST /unsubscribe?token=`, from the page above or by a mail program's one click.
///
/// # Errors
/// 503 where the store is away; a mail program tries again.
pub async fn end(
    notifications: web::Data<Notifications>,
    link: Query<Link>,
) -> Result<HttpResponse, Problem> {
    let ends = match notifications.unsubscribe_token(&link.0.token) {
        Ok(ends) => ends,
        Err(error) => return Ok(failed(&error)),
    };
    notifications.unsubscribe(ends).await?;
    slog::info!(log(), "somebody wants no more mails"; "what" => ends.words());
    let said = format!(
        "<p>You will get no more {}. You can take it back in your preferences.</p>\n<p><a href=\"/\">To Gigsy</a></p>",
        escape(&ends.words())
    );
    Ok(page(200, "Done", &said))
}

fn failed(error: &NotificationsError) -> HttpResponse {
    let said = format!("<p>{}.</p>\n<p><a href=\"/\">To Gigsy</a></p>", escape(&error.to_string()));
    page(error.kind().status(), "That did not work", &said)
}

fn page(status: u16, title: &str, inner: &str) -> HttpResponse {
    let status = actix_web::http::StatusCode::from_u16(status).unwrap_or_default();
    HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CONTENT_SECURITY_POLICY, pages::POLICY))
        .insert_header((header::REFERRER_POLICY, pages::NO_REFERRER))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"robots\" content=\"noindex\">\n\
             <title>{title} · Gigsy</title>\n<link rel=\"icon\" href=\"/assets/icon.svg\" type=\"image/svg+xml\">\n\
             <link rel=\"stylesheet\" href=\"/assets/app.css\">\n</head>\n<body>\n\
             <header class=\"bar\"><a class=\"brand\" href=\"/\"><img src=\"/assets/icon.svg\" alt=\"\" width=\"26\" \
             height=\"26\">Gigsy</a></header>\n<main class=\"gate\" id=\"main\">\n<div class=\"card stack\">\n<h1>{title}</h1>\n{inner}\n</div>\n</main>\n\
             </body>\n</html>\n"
        ))
}
