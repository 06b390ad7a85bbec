//! Lines of text in any script: direction (UAX 9), a font for each cluster (UAX 29), shaping.

use std::{collections::HashMap, ops::Range, sync::Arc};

use krilla::text::{Font, GlyphId, KrillaGlyph};
use rustybuzz::{Direction, UnicodeBuffer};
use unicode_bidi::BidiInfo;
use unicode_script::{Script, UnicodeScript};
use unicode_segmentation::UnicodeSegmentation;

use super::{
    DocumentError,
    fonts::{Fonts, is_ignorable},
};

/// Glyphs of one font, in the order they are drawn.
pub struct Run {
    /// The font.
    pub font: Font,
    /// Advances and offsets are in ems.
    pub glyphs: Vec<KrillaGlyph>,
    /// What they say.
    pub text: String,
    /// In ems.
    pub width: f32,
}

/// A line, from the left to the right.
pub struct Line {
    /// Its parts.
    pub runs: Vec<Run>,
    /// In ems.
    pub width: f32,
}

/// The fonts that one document uses, read once.
pub struct Typesetter<'a> {
    fonts: &'a Fonts,
    open: HashMap<usize, (Arc<Vec<u8>>, Font)>,
}

/// A stretch of one font and one script.
struct Item {
    range: Range<usize>,
    face: usize,
    script: Script,
}

impl<'a> Typesetter<'a> {
    /// With these fonts.
    pub fn new(fonts: &'a Fonts) -> Self {
        Self { fonts, open: HashMap::new() }
    }

