//! The rendered form of a text: a small, closed markup. Three things are marks, everything else is text:
//!
//! | written | becomes |
//! | --- | --- |
//! | `` `code` `` on one line | `<code>code</code>` |
//! | ```` ``` ```` … ```` ``` ````, from the begin of a line | `<pre><code>…</code></pre>` |
//! | `http://…`, `https://…` | `<a href="…" rel="noopener noreferrer nofollow" target="_blank">…</a>` |
//!
//! What is kept is the text; the HTML is made from it on its way out. It holds no tag but those four and
//! no attribute but those three, whatever was typed; line feeds stay as they are (show it with
//! `white-space: pre-wrap`). A text without marks has no rendered form: it is itself, escaped.

use serde_json::{Map, Value};
use url::Url;

/// A piece of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// As it stands.
    Text(&'a str),
    /// Between single back-ticks.
    Code(&'a str),
    /// Between triple back-ticks.
    Block(&'a str),
    /// An absolute http or https URL.
    Link(&'a str),
}

const FENCE: &str = "```";

/// The pieces of a text, in order.
pub fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((before, inside, after)) = next_block(rest) {
        inline(before, &mut found);
        found.push(Piece::Block(inside));
        rest = after;
    }
    inline(rest, &mut found);
    found
}

/// The first fenced block: what is before it, in it, behind it.
fn next_block(text: &str) -> Option<(&str, &str, &str)> {
    let at_line = |at: usize| at == 0 || text.as_bytes()[at - 1] == b'\n';
    let open = text.match_indices(FENCE).map(|(at, _)| at).find(|at| at_line(*at))?;
    let inside = &text[open + FENCE.len()..];
    let close = inside.find(FENCE)?;
    let (inside, after) = (&inside[..close], &inside[close + FENCE.len()..]);
    // A word right behind the fence names a language, not content.
    let first = inside.split('\n').next().unwrap_or_default();
    let is_name =
        inside.contains('\n') && first.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-#.".contains(&b));
    let inside = if is_name { &inside[first.len() + 1..] } else { inside };
    let inside = inside.strip_suffix('\n').unwrap_or(inside);
    let after = after.strip_prefix('\n').unwrap_or(after);
    Some((&text[..open], inside, after))
}

fn inline<'a>(text: &'a str, found: &mut Vec<Piece<'a>>) {
    let mut rest = text;
    let mut start = 0;
    while start < rest.len() {
        let Some(at) = rest[start..].find(['`', 'h', 'H']).map(|at| at + start) else { break };
        let piece = match rest.as_bytes()[at] {
            b'`' => code(&rest[at..]),
            _ => link(rest, at),
        };
        let Some((piece, length)) = piece else {
            // Back-ticks in a row are one thing: the second does not open what the first did not.
            let row = rest.as_bytes()[at..].iter().take_while(|&&b| b == b'`').count();
            start = at + row.max(1);
            continue;
        };
        if at > 0 {
            found.push(Piece::Text(&rest[..at]));
        }
        found.push(piece);
        rest = &rest[at + length..];
        start = 0;
    }
    if !rest.is_empty() {
        found.push(Piece::Text(rest));
    }
}

fn code(text: &str) -> Option<(Piece<'_>, usize)> {
    let inside = &text[1..];
    let end = inside.find(['`', '\n'])?;
    (end > 0 && inside.as_bytes()[end] == b'`').then(|| (Piece::Code(&inside[..end]), end + 2))
}

fn link(text: &str, at: usize) -> Option<(Piece<'_>, usize)> {
    if text[..at].chars().next_back().is_some_and(char::is_alphanumeric) {
        return None;
    }
    let rest = &text[at..];
    let scheme = ["http://", "https://"]
        .into_iter()
        .find(|scheme| rest.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme)))?;
    let end = rest.find(|c: char| c.is_whitespace() || "<>\"`".contains(c)).unwrap_or(rest.len());
    let mut url = &rest[..end];
    // The sentence's punctuation is not the link's; a bracket is if it was opened inside.
    while let Some(last) = url.chars().next_back() {
        let closes = matches!(last, ')') && url.matches('(').count() < url.matches(')').count();
        if !(closes || ".,;:!?'*_]}".contains(last)) {
            break;
        }
        url = &url[..url.len() - last.len_utf8()];
    }
    let parsed = (url.len() > scheme.len()).then(|| Url::parse(url).ok()).flatten()?;
    parsed.has_host().then_some((Piece::Link(url), url.len()))
}

fn escape(text: &str, into: &mut String) {
    for c in text.chars() {
        match c {
            '&' => into.push_str("&amp;"),
            '<' => into.push_str("&lt;"),
            '>' => into.push_str("&gt;"),
            '"' => into.push_str("&quot;"),
            '\'' => into.push_str("&#39;"),
            c => into.push(c),
        }
    }
}

