//! Documents as PDF: which fonts there are, and lines of text in any script; for whoever writes documents.

mod fonts;
mod text;

pub use fonts::{Fonts, LazyFonts};
pub use text::{Line, Run, Typesetter};

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// Letters that no font has.
    #[error("no font here has {}", codes(.0))]
    NoFont(Vec<char>),
    /// A font's file is gone.
    #[error("a font cannot be read")]
    Unreadable(#[source] std::io::Error),
    /// A font's file is another one than it was at the start.
    #[error("a font is not one any more")]
    BadFont,
    /// More than a QR code holds.
    #[error("the address does not fit into a QR code")]
    TooLong,
    /// What was written does not keep to the standards it says it does.
    #[error("the document cannot be written: {0}")]
    Refused(String),
}

fn codes(chars: &[char]) -> String {
    let codes: Vec<String> = chars.iter().take(20).map(|c| format!("U+{:04X}", u32::from(*c))).collect();
    codes.join(", ")
}
