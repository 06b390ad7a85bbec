//! What a publication's body carries: its number in its room and when it was due, so that each connection
//! checks for itself that nothing is lost, double or out of order, and how late it came.

/// Stands before the number.
const MARKER: &[u8] = b"bench#";

/// The marker, ten digits, an at sign, sixteen hexadecimal digits.
pub const LENGTH: usize = 6 + 10 + 1 + 16;

/// A body of `length` bytes: `number` in its room, due at `due` nanoseconds of the monotonic clock.
pub fn body(number: u64, due: u64, length: usize) -> String {
    let mut text = format!("bench#{number:010}@{due:016x}");
    if length > LENGTH {
        text.push(' ');
        text.extend(std::iter::repeat_n('x', length - text.len()));
    }
    text
}

/// Hands on number and due time of each mark in `bytes`, in order; answers where the last whole one ends,
/// or where an unfinished one begins.
pub fn each(bytes: &[u8], mut on: impl FnMut(u64, u64)) -> usize {
    let mut end = 0;
    for at in memchr::memmem::find_iter(bytes, MARKER) {
        let Some(mark) = bytes.get(at + MARKER.len()..at + LENGTH) else { return at };
        let number = std::str::from_utf8(&mark[..10]).ok().and_then(|text| text.parse().ok());
        let due = std::str::from_utf8(&mark[11..]).ok().and_then(|text| u64::from_str_radix(text, 16).ok());
        if let (Some(number), Some(due)) = (number, due) {
            on(number, due);
            end = at + LENGTH;
        }
    }
    end
}

/// Nanoseconds of the monotonic clock, which all processes of a machine share.
pub fn now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_found_whole_and_half_ones_are_told() {
        let text = format!("{{\"data\":\"{}\"}}\n{}", body(7, 0xab, 200), body(8, 1, 40));
        let mut found = Vec::new();
        each(text.as_bytes(), |number, due| found.push((number, due)));
        assert_eq!(found, [(7, 0xab), (8, 1)]);
        let half = &text.as_bytes()[..30];
        assert_eq!(each(half, |_, _| found.clear()), 9);
        assert_eq!(body(1, 2, 200).len(), 200);
    }
}
