//! Which fonts there are, and which of them has a character.
//!
//! Two are compiled in (Noto Sans: Latin, Greek, Cyrillic and Devanagari; Noto Sans Arabic). The rest of the
//! world's scripts, the 16 MB of Chinese, Japanese and Korean above all, comes from a directory. Of those
//! only the coverage is kept; a file is read while a document is made that needs it.

use std::{
    borrow::Cow,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use rustybuzz::ttf_parser;

/// Noto Sans 2.015, Noto Sans Arabic 2.012 (SIL Open Font License 1.1: see `fonts/OFL.txt`).
const BUILT_IN: [(&str, &[u8]); 2] = [
    ("Noto Sans", include_bytes!("fonts/NotoSans-Regular.ttf")),
    ("Noto Sans Arabic", include_bytes!("fonts/NotoSansArabic-Regular.ttf")),
];

/// Where Debian puts its Noto fonts (packages `fonts-noto-cjk`, `fonts-noto-core`).
const SYSTEM: [&str; 2] = ["/usr/share/fonts/opentype/noto", "/usr/share/fonts/truetype/noto"];
/// Files of a directory that are looked at, at most; in the order of their names, the plainest first.
const MOST_FILES: usize = 500;
/// The largest file, in bytes.
const LARGEST: u64 = 64 << 20;

enum Source {
    BuiltIn(&'static [u8]),
    File(PathBuf),
}

/// A font, and the ranges of characters that it has.
struct Face {
    source: Source,
    covers: Vec<(u32, u32)>,
}

/// The fonts there are, the first that has a character wins.
pub struct Fonts {
    faces: Vec<Face>,
}

/// Fonts that are looked for when the first document is made: a start does not wait for them.
#[derive(Clone, Default)]
pub struct LazyFonts {
    inner: Arc<(Option<PathBuf>, OnceLock<Fonts>)>,
}

impl LazyFonts {
    /// See [`Fonts::find`].
    pub fn new(named: Option<PathBuf>) -> Self {
        Self { inner: Arc::new((named, OnceLock::new())) }
    }

    /// The fonts. The first call reads files.
    pub fn get(&self) -> &Fonts {
        self.inner.1.get_or_init(|| Fonts::find(self.inner.0.as_deref()))
    }
}

impl Fonts {
    /// Those compiled in, and those of `named`; without it, those that `make setup` fetched
    /// (`.gigsy/fonts`) and this machine's Noto fonts. Files that are no fonts are passed over.
    pub fn find(named: Option<&Path>) -> Self {
        let mut faces: Vec<Face> = BUILT_IN
            .iter()
            .filter_map(|(_, bytes)| Some(Face { source: Source::BuiltIn(bytes), covers: coverage(bytes)? }))
            .collect();
        let places = named.map_or_else(places, |dir| vec![dir.to_owned()]);
        for file in places.iter().flat_map(|dir| files(dir)) {
            let covers = fs::read(&file).ok().and_then(|bytes| coverage(&bytes));
            if let Some(covers) = covers {
                faces.push(Face { source: Source::File(file), covers });
            }
        }
        Self { faces }
    }

    /// Only those compiled in.
    #[cfg(test)]
    pub fn built_in() -> Self {
        let mut fonts = Self::find(Some(Path::new("/nowhere")));
        fonts.faces.truncate(BUILT_IN.len());
        fonts
    }

    /// Whether a font has a character.
    fn has(&self, face: usize, c: char) -> bool {
        let Some(face) = self.faces.get(face) else { return false };
        let code = u32::from(c);
        let after = face.covers.partition_point(|(first, _)| *first <= code);
        after.checked_sub(1).is_some_and(|at| face.covers[at].1 >= code)
    }

    /// The font for a cluster: `before` if it has all of it, else the first that has.
    pub fn choose(&self, cluster: &str, before: Option<usize>) -> Option<usize> {
        let all = |face: usize| cluster.chars().all(|c| is_ignorable(c) || self.has(face, c));
        before.filter(|face| all(*face)).or_else(|| (0..self.faces.len()).find(|face| all(*face)))
    }

    /// A font's bytes.
    ///
    /// # Errors
    /// When its file cannot be read any more.
    pub fn bytes(&self, face: usize) -> io::Result<Cow<'static, [u8]>> {
        match self.faces.get(face).map(|face| &face.source) {
            Some(Source::BuiltIn(bytes)) => Ok(Cow::Borrowed(bytes)),
            Some(Source::File(path)) => fs::read(path).map(Cow::Owned),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

/// Characters that shape their neighbours and have no form of their own (Unicode,
/// `Default_Ignorable_Code_Point`, as far as names use them): no font needs them.
pub fn is_ignorable(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0100}'..='\u{e01ef}')
}

/// The directory one is in and those above the executable, so that `target/release/gigsy` finds what
/// `make setup` put beside `target/`; then the machine's.
fn places() -> Vec<PathBuf> {
    let mut roots: Vec<PathBuf> = std::env::current_dir().into_iter().collect();
    if let Ok(exe) = std::env::current_exe() {
        roots.extend(exe.ancestors().skip(1).map(Path::to_owned));
    }
    let ours = roots.into_iter().map(|root| root.join(".gigsy/fonts")).find(|dir| dir.is_dir());
    ours.into_iter().chain(SYSTEM.iter().map(PathBuf::from)).collect()
}

/// The fonts of a directory. Upright sans serifs of regular weight come first, as they sit beside ours.
fn files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut found: Vec<(bool, bool, String, PathBuf)> = entries
        .flatten()
        .filter(|entry| entry.metadata().is_ok_and(|file| file.is_file() && file.len() <= LARGEST))
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let kind = name.rsplit_once('.')?.1.to_ascii_lowercase();
            if !matches!(kind.as_str(), "ttf" | "otf" | "ttc") {
                return None;
            }
            Some((!name.contains("Regular"), !name.contains("Sans"), name, entry.path()))
        })
        .collect();
    found.sort();
    found.truncate(MOST_FILES);
    found.into_iter().map(|(.., path)| path).collect()
}

