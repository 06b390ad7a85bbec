//! What bytes are, by their first ones (the patterns of WHATWG MIME Sniffing §6, as far as we take them).

/// The kinds of content that may be uploaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum MediaType {
    Mp4,
    WebM,
    Png,
    Jpeg,
    Gif,
    WebP,
    Pdf,
    /// Also office documents, which are zipped.
    Zip,
    /// Text of any sort: captions, Markdown, tables, code.
    Text,
}

/// Media types by name, with the content that they must have.
const NAMES: &[(&str, MediaType)] = &[
    ("video/mp4", MediaType::Mp4),
    ("video/webm", MediaType::WebM),
    ("image/png", MediaType::Png),
    ("image/jpeg", MediaType::Jpeg),
    ("image/gif", MediaType::Gif),
    ("image/webp", MediaType::WebP),
    ("application/pdf", MediaType::Pdf),
    ("application/zip", MediaType::Zip),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", MediaType::Zip),
    ("application/vnd.openxmlformats-officedocument.presentationml.presentation", MediaType::Zip),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", MediaType::Zip),
    ("application/vnd.oasis.opendocument.text", MediaType::Zip),
    ("text/plain", MediaType::Text),
    ("text/markdown", MediaType::Text),
    ("text/csv", MediaType::Text),
    ("text/vtt", MediaType::Text),
];

impl MediaType {
    /// The kind that a media type promises; `None` for one that is not taken.
    pub fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, kind)| *kind)
    }

    /// The media types that are taken.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }

    /// Whether a browser may show it in a page's place: nothing that could hold a script.
    pub fn is_inline(self) -> bool {
        matches!(self, Self::Mp4 | Self::WebM | Self::Png | Self::Jpeg | Self::Gif | Self::WebP)
    }
}

/// How many first bytes are worth having.
pub const LOOK: usize = 1024;

/// What content begins like `head`; `None` for what is not taken.
pub fn sniff(head: &[u8]) -> Option<MediaType> {
    let head = &head[..head.len().min(LOOK)];
    let at = |from: usize, magic: &[u8]| head.get(from..from + magic.len()) == Some(magic);
    if at(4, b"ftyp") {
        return Some(MediaType::Mp4);
    }
    for (magic, kind) in [
        (&b"\x1a\x45\xdf\xa3"[..], MediaType::WebM),
        (b"\x89PNG\r\n\x1a\n", MediaType::Png),
        (b"\xff\xd8\xff", MediaType::Jpeg),
        (b"GIF87a", MediaType::Gif),
        (b"GIF89a", MediaType::Gif),
        (b"%PDF-", MediaType::Pdf),
        (b"PK\x03\x04", MediaType::Zip),
        (b"PK\x05\x06", MediaType::Zip),
    ] {
        if at(0, magic) {
            return Some(kind);
        }
    }
    if at(0, b"RIFF") && at(8, b"WEBP") {
        return Some(MediaType::WebP);
    }
    is_text(head).then_some(MediaType::Text)
}

/// UTF-8 (cut anywhere) without control characters, and no markup that a browser would run.
fn is_text(head: &[u8]) -> bool {
    let whole = match std::str::from_utf8(head) {
        Ok(text) => text,
        // The last character may be cut, as `head` is.
        Err(error) if error.error_len().is_none() && head.len() == LOOK => {
            std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    let control = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}');
    if whole.chars().any(control) {
        return false;
    }
    let start = whole.trim_start_matches('\u{feff}').trim_start().to_ascii_lowercase();
    !["<!doctype", "<html", "<script", "<svg", "<?xml", "<body", "<head", "<iframe"]
        .iter()
        .any(|tag| start.starts_with(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_known_by_its_bytes() {
        for (head, kind) in [
            (&b"\x00\x00\x00\x20ftypisom"[..], Some(MediaType::Mp4)),
            (b"\x1a\x45\xdf\xa3....", Some(MediaType::WebM)),
            (b"\x89PNG\r\n\x1a\n", Some(MediaType::Png)),
            (b"RIFF....WEBPVP8 ", Some(MediaType::WebP)),
            (b"%PDF-1.7", Some(MediaType::Pdf)),
            (b"PK\x03\x04", Some(MediaType::Zip)),
            ("WEBVTT\n\n00:00 --> 00:01\nGrüße".as_bytes(), Some(MediaType::Text)),
            (b"", Some(MediaType::Text)),
            (b"\x7fELF\x02\x01\x01\x00", None),
            (b"MZ\x90\x00", None),
            (b"  <!DOCTYPE html><script>", None),
            ("\u{feff}<svg onload=alert(1)>".as_bytes(), None),
            (b"caf\xe9", None),
        ] {
            assert_eq!(sniff(head), kind, "{head:?}");
        }
        let long = "ä".repeat(2_000);
        assert_eq!(sniff(&long.as_bytes()[1..]), None);
        assert_eq!(sniff(format!("x{long}").as_bytes()), Some(MediaType::Text));
    }
}
