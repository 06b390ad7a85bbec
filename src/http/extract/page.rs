//! Keyset paging: `?limit=&cursor=` in, items, `next_cursor` and a `Link` header out (RFC 8288).

use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, http::header};
use serde::{Deserialize, Serialize};

use crate::{error::ErrorKind, http::Problem};

/// The most items that one page may hold.
pub const MAX_LIMIT: u32 = 100;
const DEFAULT_LIMIT: u32 = 50;

/// The paging parameters of a list.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// How many items at most, 1 to 100; 50 by default.
    #[param(minimum = 1, maximum = 100)]
    pub limit: Option<u32>,
    /// Where to go on: `next_cursor` of the page before. Opaque and signed.
    pub cursor: Option<String>,
}

impl PageQuery {
    /// The limit within its bounds.
    ///
    /// # Errors
    /// 422 naming `?limit`.
    pub fn limit(&self) -> Result<usize, Problem> {
        match self.limit.unwrap_or(DEFAULT_LIMIT) {
            n @ 1..=MAX_LIMIT => Ok(n as usize),
            _ => Err(Problem::field(ErrorKind::Invalid, "?limit", format!("must be from 1 to {MAX_LIMIT}"))),
        }
    }
}

/// One page of a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// Present while there is more: pass it as `?cursor=`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl<T: Serialize> Page<T> {
    /// The 200 answer, with `Link: …; rel="next"` while there is more.
    pub fn respond(&self, req: &HttpRequest) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        if let Some(cursor) = &self.next_cursor {
            link_next(&mut response, req, cursor);
        }
        response.json(self)
    }
}

/// Adds `Link: …; rel="next"`.
pub(crate) fn link_next(response: &mut HttpResponseBuilder, req: &HttpRequest, cursor: &str) {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in url::form_urlencoded::parse(req.query_string().as_bytes()) {
        if name != "cursor" {
            query.append_pair(&name, &value);
        }
    }
    query.append_pair("cursor", cursor);
    response.insert_header((header::LINK, format!("<{}?{}>; rel=\"next\"", req.path(), query.finish())));
}
