//! Everything that one wrote.

use actix_web::{HttpResponse, http::header, web};
use bytes::Bytes;
use futures_util::stream;

use crate::{
    contexts::chat::{Chat, ChatError, ExportPlace, ExportedMessage},
    http::{Problem, SignedIn},
    principal::UserId,
    telemetry::log,
};

/// Messages read at once.
const PAGE: usize = 500;

/// All of one's own messages, in all rooms, those left included: a JSON object a line.
///
/// It is read while it is sent. If a store goes away meanwhile, the answer breaks off without an end.
#[utoipa::path(get, path = "/api/v1/chat/export", tag = "chat",
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The messages, one a line", body = ExportedMessage,
        content_type = "application/x-ndjson")))]
pub async fn export(chat: web::Data<Chat>, who: SignedIn) -> Result<HttpResponse, Problem> {
    let (chat, user) = (chat.get_ref().clone(), who.0.user_id);
    // The first page before the answer begins: a store that is away is a 503.
    let (first, after) = page(&chat, user, None).await?;
    let rest = stream::unfold(after, move |after| {
        let chat = chat.clone();
        async move {
            let after = after?;
            match page(&chat, user, Some(after)).await {
                Ok((lines, next)) => Some((Ok(lines), next)),
                Err(error) => {
                    slog::warn!(log(), "an export breaks off"; "user_id" => %user, "error" => %error);
                    Some((Err(actix_web::error::ErrorServiceUnavailable("a store is away")), None))
                }
            }
        }
    });
    let body = futures_util::StreamExt::chain(stream::iter([Ok::<_, actix_web::Error>(first)]), rest);
    Ok(HttpResponse::Ok()
        .content_type("application/x-ndjson")
        .insert_header((header::CACHE_CONTROL, "private, no-store"))
        .insert_header((header::CONTENT_DISPOSITION, "attachment; filename=\"gigsy-messages.ndjson\""))
        .streaming(Box::pin(body)))
}

async fn page(
    chat: &Chat,
    user: UserId,
    after: Option<ExportPlace>,
) -> Result<(Bytes, Option<ExportPlace>), ChatError> {
    let found: Vec<ExportedMessage> = chat.export(user, after, PAGE).await?;
    let next = found.last().filter(|_| found.len() == PAGE).map(|last| (last.room_id, last.seq));
    let mut lines = Vec::new();
    for message in &found {
        serde_json::to_writer(&mut lines, message).map_err(|error| ChatError::Store(error.into()))?;
        lines.push(b'\n');
    }
    Ok((lines.into(), next))
}
