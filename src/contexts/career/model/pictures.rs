//! Pictures that strangers send, made safe: decoded within limits, and encoded anew. No I/O.
//!
//! What comes out was written by us, pixel by pixel: no metadata (EXIF, GPS, XMP, colour profiles), nothing behind
//! the picture's end, no second file in the first. Only the decoders of PNG, JPEG and WebP are compiled in, all in
//! safe Rust; SVG, which can hold a script, is no picture here.

use std::io::Cursor;

use image::{
    DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, ImageError, ImageFormat, ImageReader,
    Limits,
    codecs::{jpeg::JpegEncoder, png::PngEncoder},
    imageops::FilterType,
    metadata::Orientation,
};

/// The largest file, in bytes.
pub const LARGEST: u64 = 20 << 20;
/// The most pixels: a photograph of 6,000 by 4,000.
pub const MOST_PIXELS: u64 = 24_000_000;
/// The longest side that is decoded.
const LONGEST: u32 = 12_000;
/// What a decoder may allocate, in bytes: the pixels at eight bytes each.
const MEMORY: u64 = MOST_PIXELS * 8;
/// What is kept fits into a square of this side.
const FULL: u32 = 2_048;
/// So does a thumbnail.
const SMALL: u32 = 480;
/// Of JPEG.
const QUALITY: u8 = 85;

/// A picture as we wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// The file.
    pub bytes: Vec<u8>,
    /// `image/png` where there is transparency, else `image/jpeg`.
    pub media_type: &'static str,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
}

/// A picture and its thumbnail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pictures {
    /// At most 2,048 pixels a side.
    pub full: Picture,
    /// At most 480 pixels a side.
    pub thumbnail: Picture,
}

/// Why bytes become no picture; people read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPicture {
    /// Another format.
    #[error("is no PNG, JPEG or WebP picture")]
    Format,
    /// Past a limit.
    #[error("is too large: 20 MB, 24 million pixels and 12,000 pixels a side are the most")]
    TooLarge,
    /// Broken.
    #[error("cannot be read as the picture that it says it is")]
    Broken,
}

impl From<ImageError> for NoPicture {
    fn from(error: ImageError) -> Self {
        match error {
            ImageError::Limits(_) => Self::TooLarge,
            ImageError::Unsupported(_) => Self::Format,
            _ => Self::Broken,
        }
    }
}

