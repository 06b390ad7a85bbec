//! A certificate as a document: one page of A4 as PDF/A-2u and PDF/UA-1, tagged, its fonts embedded.
//!
//! The bytes are a function of the certificate, the fonts and this code: made again, they are the same.

mod fonts;
mod qr;
mod text;

use std::num::NonZeroU16;

use chrono::{DateTime, Datelike, Timelike, Utc};
use krilla::{
    Document, SerializeSettings,
    action::{Action, LinkAction},
    annotation::{Annotation, LinkAnnotation, Target},
    color::rgb,
    configure::{Accessibility, Archival, ConfigurationBuilder},
    destination::XyzDestination,
    geom::{PathBuilder, Point, Rect},
    metadata::{self, Metadata},
    outline::{Outline, OutlineNode},
    page::PageSettings,
    paint::{Fill, Stroke},
    surface::Surface,
    tagging::{Artifact, ArtifactType, ContentTag, Node, SpanTag, Tag, TagGroup, TagTree},
};

pub use fonts::{Fonts, LazyFonts};

use text::{Line, Typesetter};

/// A4, lying, in points.
const PAGE: (f32, f32) = (841.89, 595.28);
/// What text may take of the page's width.
const COLUMN: f32 = 660.0;
/// The side of the QR code, quiet zone included: 35 mm.
const CODE: f32 = 99.0;

const HEADING: &str = "Certificate of completion";
const INK: (u8, u8, u8) = (0x1f, 0x29, 0x37);
const PALE: (u8, u8, u8) = (0x55, 0x5f, 0x6d);
const BRAND: (u8, u8, u8) = (0x0f, 0x5e, 0x6b);

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

/// What stands on a certificate.
#[derive(Clone, Debug)]
pub struct Certified<'a> {
    /// The certificate's number.
    pub id: String,
    /// Who.
    pub name: &'a str,
    /// What.
    pub course: &'a str,
    /// When it was issued.
    pub at: DateTime<Utc>,
    /// Where anybody can verify it.
    pub verify_url: &'a str,
}

/// Makes the document.
///
/// # Errors
/// [`DocumentError`].
pub fn render(one: &Certified<'_>, fonts: &Fonts) -> Result<Vec<u8>, DocumentError> {
    let mut set = Typesetter::new(fonts);
    let name = set.drawable(one.name)?;
    let name = if name.is_empty() { "—".to_owned() } else { name };
    let course = set.drawable(one.course)?;
    let verify_url = set.drawable(one.verify_url)?;
    let issued = one.at.format("Issued on %-d %B %Y").to_string();
    let number = format!("Certificate {}", one.id);

    let refused = |what: &str| DocumentError::Refused(what.to_owned());
    let configuration = ConfigurationBuilder::new()
        .with_archival_validator(Archival::A2_U)
        .with_accessibility_validator(Accessibility::UA1)
        .finish()
        .map_err(|error| DocumentError::Refused(format!("{error:?}")))?;
    let mut document =
        Document::new_with(SerializeSettings { configuration, ..SerializeSettings::default() });
    document.set_metadata(metadata_of(one, &name, &course));
    let size = PageSettings::from_wh(PAGE.0, PAGE.1).ok_or_else(|| refused("page"))?;
    let mut page = document.start_page_with(size);
    let mut tree = TagTree::new();
    let mut body = TagGroup::new(Tag::Part);

    let mut surface = page.surface();
    frame(&mut surface);
    let mut pen = Pen { surface: &mut surface, set: &mut set };
    let mut paragraph =
        |pen: &mut Pen<'_, '_, '_>, group: TagGroup, text, sizes: &[(f32, usize)], y, color| {
            let mut group = group;
            let bottom = pen.centred(&mut group, text, sizes, y, color)?;
            body.push(group);
            Ok::<f32, DocumentError>(bottom)
        };
    let p = || TagGroup::new(Tag::P);
    // Glyphs stand as they are seen; readers want the words as they are said.
    let said = |text: &str| TagGroup::new(Tag::P.with_actual_text(Some(text.to_owned())));
    paragraph(&mut pen, p(), "Gigsy", &[(20.0, 1)], 84.0, BRAND)?;
    let heading = TagGroup::new(Tag::Hn(NonZeroU16::MIN, Some(HEADING.to_owned())));
    paragraph(&mut pen, heading, HEADING, &[(30.0, 1)], 136.0, INK)?;
    paragraph(&mut pen, p(), "This is to certify that", &[(13.0, 1)], 180.0, PALE)?;
    let names = [(38.0, 1), (30.0, 1), (26.0, 2), (20.0, 2), (15.0, 3), (11.0, 5)];
    let y = paragraph(&mut pen, said(&name), &name, &names, 236.0, INK)?;
    let y = paragraph(&mut pen, p(), "completed the course", &[(13.0, 1)], y + 38.0, PALE)?;
    let titles = [(26.0, 1), (21.0, 2), (16.0, 3), (12.0, 5)];
    paragraph(&mut pen, said(&course), &course, &titles, y + 46.0, INK)?;

    let left = (PAGE.0 - COLUMN) / 2.0;
    let mut at = |pen: &mut Pen<'_, '_, '_>, text: &str, y, color| {
        let mut group = p();
        let mut place = y;
        // An address may be long: it has the column left of the code.
        let (size, lines) = pen.set.fit(text, COLUMN - CODE - 24.0, &[(10.0, 2), (8.0, 3), (6.0, 6)])?;
        for line in &lines {
            pen.line(&mut group, line, size, left, place, color);
            place += size * 1.3;
        }
        body.push(group);
        Ok::<f32, DocumentError>(place)
    };
    at(&mut pen, &issued, 470.0, INK)?;
    at(&mut pen, &number, 486.0, PALE)?;
    let end = at(&mut pen, "Verify it, and whether it is still valid, at", 502.0, PALE)?;
    let link = end - 10.0;
    let bottom = at(&mut pen, &verify_url, end, BRAND)?;

    let corner = (PAGE.0 - left - CODE, 440.0);
    let code = qr::path(one.verify_url, corner.0, corner.1, CODE)?.ok_or(DocumentError::TooLong)?;
    let alternative = format!("QR code of {}", one.verify_url);
    let mut figure = TagGroup::new(Tag::Figure(Some(alternative.clone())));
    figure.push(Node::Leaf(surface.start_tagged(ContentTag::Other)));
    surface.set_stroke(None);
    surface.set_fill(Some(fill((0, 0, 0))));
    surface.draw_path(&code);
    surface.end_tagged();
    surface.finish();
    body.push(figure);

    let mut linked = TagGroup::new(Tag::Link);
    for rect in [
        Rect::from_xywh(corner.0, corner.1, CODE, CODE),
        Rect::from_xywh(left, link, COLUMN - CODE - 24.0, bottom - end),
    ] {
        let target = Target::Action(Action::Link(LinkAction::new(one.verify_url.to_owned())));
        let rect = rect.ok_or_else(|| refused("link"))?;
        let note =
            Annotation::new_link(LinkAnnotation::new(rect, target), Some("Verify this certificate".into()));
        linked.push(Node::Leaf(page.add_tagged_annotation(note)));
    }
    body.push(linked);
    page.finish();
    tree.push(body);
    document.set_tag_tree(tree);
    let mut outline = Outline::new();
    let top = XyzDestination::new(0, Point::from_xy(0.0, 0.0));
    outline.push_child(OutlineNode::new(HEADING.to_owned(), top));
    document.set_outline(outline);
    document.finish().map_err(|error| DocumentError::Refused(format!("{error:?}")))
}