/// The characters a font has, as ranges in order; a collection's first font counts.
fn coverage(bytes: &[u8]) -> Option<Vec<(u32, u32)>> {
    let face = ttf_parser::Face::parse(bytes, 0).ok()?;
    let mut codes = Vec::new();
    for table in face.tables().cmap?.subtables.into_iter().filter(|table| table.is_unicode()) {
        table.codepoints(|code| {
            let drawn = char::from_u32(code).and_then(|c| face.glyph_index(c));
            if drawn.is_some_and(|glyph| glyph.0 != 0) {
                codes.push(code);
            }
        });
    }
    codes.sort_unstable();
    codes.dedup();
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for code in codes {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == code => *last = code,
            _ => ranges.push((code, code)),
        }
    }
    (!ranges.is_empty()).then_some(ranges)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fonts_compiled_in_have_their_scripts() {
        let fonts = Fonts::built_in();
        for (word, face) in
            [("Zoë", 0), ("Ирина", 0), ("Ελένη", 0), ("Nguyễn", 0), ("فاطمة", 1), ("क्षितिज", 0)]
        {
            assert_eq!(fonts.choose(word, None), Some(face), "{word}");
        }
        assert_eq!(fonts.choose("王", None), None);
        // A space does not leave the font that one is in.
        assert_eq!(fonts.choose(" ", Some(1)), Some(1));
        assert_eq!(fonts.choose("a\u{200d}", None), Some(0));
    }

    #[test]
    fn what_is_no_font_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("broken.ttf"), b"\0\x01\0\0 not a font").unwrap();
        fs::write(dir.path().join("note.txt"), b"text").unwrap();
        assert_eq!(Fonts::find(Some(dir.path())).faces.len(), BUILT_IN.len());
        fs::copy(
            concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/src/contexts/learning/certificate/fonts/NotoSans-Regular.ttf"
            ),
            dir.path().join("more.ttf"),
        )
        .unwrap();
        assert_eq!(Fonts::find(Some(dir.path())).faces.len(), BUILT_IN.len() + 1);
    }
}
