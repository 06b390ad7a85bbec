//! The table as it lies in the program: nothing is copied or built at start.
//!
//! Little-endian: `GSYEMB01`, dimension and rows as `u32`; for each row, in the order of the pieces' bytes, where
//! its piece ends in the text (`u32`), its scale (`f32`) and its numbers (`i8`); the pieces. Pieces that go on
//! a word begin with `##`.

use std::cmp::Ordering;

const MAGIC: &[u8; 8] = b"GSYEMB01";
/// Before pieces that go on a word.
const CONTINUES: &[u8] = b"##";

/// Vectors of pieces.
#[derive(Debug)]
pub(super) struct Table {
    dimension: usize,
    ends: &'static [[u8; 4]],
    scales: &'static [[u8; 4]],
    numbers: &'static [u8],
    pieces: &'static [u8],
}

impl Table {
    /// Takes the bytes apart, and checks that every part is there.
    pub fn read(bytes: &'static [u8]) -> Result<Self, &'static str> {
        let short = "the table ends too early";
        let rest = bytes.strip_prefix(MAGIC).ok_or("no table begins so")?;
        let (head, rest) = rest.split_at_checked(8).ok_or(short)?;
        let (sizes, _) = head.as_chunks::<4>();
        let &[dimension, rows] = sizes else { return Err(short) };
        let (dimension, rows) = (u32::from_le_bytes(dimension) as usize, u32::from_le_bytes(rows) as usize);
        if !(1..=4096).contains(&dimension) || rows > 1 << 20 {
            return Err("the table's sizes are out of range");
        }
        let (ends, rest) = rest.split_at_checked(rows * 4).ok_or(short)?;
        let (scales, rest) = rest.split_at_checked(rows * 4).ok_or(short)?;
        let (numbers, pieces) = rest.split_at_checked(rows * dimension).ok_or(short)?;
        let table =
            Self { dimension, ends: ends.as_chunks().0, scales: scales.as_chunks().0, numbers, pieces };
        let sorted = (1..rows).all(|row| table.piece(row - 1) < table.piece(row));
        let whole = table.end(rows.wrapping_sub(1)) == pieces.len();
        if sorted && whole { Ok(table) } else { Err("the table's pieces are not in order") }
    }

    /// A table without rows.
    pub const fn empty(dimension: usize) -> Self {
        Self { dimension, ends: &[], scales: &[], numbers: &[], pieces: &[] }
    }

    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Whether a whole word has a row.
    pub fn knows(&self, word: &str) -> bool {
        self.row(word, false).is_some()
    }

    /// The row of a piece: of a word's beginning, or of one that goes on.
    pub fn row(&self, piece: &str, continues: bool) -> Option<usize> {
        let before = if continues { CONTINUES } else { &[] };
        let (mut from, mut to) = (0, self.ends.len());
        while from < to {
            let middle = from + (to - from) / 2;
            let found = self.piece(middle);
            // As if the mark stood before the piece.
            let order = match found.strip_prefix(before) {
                Some(rest) => rest.cmp(piece.as_bytes()),
                None => found.cmp(before),
            };
            match order {
                Ordering::Less => from = middle + 1,
                Ordering::Greater => to = middle,
                Ordering::Equal => return Some(middle),
            }
        }
        None
    }

    /// Adds a row's vector to a sum.
    pub fn add(&self, row: usize, sum: &mut [f32]) {
        let Some(scale) = self.scales.get(row).map(|scale| f32::from_le_bytes(*scale)) else { return };
        let from = row * self.dimension;
        let numbers = self.numbers.get(from..from + self.dimension).unwrap_or_default();
        for (place, number) in sum.iter_mut().zip(numbers) {
            *place += f32::from(number.cast_signed()) * scale;
        }
    }

    fn end(&self, row: usize) -> usize {
        self.ends.get(row).map_or(0, |end| u32::from_le_bytes(*end) as usize)
    }

    fn piece(&self, row: usize) -> &'static [u8] {
        let from = row.checked_sub(1).map_or(0, |before| self.end(before));
        self.pieces.get(from..self.end(row)).unwrap_or_default()
    }

    #[cfg(test)]
    pub fn rows(&self) -> usize {
        self.ends.len()
    }
}
