//! The model that is compiled in. Interim: words by hashing, until the table lands.

use std::hash::{DefaultHasher, Hash, Hasher};

const DIMENSION: usize = 128;

/// The model.
#[derive(Debug)]
pub(super) struct Builtin;

impl Builtin {
    pub fn new() -> Self {
        Self
    }

    pub fn name(&self) -> &'static str {
        "interim-hash-0"
    }

    pub fn dimension(&self) -> usize {
        DIMENSION
    }

    pub fn embed(&self, text: &str) -> Vec<f32> {
        let mut sum = vec![0.0_f32; DIMENSION];
        for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            let mut hasher = DefaultHasher::new();
            word.to_lowercase().hash(&mut hasher);
            let hash = hasher.finish();
            let sign = if hash & 1 == 0 { 1.0 } else { -1.0 };
            if let Some(place) = sum.get_mut((hash >> 1) as usize % DIMENSION) {
                *place += sign;
            }
        }
        let length = sum.iter().map(|x| x * x).sum::<f32>().sqrt();
        if length > 0.0 {
            sum.iter_mut().for_each(|x| *x /= length);
        } else if let Some(first) = sum.first_mut() {
            *first = 1.0;
        }
        sum
    }
}