fn metadata_of(one: &Certified<'_>, name: &str, course: &str) -> Metadata {
    let part = |n: u32| u8::try_from(n).unwrap_or_default();
    let at = one.at;
    let date = metadata::DateTime::new(u16::try_from(at.year()).unwrap_or_default())
        .month(part(at.month()))
        .day(part(at.day()))
        .hour(part(at.hour()))
        .minute(part(at.minute()))
        .second(part(at.second()))
        .utc_offset_hour(0)
        .utc_offset_minute(0);
    Metadata::new()
        .title(format!("{HEADING}: {name}, {course}"))
        .authors(vec!["Gigsy".to_owned()])
        .creator("Gigsy".to_owned())
        .language("en".to_owned())
        .creation_date(date)
        .document_id(one.id.clone())
}

fn fill((red, green, blue): (u8, u8, u8)) -> Fill {
    Fill { paint: rgb::Color::new(red, green, blue).into(), ..Fill::default() }
}

/// The page's border: decoration.
fn frame(surface: &mut Surface<'_>) {
    surface.start_tagged(ContentTag::Artifact(Artifact::with_kind(ArtifactType::Other)));
    surface.set_fill(None);
    for (inset, width) in [(24.0, 2.5), (31.0, 0.6)] {
        let rect = Rect::from_xywh(inset, inset, PAGE.0 - 2.0 * inset, PAGE.1 - 2.0 * inset);
        let mut path = PathBuilder::new();
        if let Some(rect) = rect {
            path.push_rect(rect);
        }
        let (red, green, blue) = BRAND;
        let paint = rgb::Color::new(red, green, blue).into();
        surface.set_stroke(Some(Stroke { paint, width, ..Stroke::default() }));
        if let Some(path) = path.finish() {
            surface.draw_path(&path);
        }
    }
    surface.set_stroke(None);
    surface.end_tagged();
}

/// Writes lines onto a page.
struct Pen<'p, 's, 'f> {
    surface: &'p mut Surface<'s>,
    set: &'p mut Typesetter<'f>,
}

impl Pen<'_, '_, '_> {
    /// Writes a text in the middle of the page, its first baseline at `y`; the last one's.
    fn centred(
        &mut self,
        group: &mut TagGroup,
        text: &str,
        sizes: &[(f32, usize)],
        y: f32,
        color: (u8, u8, u8),
    ) -> Result<f32, DocumentError> {
        let (size, lines) = self.set.fit(text, COLUMN, sizes)?;
        // Several smaller lines take the place of one large one.
        let mut place = if lines.len() > 1 { y - size * 0.3 } else { y };
        for (n, line) in lines.iter().enumerate() {
            if n > 0 {
                place += size * 1.35;
            }
            self.line(group, line, size, (PAGE.0 - line.width * size) / 2.0, place, color);
        }
        Ok(place)
    }

    fn line(&mut self, group: &mut TagGroup, line: &Line, size: f32, x: f32, y: f32, color: (u8, u8, u8)) {
        group.push(Node::Leaf(self.surface.start_tagged(ContentTag::Span(SpanTag::empty()))));
        self.surface.set_fill(Some(fill(color)));
        let mut place = x;
        for run in &line.runs {
            let start = Point::from_xy(place, y);
            self.surface.draw_glyphs(start, &run.glyphs, run.font.clone(), &run.text, size, false);
            place += run.width * size;
        }
        self.surface.end_tagged();
    }
}
