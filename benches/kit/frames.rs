//! WebSocket frames (RFC 6455, section 5.2): enough to send small ones and to count what arrives.

/// Opcode of a text frame.
pub const TEXT: u8 = 0x1;
/// Opcode of a binary frame.
pub const BINARY: u8 = 0x2;
/// Opcode of a close frame.
pub const CLOSE: u8 = 0x8;
/// Opcode of a ping.
pub const PING: u8 = 0x9;
/// Opcode of a pong.
pub const PONG: u8 = 0xA;

/// A whole frame as a server sends it: unmasked.
pub fn from_server(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(opcode, payload.len(), 0);
    frame.extend_from_slice(payload);
    frame
}

/// A whole frame as a client sends it. The mask is four zeros, which is a legal key and leaves the
/// payload as it is; the server's work is the same as with any other.
pub fn from_client(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(opcode, payload.len(), 0x80);
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

fn head(opcode: u8, len: usize, mask: u8) -> Vec<u8> {
    let mut frame = Vec::with_capacity(len + 14);
    frame.push(0x80 | opcode);
    match len {
        0..126 => frame.push(mask | len as u8),
        126..65_536 => {
            frame.push(mask | 126);
            frame.extend_from_slice(&(len as u16).to_be_bytes());
        }
        _ => {
            frame.push(mask | 127);
            frame.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    frame
}

/// A frame that arrived; fragments are given one by one, as `opcode` 0 after the first.
pub struct Frame<'a> {
    /// See the constants of this module.
    pub opcode: u8,
    /// The unmasked payload.
    pub payload: &'a [u8],
}

/// Cuts one connection's bytes into frames, keeping what is not whole yet.
#[derive(Default)]
pub struct Reader {
    partial: Vec<u8>,
}

impl Reader {
    /// Takes what was read and hands on each frame that is now whole.
    pub fn feed(&mut self, bytes: &[u8], mut on: impl FnMut(Frame<'_>)) {
        if self.partial.is_empty() {
            let used = cut(bytes, &mut on);
            self.partial.extend_from_slice(&bytes[used..]);
        } else {
            self.partial.extend_from_slice(bytes);
            let used = cut(&self.partial, &mut on);
            self.partial.drain(..used);
        }
    }
}

/// Hands on the whole frames at the start of `bytes`; answers how many bytes they took.
fn cut(bytes: &[u8], on: &mut impl FnMut(Frame<'_>)) -> usize {
    let mut at = 0;
    loop {
        let rest = &bytes[at..];
        let (start, len): (usize, usize) = match rest {
            [_, 127, a, b, c, d, e, f, g, h, ..] => {
                (10, u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]) as usize)
            }
            [_, 126, a, b, ..] => (4, usize::from(u16::from_be_bytes([*a, *b]))),
            [_, short, ..] if *short < 126 => (2, usize::from(*short)),
            _ => return at,
        };
        let Some(payload) = start.checked_add(len).and_then(|end| rest.get(start..end)) else { return at };
        on(Frame { opcode: rest[0] & 0x0F, payload });
        at += start + len;
    }
}
