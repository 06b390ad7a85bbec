//! A QR code (ISO/IEC 18004) as one path.

use krilla::geom::{Path, PathBuilder, Rect};
use qrcode::{Color, EcLevel, QrCode};

use super::DocumentError;

/// Light modules around the code, as the standard asks for.
const QUIET: usize = 4;

/// A code that says `text`, its quiet zone included, in a square of `side` points with its left upper
/// corner at (`x`, `y`). 15 % of it may be damaged (level M).
///
/// # Errors
/// [`DocumentError::TooLong`] beyond 2,331 bytes.
pub fn path(text: &str, x: f32, y: f32, side: f32) -> Result<Option<Path>, DocumentError> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).map_err(|_| DocumentError::TooLong)?;
    let across = code.width();
    let module = side / (across + 2 * QUIET) as f32;
    let mut path = PathBuilder::new();
    for (row, colors) in code.to_colors().chunks(across).enumerate() {
        let mut column = 0;
        while column < across {
            // Dark modules side by side are one rectangle: no hairlines between them.
            let dark = colors[column..].iter().take_while(|color| **color == Color::Dark).count();
            if dark > 0 {
                let place = |n: usize| (n + QUIET) as f32 * module;
                let rect =
                    Rect::from_xywh(x + place(column), y + place(row), dark as f32 * module, module * 1.01);
                if let Some(rect) = rect {
                    path.push_rect(rect);
                }
            }
            column += dark.max(1);
        }
    }
    Ok(path.finish())
}
