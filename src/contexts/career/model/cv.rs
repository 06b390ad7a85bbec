//! A portfolio as a document: pages of A4 as PDF/A-2u and PDF/UA-1, tagged, fonts embedded. No I/O but fonts.
//!
//! First everything is set into lines and the lines onto pages; then the pages are drawn.

use std::num::NonZeroU16;

use chrono::{DateTime, Datelike, Timelike, Utc};
use krilla::{
    Document, SerializeSettings,
    color::rgb,
    configure::{Accessibility, Archival, ConfigurationBuilder},
    destination::XyzDestination,
    geom::Point,
    metadata::{self, Metadata},
    outline::{Outline, OutlineNode},
    page::PageSettings,
    paint::Fill,
    tagging::{ContentTag, Node, SpanTag, Tag, TagGroup, TagTree},
};

use crate::documents::{DocumentError, Fonts, Line, Typesetter};

/// A4, standing, in points.
const PAGE: (f32, f32) = (595.28, 841.89);
/// Free on every side.
const MARGIN: f32 = 56.0;
/// From baseline to baseline, in sizes.
const LEADING: f32 = 1.38;

const INK: (u8, u8, u8) = (0x1f, 0x29, 0x37);
const PALE: (u8, u8, u8) = (0x55, 0x5f, 0x6d);
const BRAND: (u8, u8, u8) = (0x0f, 0x5e, 0x6b);

/// What one paragraph of a résumé is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Whose it is.
    Name,
    /// A heading.
    Section,
    /// A line that stands out: a job, a project.
    Entry,
    /// Text.
    Text,
    /// Text beside it: dates, addresses.
    Small,
}

impl Part {
    /// Size in points, colour, space above in points.
    const fn style(self) -> (f32, (u8, u8, u8), f32) {
        match self {
            Self::Name => (26.0, BRAND, 0.0),
            Self::Section => (14.0, BRAND, 16.0),
            Self::Entry => (11.0, INK, 7.0),
            Self::Text => (10.0, INK, 2.0),
            Self::Small => (9.0, PALE, 1.0),
        }
    }

    fn tag(self, text: &str) -> TagGroup {
        let heading = |level: u16| {
            let level = NonZeroU16::new(level).unwrap_or(NonZeroU16::MIN);
            TagGroup::new(Tag::Hn(level, Some(text.to_owned())))
        };
        match self {
            Self::Name => heading(1),
            Self::Section => heading(2),
            // Glyphs stand as they are seen; readers want the words as they are said.
            _ => TagGroup::new(Tag::P.with_actual_text(Some(text.to_owned()))),
        }
    }
}

/// A résumé.
#[derive(Clone, Debug)]
pub struct Cv {
    /// Whose.
    pub name: String,
    /// Its id, in the document's metadata.
    pub id: String,
    /// When it is made.
    pub at: DateTime<Utc>,
    /// Its paragraphs, in order.
    pub parts: Vec<(Part, String)>,
}

/// A line at its place on a page.
struct Placed {
    line: Line,
    size: f32,
    y: f32,
    color: (u8, u8, u8),
    part: usize,
}

/// Makes the document.
///
/// # Errors
/// [`DocumentError`].
pub fn render(cv: &Cv, fonts: &Fonts) -> Result<Vec<u8>, DocumentError> {
    let mut set = Typesetter::new(fonts);
    let mut groups = Vec::new();
    let mut pages: Vec<Vec<Placed>> = vec![Vec::new()];
    let (mut y, bottom) = (MARGIN, PAGE.1 - MARGIN);
    for (part, text) in &cv.parts {
        let text = set.drawable(text)?;
        if text.is_empty() {
            continue;
        }
        let (size, color, above) = part.style();
        let step = size * LEADING;
        let lines = set.fit(&text, PAGE.0 - 2.0 * MARGIN, &[(size, usize::MAX)])?.1;
        // A heading stays with what follows it.
        let needs = if matches!(part, Part::Section | Part::Entry) { step * 3.0 } else { step };
        y += above;
        for (n, line) in lines.into_iter().enumerate() {
            if y + if n == 0 { needs } else { step } > bottom {
                pages.push(Vec::new());
                y = MARGIN;
            }
            y += step;
            if let Some(page) = pages.last_mut() {
                page.push(Placed { line, size, y, color, part: groups.len() });
            }
        }
        groups.push(part.tag(&text));
    }
    draw(cv, pages, groups)
}