/// Decodes a picture, and writes it and its thumbnail anew. It takes CPU and up to about 300 MB: not on an async
/// thread, and not many at once.
///
/// # Errors
/// [`NoPicture`].
pub fn remake(bytes: &[u8]) -> Result<Pictures, NoPicture> {
    if bytes.len() as u64 > LARGEST {
        return Err(NoPicture::TooLarge);
    }
    let format = image::guess_format(bytes).map_err(|_| NoPicture::Format)?;
    if !matches!(format, ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP) {
        return Err(NoPicture::Format);
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(LONGEST);
    limits.max_image_height = Some(LONGEST);
    limits.max_alloc = Some(MEMORY);
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    // What the header claims, before anything is allocated for it.
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MOST_PIXELS || decoder.total_bytes() > MEMORY {
        return Err(NoPicture::TooLarge);
    }
    let upright = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let decoded = DynamicImage::from_decoder(decoder)?;
    // Eight bits a channel; transparency only where there is some.
    let mut picture = if decoded.color().has_alpha() {
        DynamicImage::ImageRgba8(decoded.into_rgba8())
    } else {
        DynamicImage::ImageRgb8(decoded.into_rgb8())
    };
    picture.apply_orientation(upright);
    let full = fit(picture, FULL);
    let thumbnail = fit(full.clone(), SMALL);
    Ok(Pictures { full: encode(&full)?, thumbnail: encode(&thumbnail)? })
}

fn fit(picture: DynamicImage, side: u32) -> DynamicImage {
    if picture.width() <= side && picture.height() <= side {
        return picture;
    }
    picture.resize(side, side, FilterType::Triangle)
}

fn encode(picture: &DynamicImage) -> Result<Picture, NoPicture> {
    let (width, height) = (picture.width(), picture.height());
    let mut bytes = Vec::new();
    let media_type = match picture {
        DynamicImage::ImageRgba8(pixels) => {
            let png = PngEncoder::new(&mut bytes);
            png.write_image(pixels, width, height, ExtendedColorType::Rgba8)?;
            "image/png"
        }
        other => {
            let jpeg = JpegEncoder::new_with_quality(&mut bytes, QUALITY);
            jpeg.write_image(&other.to_rgb8(), width, height, ExtendedColorType::Rgb8)?;
            "image/jpeg"
        }
    };
    Ok(Picture { bytes, media_type, width, height })
}

/// The first and the last bytes of a document, by which it is a whole PDF: it begins and ends like one. What is in it
/// is never looked at, and it is never shown in a page of ours.
#[derive(Default)]
pub struct PdfEnds {
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl PdfEnds {
    const HEAD: &[u8] = b"%PDF-";
    const TAIL: usize = 1_024;

    /// Takes what comes next of it.
    pub fn feed(&mut self, chunk: &[u8]) {
        let wanted = Self::HEAD.len().saturating_sub(self.head.len()).min(chunk.len());
        self.head.extend_from_slice(&chunk[..wanted]);
        self.tail.extend_from_slice(&chunk[chunk.len().saturating_sub(Self::TAIL)..]);
        self.tail.drain(..self.tail.len().saturating_sub(Self::TAIL));
    }

    /// Whether that was a whole PDF.
    pub fn are_whole(&self) -> bool {
        self.head == Self::HEAD && self.tail.windows(5).any(|part| part == b"%%EOF")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(width: u32, height: u32, alpha: bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        let encoder = PngEncoder::new(&mut bytes);
        let (channels, color) =
            if alpha { (4, ExtendedColorType::Rgba8) } else { (3, ExtendedColorType::Rgb8) };
        let pixels: Vec<u8> = (0..width * height * channels).map(|n| (n % 251) as u8).collect();
        encoder.write_image(&pixels, width, height, color).unwrap();
        bytes
    }

    fn jpeg(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        let pixels: Vec<u8> = (0..width * height * 3).map(|n| (n % 251) as u8).collect();
        JpegEncoder::new(&mut bytes).write_image(&pixels, width, height, ExtendedColorType::Rgb8).unwrap();
        bytes
    }

    /// A PNG whose header claims another size than its pixels have.
    fn claiming(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = png(1, 1, false);
        bytes[16..20].copy_from_slice(&width.to_be_bytes());
        bytes[20..24].copy_from_slice(&height.to_be_bytes());
        let crc = crc(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&crc.to_be_bytes());
        bytes
    }

    /// CRC-32 of PNG's chunks (ISO 3309).
    fn crc(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0_u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
        })
    }

    #[test]
    fn a_picture_is_made_anew_with_a_thumbnail() {
        let made = remake(&png(600, 300, false)).unwrap();
        assert_eq!((made.full.media_type, made.full.width, made.full.height), ("image/jpeg", 600, 300));
        assert_eq!((made.thumbnail.width, made.thumbnail.height), (480, 240));
        let made = remake(&png(20, 10, true)).unwrap();
        assert_eq!((made.full.media_type, made.full.width), ("image/png", 20));
        let made = remake(&jpeg(3_000, 1_000)).unwrap();
        assert_eq!((made.full.width, made.full.height), (2_048, 683));
        assert_eq!(image::guess_format(&made.full.bytes).unwrap(), ImageFormat::Jpeg);
    }

    #[test]
    fn what_stood_beside_the_pixels_is_gone_and_pictures_stand_upright() {
        // EXIF: turned by a quarter, and a place.
        let exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0GPS 48.2 N secret place";
        let plain = jpeg(40, 20);
        let mut told = plain[..2].to_vec();
        told.extend([0xff, 0xe1]);
        told.extend(u16::try_from(exif.len() + 2).unwrap().to_be_bytes());
        told.extend(exif);
        told.extend(&plain[2..]);
        // And a second file behind the first.
        told.extend(b"<script>alert(1)</script>PK\x03\x04");
        let made = remake(&told).unwrap();
        assert_eq!((made.full.width, made.full.height), (20, 40), "turned");
        for picture in [&made.full, &made.thumbnail] {
            let text = String::from_utf8_lossy(&picture.bytes);
            assert!(!["Exif", "secret", "script", "PK\x03\x04"].iter().any(|word| text.contains(word)));
        }
    }

    #[test]
    fn hostile_files_are_refused_before_they_cost_anything() {
        for (bytes, why) in [
            (claiming(50_000, 50_000), NoPicture::TooLarge),
            (claiming(12_000, 12_000), NoPicture::TooLarge),
            (claiming(5_000, 4_000), NoPicture::Broken),
            (vec![0; LARGEST as usize + 1], NoPicture::TooLarge),
            (
                b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>".to_vec(),
                NoPicture::Format,
            ),
            (b"GIF89a\x01\0\x01\0\0\0\0;".to_vec(), NoPicture::Format),
            (b"BM\0\0\0\0".to_vec(), NoPicture::Format),
            (b"<html><script>".to_vec(), NoPicture::Format),
            (b"\x89PNG\r\n\x1a\n".to_vec(), NoPicture::Broken),
            (jpeg(64, 64)[..40].to_vec(), NoPicture::Broken),
            (Vec::new(), NoPicture::Format),
        ] {
            assert_eq!(
                remake(&bytes),
                Err(why),
                "{:?}",
                String::from_utf8_lossy(&bytes[..bytes.len().min(60)])
            );
        }
    }

    #[test]
    fn a_bomb_of_zeros_is_bounded_by_what_its_header_may_claim() {
        // 24 million pixels deflate to some 25 KB; one row more is refused unread.
        assert_eq!(remake(&claiming(6_000, 4_001)), Err(NoPicture::TooLarge));
    }

    #[test]
    fn documents_are_whole_or_refused() {
        // In chunks of any size it is the same.
        let is_pdf = |bytes: &[u8]| {
            let answers = [1, 3, 700, 5_000].map(|size| {
                let mut ends = PdfEnds::default();
                bytes.chunks(size).for_each(|chunk| ends.feed(chunk));
                ends.are_whole()
            });
            assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
            answers[0]
        };
        assert!(is_pdf(b"%PDF-1.7\n1 0 obj\n%%EOF\n"));
        assert!(is_pdf(&[b"%PDF-1.7\n".as_slice(), &[b'x'; 4_000], b"%%EOF\n"].concat()));
        assert!(!is_pdf(&[b"%PDF-1.7\n%%EOF".as_slice(), &[b'x'; 4_000]].concat()));
        assert!(!is_pdf(b"%PDF-1.7\n1 0 obj"));
        assert!(!is_pdf(b"<html>%PDF-1.7 %%EOF"));
        assert!(!is_pdf(b""));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400), which in 0..3) {
            let base = match which { 0 => png(8, 8, true), 1 => jpeg(8, 8), _ => Vec::new() };
            for (n, byte) in base.iter().enumerate().take(200) {
                if n < bytes.len() && bytes[n] % 3 != 0 { bytes[n] = *byte; }
            }
            let _ = remake(&bytes);
        }
    }
}
