//! The model that is compiled in: a table of vectors of words and pieces of words, distilled from a sentence
//! encoder. The vector of a text is the sum of its pieces' rows, made one long.
//!
//! How the table came to be, what went into it and what it is worth: `docs/model/README.md`. The cutting of
//! texts is the same as in `scripts/distil-model`; a fixture made there holds both together.

mod table;
mod words;

use std::sync::OnceLock;

use self::table::Table;
use super::normalise;

/// Name and version of the table.
const NAME: &str = "gigsy-static-1";
/// Numbers in a vector.
const DIMENSION: usize = 128;
/// How long the vector of a word without pieces is, beside rows of about one to four.
const FALLBACK: f32 = 0.35;

static BYTES: &[u8] = include_bytes!("../model/gigsy-static-1.bin");

/// The model. Holds nothing: the table is part of the program.
#[derive(Clone, Copy, Debug)]
pub(super) struct Builtin(&'static Table);

impl Builtin {
    /// The model.
    pub fn new() -> Self {
        static TABLE: OnceLock<Table> = OnceLock::new();
        // A test reads the table as it is in the program; without rows every word would go by its hash.
        Self(TABLE.get_or_init(|| Table::read(BYTES).unwrap_or(Table::empty(DIMENSION))))
    }

    /// Name and version.
    pub fn name(self) -> &'static str {
        NAME
    }

    /// Numbers in a vector.
    pub fn dimension(self) -> usize {
        self.0.dimension()
    }

    /// The vector of a text, one long, or null where it has no word. Time grows with the text's length up to [`words::MAX_CHARS`], which is as
    /// far as it is read.
    pub fn embed(self, text: &str) -> Vec<f32> {
        let table = self.0;
        let mut sum = vec![0.0_f32; table.dimension()];
        let mut rows = Vec::new();
        words::each(
            text,
            |word| table.knows(word),
            |word| {
                rows.clear();
                if pieces(table, word, &mut rows) {
                    rows.iter().for_each(|&row| table.add(row, &mut sum));
                } else {
                    add_hashed(word, &mut sum);
                }
            },
        );
        normalise(&mut sum);
        sum
    }
}

/// Cuts a word into known pieces, the longest first (WordPiece: <https://arxiv.org/abs/1609.08144>, §4.1), and
/// appends their rows; `false` where no piece covers a part of it.
fn pieces(table: &Table, word: &str, rows: &mut Vec<usize>) -> bool {
    let mut rest = word;
    let mut first = true;
    while !rest.is_empty() {
        // From the whole rest down to one letter.
        let ends = rest.char_indices().map(|(at, letter)| at + letter.len_utf8()).rev();
        let found = ends
            .filter_map(|end| Some((rest.get(..end)?, end)))
            .find_map(|(piece, end)| Some((table.row(piece, !first)?, end)));
        let Some((row, end)) = found else { return false };
        rows.push(row);
        rest = rest.get(end..).unwrap_or_default();
        first = false;
    }
    true
}

/// A direction of its own for a word without pieces, so that the same word is found again: the bits of
/// splitmix64, begun with the word's FNV-1a hash.
fn add_hashed(word: &str, sum: &mut [f32]) {
    let mut state = word.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    });
    #[expect(clippy::cast_precision_loss, reason = "the dimension is small")]
    let step = FALLBACK / (sum.len() as f32).sqrt();
    for chunk in sum.chunks_mut(64) {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        for (bit, number) in chunk.iter_mut().enumerate() {
            *number += if (mixed >> bit) & 1 == 1 { step } else { -step };
        }
    }
}

#[cfg(test)]
mod tests;
