//! As much of the Centrifuge protocol's Protobuf form as members and publishers need, byte by byte. Field
//! numbers are those of `client.proto` (centrifugal/protocol).

/// An empty message: a ping, and its answer.
pub const EMPTY: &[u8] = &[0];

const ID: u8 = 1 << 3;
const ERROR: u8 = 2 << 3 | 2;

/// `connect` with a token.
pub fn connect(id: u64, token: &str) -> Vec<u8> {
    command(id, 4, &[field(1, token), field(4, "bench")].concat())
}

/// `subscribe`, from the top.
pub fn subscribe(id: u64, channel: &str) -> Vec<u8> {
    command(id, 5, &field(1, channel))
}

/// `publish` of a payload.
pub fn publish(id: u64, channel: &str, data: &str) -> Vec<u8> {
    command(id, 7, &[field(1, channel), field(2, data)].concat())
}

/// `rpc` with an argument.
pub fn rpc(id: u64, method: &str, data: &str) -> Vec<u8> {
    command(id, 13, &[field(1, data), field(2, method)].concat())
}

/// The messages of a frame.
pub fn messages(mut frame: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let length = usize::try_from(varint(&mut frame)?).ok()?;
        let (message, rest) = frame.split_at_checked(length)?;
        frame = rest;
        Some(message)
    })
}

/// The number of the command that a message answers; nothing for a push.
///
/// # Errors
/// What it was refused with.
pub fn answered(mut message: &[u8]) -> Result<Option<u64>, String> {
    if message.first() != Some(&ID) {
        return Ok(None);
    }
    message = &message[1..];
    let id = varint(&mut message);
    if message.first() == Some(&ERROR) {
        return Err(String::from_utf8_lossy(message).into_owned());
    }
    Ok(id)
}

fn command(id: u64, method: u8, body: &[u8]) -> Vec<u8> {
    let mut command = vec![ID];
    push_varint(&mut command, id);
    command.extend(field(method, body));
    let mut out = Vec::with_capacity(command.len() + 3);
    push_varint(&mut out, command.len() as u64);
    out.extend(command);
    out
}

/// A field of bytes or text; numbers below 16 only.
fn field(number: u8, value: impl AsRef<[u8]>) -> Vec<u8> {
    let value = value.as_ref();
    let mut out = vec![number << 3 | 2];
    push_varint(&mut out, value.len() as u64);
    out.extend_from_slice(value);
    out
}

fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 127 {
        out.push(value as u8 | 128);
        value >>= 7;
    }
    out.push(value as u8);
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 127) << shift;
        if *byte < 128 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_these_bytes_and_answers_are_read() {
        assert_eq!(subscribe(2, "a:1"), [9, 8, 2, 0x2a, 5, 0x0a, 3, b'a', b':', b'1']);
        assert_eq!(messages(&publish(300, "a:1", &"x".repeat(200))).count(), 1);
        let frame = [&[4, 8, 0xac, 2, 0x42][..], EMPTY, &[4, 8, 1, 0x12, 0], &[2, 0x22, 0]].concat();
        let answers: Vec<_> = messages(&frame).map(answered).collect();
        assert_eq!(answers, [Ok(Some(300)), Ok(None), Err("\u{12}\0".to_owned()), Ok(None)]);
    }
}