/// The text as safe HTML, unless that is the text itself, escaped.
pub fn html(text: &str) -> Option<String> {
    // Most texts have no mark: they are not taken apart.
    if !text.contains('`') && !text.contains("://") {
        return None;
    }
    let pieces = pieces(text);
    if pieces.iter().all(|piece| matches!(piece, Piece::Text(_))) {
        return None;
    }
    let mut html = String::with_capacity(text.len() + 64);
    for piece in pieces {
        match piece {
            Piece::Text(text) => escape(text, &mut html),
            Piece::Code(text) => {
                html.push_str("<code>");
                escape(text, &mut html);
                html.push_str("</code>");
            }
            Piece::Block(text) => {
                html.push_str("<pre><code>");
                escape(text, &mut html);
                html.push_str("</code></pre>");
            }
            Piece::Link(url) => {
                html.push_str("<a href=\"");
                // As the parser reads it: what is shown and where it leads are the same URL.
                match Url::parse(url) {
                    Ok(parsed) => escape(parsed.as_str(), &mut html),
                    Err(_) => escape(url, &mut html),
                }
                html.push_str("\" rel=\"noopener noreferrer nofollow\" target=\"_blank\">");
                escape(url, &mut html);
                html.push_str("</a>");
            }
        }
    }
    Some(html)
}

/// Adds the rendered form of a text, if it has one.
pub fn add_html(data: &mut Map<String, Value>, body: &str) {
    if let Some(html) = html(body) {
        data.insert("html".into(), Value::String(html));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn marks_are_rendered() {
        assert_eq!(html("plain <b>text</b>"), None);
        assert_eq!(html("run `rm -r <dir>` now").unwrap(), "run <code>rm -r &lt;dir&gt;</code> now");
        assert_eq!(
            html("```rust\nlet x = \"<\";\n```\nthat").unwrap(),
            "<pre><code>let x = &quot;&lt;&quot;;</code></pre>that"
        );
        assert_eq!(
            html("see (https://example.com/a_(b)?x=1&y=2).").unwrap(),
            "see (<a href=\"https://example.com/a_(b)?x=1&amp;y=2\" rel=\"noopener noreferrer nofollow\" \
             target=\"_blank\">https://example.com/a_(b)?x=1&amp;y=2</a>)."
        );
        assert_eq!(html("`` and ` alone, http:// and xhttps://example.com"), None);
        assert_eq!(html("javascript://example.com/%0aalert(1)"), None);
        assert!(html("`https://example.com`").unwrap().starts_with("<code>https"), "code is not linked");
    }

    /// Takes the known tags away; what is left must have none.
    fn bare(html: &str) -> String {
        let mut text = html.to_owned();
        for tag in ["<pre><code>", "</code></pre>", "<code>", "</code>", "</a>"] {
            text = text.replace(tag, "");
        }
        while let Some(at) = text.find("<a href=\"") {
            let rest = &text[at + 9..];
            let end = rest.find("\" rel=\"noopener noreferrer nofollow\" target=\"_blank\">").unwrap();
            let href = &rest[..end];
            assert!(href.starts_with("http://") || href.starts_with("https://"), "{href}");
            assert!(!href.contains(['"', '<', '>', '\'']), "{href}");
            text = format!("{}{}", &text[..at], &rest[end + 53..]);
        }
        text
    }

    fn unescape(text: &str) -> String {
        let text =
            text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'");
        text.replace("&amp;", "&")
    }

    fn typed() -> impl Strategy<Value = String> {
        let bit = prop_oneof![
            4 => Just("`".to_owned()), 3 => Just("```".to_owned()), 3 => Just("\n".to_owned()),
            4 => Just("https://example.com/".to_owned()), 1 => Just("http://".to_owned()),
            2 => Just("<script>alert('x')</script>".to_owned()), 1 => Just("\" onclick=\"x".to_owned()),
            1 => Just("&lt;&amp;".to_owned()), 1 => Just("javascript:x".to_owned()),
            4 => "[ -~]{0,8}", 2 => "\\PC{0,6}",
        ];
        prop::collection::vec(bit, 0..12).prop_map(|bits| bits.concat())
    }

    proptest! {
        #[test]
        fn what_was_typed_never_becomes_markup(text in typed()) {
            let parts = pieces(&text);
            if let Some(html) = html(&text) {
                let bare = bare(&html);
                prop_assert!(!bare.contains(['<', '>', '"', '\'']), "{}", html);
                let content: String = parts.iter().map(|piece| match piece {
                    Piece::Text(text) | Piece::Code(text) | Piece::Block(text) | Piece::Link(text) => *text,
                }).collect();
                prop_assert_eq!(unescape(&bare), content, "nothing is lost, nothing is added");
            } else {
                prop_assert!(parts.iter().all(|piece| matches!(piece, Piece::Text(_))));
            }
        }
    }
}