fn draw(cv: &Cv, pages: Vec<Vec<Placed>>, mut groups: Vec<TagGroup>) -> Result<Vec<u8>, DocumentError> {
    let configuration = ConfigurationBuilder::new()
        .with_archival_validator(Archival::A2_U)
        .with_accessibility_validator(Accessibility::UA1)
        .finish()
        .map_err(|error| DocumentError::Refused(format!("{error:?}")))?;
    let mut document =
        Document::new_with(SerializeSettings { configuration, ..SerializeSettings::default() });
    document.set_metadata(metadata_of(cv));
    for placed in pages {
        let size = PageSettings::from_wh(PAGE.0, PAGE.1);
        let mut page =
            document.start_page_with(size.ok_or_else(|| DocumentError::Refused("page".to_owned()))?);
        let mut surface = page.surface();
        for Placed { line, size, y, color, part } in placed {
            let leaf = Node::Leaf(surface.start_tagged(ContentTag::Span(SpanTag::empty())));
            let (red, green, blue) = color;
            let paint = rgb::Color::new(red, green, blue).into();
            surface.set_fill(Some(Fill { paint, ..Fill::default() }));
            let mut x = MARGIN;
            for run in &line.runs {
                let start = Point::from_xy(x, y);
                surface.draw_glyphs(start, &run.glyphs, run.font.clone(), &run.text, size, false);
                x += run.width * size;
            }
            surface.end_tagged();
            if let Some(group) = groups.get_mut(part) {
                group.push(leaf);
            }
        }
        surface.finish();
        page.finish();
    }
    let mut tree = TagTree::new();
    let mut body = TagGroup::new(Tag::Part);
    for group in groups {
        body.push(group);
    }
    tree.push(body);
    document.set_tag_tree(tree);
    let mut outline = Outline::new();
    let top = XyzDestination::new(0, Point::from_xy(0.0, 0.0));
    outline.push_child(OutlineNode::new(cv.name.clone(), top));
    document.set_outline(outline);
    document.finish().map_err(|error| DocumentError::Refused(format!("{error:?}")))
}

fn metadata_of(cv: &Cv) -> Metadata {
    let part = |n: u32| u8::try_from(n).unwrap_or_default();
    let at = cv.at;
    let date = metadata::DateTime::new(u16::try_from(at.year()).unwrap_or_default())
        .month(part(at.month()))
        .day(part(at.day()))
        .hour(part(at.hour()))
        .minute(part(at.minute()))
        .second(part(at.second()))
        .utc_offset_hour(0)
        .utc_offset_minute(0);
    Metadata::new()
        .title(format!("Résumé: {}", cv.name))
        .authors(vec![cv.name.clone()])
        .creator("Gigsy".to_owned())
        .language("en".to_owned())
        .creation_date(date)
        .document_id(cv.id.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cv(parts: Vec<(Part, String)>) -> Cv {
        let at = "2027-01-02T03:04:05Z".parse().unwrap();
        Cv { name: "Zoë Иванова".into(), id: "a-b-c".into(), at, parts }
    }

    #[test]
    fn a_resume_is_a_tagged_pdf_the_same_each_time_with_as_many_pages_as_it_needs() {
        let fonts = Fonts::built_in();
        let mut parts = vec![(Part::Name, "Zoë Иванова".to_owned()), (Part::Section, "About".to_owned())];
        parts.extend((0..8).map(|n| (Part::Text, format!("Paragraph {n} {}", "of many words ".repeat(8)))));
        let one = render(&cv(parts.clone()), &fonts).unwrap();
        assert!(one.starts_with(b"%PDF-1.7") && one == render(&cv(parts.clone()), &fonts).unwrap());
        let pages = |pdf: &[u8]| {
            String::from_utf8_lossy(pdf).matches("/Type/Page/").count()
                + String::from_utf8_lossy(pdf).matches("/Type /Page\n").count()
        };
        parts.extend((0..200).map(|n| (Part::Entry, format!("Entry {n}"))));
        let long = render(&cv(parts), &fonts).unwrap();
        assert!(long.len() > one.len(), "{} {}", pages(&one), pages(&long));
        assert!(matches!(
            render(&cv(vec![(Part::Name, "王".to_owned())]), &fonts),
            Err(DocumentError::NoFont(_))
        ));
        assert!(!render(&cv(vec![(Part::Text, "a 🦀 b".to_owned())]), &fonts).unwrap().is_empty());
    }
}