    /// What of a text can be drawn. Symbols that no font has, such as emoji, are left out; a control
    /// character is a space.
    ///
    /// # Errors
    /// [`DocumentError::NoFont`] for letters that no font has: a name is not printed with holes.
    pub fn drawable(&self, text: &str) -> Result<String, DocumentError> {
        let mut kept = String::with_capacity(text.len());
        let mut missing = Vec::new();
        for cluster in text.graphemes(true) {
            if cluster.chars().all(|c| c.is_control() || c.is_whitespace()) {
                kept.push(' ');
            } else if self.fonts.choose(cluster, None).is_some() {
                kept.push_str(cluster);
            } else {
                missing.extend(cluster.chars().filter(|c| c.is_alphanumeric()));
            }
        }
        if !missing.is_empty() {
            missing.sort_unstable();
            missing.dedup();
            return Err(DocumentError::NoFont(missing));
        }
        Ok(kept.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// The largest of `sizes` (in points, each with the most lines it may take) at which a text fits into
    /// `width`; at the last one it takes the lines it needs.
    ///
    /// # Errors
    /// When a font cannot be read.
    pub fn fit(
        &mut self,
        text: &str,
        width: f32,
        sizes: &[(f32, usize)],
    ) -> Result<(f32, Vec<Line>), DocumentError> {
        let mut best = (12.0, Vec::new());
        for (size, most) in sizes {
            let lines = self.lines(text, width / size)?;
            let fits = lines.len() <= *most;
            best = (*size, lines);
            if fits {
                break;
            }
        }
        Ok(best)
    }

    /// Breaks a text into lines of at most `width` ems: at spaces and around ideographs, and inside a word
    /// that is longer than a line.
    fn lines(&mut self, text: &str, width: f32) -> Result<Vec<Line>, DocumentError> {
        let mut lines = Vec::new();
        let mut start = 0;
        while start < text.len() {
            let (mut end, mut soft) = (start, None);
            for (at, cluster) in text[start..].grapheme_indices(true) {
                let next = start + at + cluster.len();
                let candidate = text[start..next].trim_end();
                if at > 0 && self.shape(text, start..start + candidate.len())?.width > width {
                    break;
                }
                end = next;
                let after = text[next..].chars().next();
                if cluster == " " || is_ideograph(cluster.chars().next()) || is_ideograph(after) {
                    soft = Some(next);
                }
            }
            if end < text.len() {
                end = soft.unwrap_or(end);
            }
            let shown = start + text[start..end].trim_end().len();
            if shown > start {
                lines.push(self.shape(text, start..shown)?);
            }
            start = end;
        }
        Ok(lines)
    }

    /// Shapes one line of a paragraph.
    fn shape(&mut self, text: &str, line: Range<usize>) -> Result<Line, DocumentError> {
        let bidi = BidiInfo::new(text, None);
        let mut runs = Vec::new();
        if let Some(paragraph) = bidi.paragraphs.first().filter(|_| !line.is_empty()) {
            let (levels, visual) = bidi.visual_runs(paragraph, line);
            for range in visual {
                let backwards = levels[range.start].is_rtl();
                let mut items = self.items(text, range);
                if backwards {
                    items.reverse();
                }
                for item in items {
                    runs.push(self.shape_item(&text[item.range], item.face, item.script, backwards)?);
                }
            }
        }
        let width = runs.iter().map(|run| run.width).sum();
        Ok(Line { runs, width })
    }

    fn items(&self, text: &str, range: Range<usize>) -> Vec<Item> {
        let mut items: Vec<Item> = Vec::new();
        for (at, cluster) in text[range.clone()].grapheme_indices(true) {
            let place = range.start + at..range.start + at + cluster.len();
            let script = cluster.chars().map(|c| c.script()).find(|script| !is_shared(*script));
            let last = items.last_mut();
            // The font that one is in keeps what scripts share (spaces, digits), if it has it.
            let before = last.as_ref().filter(|_| script.is_none()).map(|item| item.face);
            let Some(face) = self.fonts.choose(cluster, before) else { continue };
            match last {
                Some(item)
                    if item.face == face
                        && (script.is_none() || is_shared(item.script) || script == Some(item.script)) =>
                {
                    item.range.end = place.end;
                    if let (Some(script), true) = (script, is_shared(item.script)) {
                        item.script = script;
                    }
                }
                _ => items.push(Item { range: place, face, script: script.unwrap_or(Script::Common) }),
            }
        }
        items
    }

    fn font(&mut self, face: usize) -> Result<(Arc<Vec<u8>>, Font), DocumentError> {
        if let Some(open) = self.open.get(&face) {
            return Ok(open.clone());
        }
        let bytes = Arc::new(self.fonts.bytes(face).map_err(DocumentError::Unreadable)?.into_owned());
        let font = Font::new(bytes.clone().into(), 0).ok_or(DocumentError::BadFont)?;
        self.open.insert(face, (bytes.clone(), font.clone()));
        Ok((bytes, font))
    }

    fn shape_item(
        &mut self,
        text: &str,
        face: usize,
        script: Script,
        backwards: bool,
    ) -> Result<Run, DocumentError> {
        let (bytes, font) = self.font(face)?;
        let shaper = rustybuzz::Face::from_slice(&bytes, 0).ok_or(DocumentError::BadFont)?;
        let em = shaper.units_per_em() as f32;
        let mut buffer = UnicodeBuffer::new();
        buffer.push_str(text);
        buffer.guess_segment_properties();
        if let Ok(script) = script.short_name().parse() {
            buffer.set_script(script);
        }
        buffer.set_direction(if backwards { Direction::RightToLeft } else { Direction::LeftToRight });
        let shaped = rustybuzz::shape(&shaper, &[], buffer);
        // A cluster ends where the next one of the text begins.
        let mut starts: Vec<usize> = shaped.glyph_infos().iter().map(|info| info.cluster as usize).collect();
        starts.sort_unstable();
        starts.dedup();
        let mut width = 0.0;
        let mut glyphs = Vec::with_capacity(shaped.len());
        for (info, place) in shaped.glyph_infos().iter().zip(shaped.glyph_positions()) {
            let from = info.cluster as usize;
            let to =
                starts.get(starts.partition_point(|start| *start <= from)).copied().unwrap_or(text.len());
            let advance = place.x_advance as f32 / em;
            width += advance;
            let offset = (place.x_offset as f32 / em, place.y_offset as f32 / em);
            let rise = place.y_advance as f32 / em;
            glyphs.push(KrillaGlyph::new(
                GlyphId::new(info.glyph_id),
                advance,
                offset.0,
                offset.1,
                rise,
                from..to,
                None,
            ));
        }
        Ok(Run { font, glyphs, text: text.to_owned(), width })
    }
}

/// Scripts of characters that belong to no script of their own.
fn is_shared(script: Script) -> bool {
    matches!(script, Script::Common | Script::Inherited | Script::Unknown)
}

/// A line may break before and after these.
fn is_ideograph(c: Option<char>) -> bool {
    c.is_some_and(|c| {
        matches!(c.script(), Script::Han | Script::Hiragana | Script::Katakana) && !is_ignorable(c)
    })
}
