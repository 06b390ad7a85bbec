//! JSON that is passed on as it came, made safe for a line-framed protocol.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// How deep a client's data may nest. Python's parser gives up near 1,000 levels, and a value that
/// only some members of a room can parse would cut the others off.
pub const MAX_DEPTH: usize = 64;

/// A JSON value in compact form: valid, and without a line feed anywhere. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Json(Bytes);

impl Json {
    /// Takes a client's raw value: whitespace between tokens goes, so that no line feed survives.
    /// `None` if it nests deeper than [`MAX_DEPTH`].
    pub fn from_raw(raw: &RawValue) -> Option<Self> {
        compact(raw.get()).map(Self)
    }

    /// Serialises a value.
    ///
    /// # Errors
    /// What `serde_json` refuses: a map whose keys are no strings, a failing `Serialize`.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Self> {
        let text = serde_json::to_vec(value)?;
        // A `RawValue` or a pretty-printed fragment inside may carry whitespace.
        if text.contains(&b'\n') || text.contains(&b'\r') {
            let text = String::from_utf8_lossy(&text);
            return Ok(Self(compact_unbounded(&text)));
        }
        Ok(Self(Bytes::from(text)))
    }

    /// `{}`.
    pub const fn empty_object() -> Self {
        Self(Bytes::from_static(b"{}"))
    }

    /// The text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text, shared.
    pub fn to_bytes(&self) -> Bytes {
        self.0.clone()
    }

    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Never true: even the shortest value has a byte.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Json {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_slice(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::from_raw(&raw).ok_or_else(|| serde::de::Error::custom("nests too deeply"))
    }
}

fn compact(text: &str) -> Option<Bytes> {
    let mut depth = 0usize;
    let mut out = Vec::with_capacity(text.len());
    let fits = walk(text, &mut out, |byte| {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth <= MAX_DEPTH
    });
    fits.then(|| Bytes::from(out))
}

fn compact_unbounded(text: &str) -> Bytes {
    let mut out = Vec::with_capacity(text.len());
    walk(text, &mut out, |_| true);
    Bytes::from(out)
}

/// Copies valid JSON without the whitespace between tokens; `check` sees each byte outside of
/// strings and may stop the walk.
fn walk(text: &str, out: &mut Vec<u8>, mut check: impl FnMut(u8) -> bool) -> bool {
    let (mut in_string, mut escaped) = (false, false);
    for byte in text.bytes() {
        if in_string {
            out.push(byte);
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
        } else if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            if !check(byte) {
                return false;
            }
            in_string = byte == b'"';
            out.push(byte);
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn whitespace_between_tokens_goes_and_strings_stay() {
        let json = Json::from_raw(&raw("{ \"a\\\" b\" :\n [1,\r\n\t2, \"x  \\n y\" ] }")).unwrap();
        assert_eq!(json.as_bytes(), br#"{"a\" b":[1,2,"x  \n y"]}"#);
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |n: usize| raw(&format!("{}{}", "[".repeat(n), "]".repeat(n)));
        assert!(Json::from_raw(&nested(MAX_DEPTH)).is_some());
        assert!(Json::from_raw(&nested(MAX_DEPTH + 1)).is_none());
        assert!(Json::from_raw(&raw(&format!("[{}]", vec!["[]"; 500].join(",")))).is_some(), "wide is fine");
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn compacting_keeps_the_value_and_loses_every_line_feed(value in any_json()) {
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            let json = Json::from_raw(&raw(&pretty)).unwrap();
            prop_assert!(!json.as_bytes().contains(&b'\n'));
            let back: serde_json::Value = serde_json::from_slice(json.as_bytes()).unwrap();
            prop_assert_eq!(back, value);
        }
    }
}
