//! The rendered form of a text.

use serde_json::{Map, Value};

/// The text as safe HTML, unless that is the text itself, escaped.
pub fn html(_body: &str) -> Option<String> {
    None
}

/// Adds the rendered form of a text, if it has one.
pub fn add_html(data: &mut Map<String, Value>, body: &str) {
    if let Some(html) = html(body) {
        data.insert("html".into(), Value::String(html));
    }
}
