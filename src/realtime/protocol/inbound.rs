//! From bytes of the socket to whole messages (RFC 6455), with both sizes bounded: of a frame, and of
//! a message that comes in pieces.

use actix_http::ws::{Codec, Frame, Item, ProtocolError};
use bytes::{Bytes, BytesMut};
use tokio_util::codec::Decoder as _;

use super::{disconnect::Disconnect, format::Format};

/// The longest header of a masked frame.
const HEADER: usize = 14;

/// One thing that came.
#[derive(Debug, PartialEq, Eq)]
pub enum Inbound {
    /// A text message; only on a connection of the JSON form.
    Text(String),
    /// A binary message; only on a connection of the Protobuf form.
    Binary(Bytes),
    /// A ping that wants this back.
    Ping(Bytes),
    /// The peer closes, with this code.
    Close(Option<u16>),
}

/// Reads frames out of chunks.
pub struct Inlet {
    codec: Codec,
    buffer: BytesMut,
    /// A message in pieces.
    pieces: Option<BytesMut>,
    max: usize,
    format: Format,
}

impl Inlet {
    /// An inlet for messages of at most `max` bytes, of one kind: text or binary.
    pub fn new(max: usize, format: Format) -> Self {
        Self { codec: Codec::new().max_size(max), buffer: BytesMut::new(), pieces: None, max, format }
    }

    /// Takes a chunk of the socket's bytes.
    pub fn feed(&mut self, chunk: Bytes) {
        if self.buffer.is_empty() {
            // Usually a chunk holds whole frames; then nothing is copied.
            self.buffer = BytesMut::from(chunk);
        } else {
            self.buffer.extend_from_slice(&chunk);
        }
    }

    /// The next whole message or control frame; `None` when more bytes are needed.
    ///
    /// # Errors
    /// With what to close, when the peer breaks the rules. Nothing can be read after that.
    pub fn take(&mut self) -> Result<Option<Inbound>, Disconnect> {
        loop {
            let Some(frame) = self.codec.decode(&mut self.buffer).map_err(|e| broken(&e))? else {
                // The codec judges a frame's size only when all of it is there.
                if self.buffer.len() > self.max + HEADER {
                    return Err(too_large());
                }
                if self.buffer.is_empty() {
                    self.buffer = BytesMut::new();
                }
                return Ok(None);
            };
            if let Some(inbound) = self.accept(frame)? {
                return Ok(Some(inbound));
            }
        }
    }

    fn accept(&mut self, frame: Frame) -> Result<Option<Inbound>, Disconnect> {
        Ok(match frame {
            Frame::Text(bytes) => {
                self.only(Format::Json)?;
                Some(Inbound::Text(utf8(bytes.to_vec())?))
            }
            Frame::Binary(bytes) => {
                self.only(Format::Protobuf)?;
                Some(Inbound::Binary(bytes))
            }
            Frame::Continuation(Item::FirstText(bytes)) => {
                self.only(Format::Json)?;
                self.pieces = Some(BytesMut::from(bytes));
                None
            }
            Frame::Continuation(Item::FirstBinary(bytes)) => {
                self.only(Format::Protobuf)?;
                self.pieces = Some(BytesMut::from(bytes));
                None
            }
            Frame::Continuation(Item::Continue(bytes)) => {
                self.append(&bytes)?;
                None
            }
            Frame::Continuation(Item::Last(bytes)) => {
                self.append(&bytes)?;
                let whole = self.pieces.take().unwrap_or_default();
                Some(match self.format {
                    Format::Json => Inbound::Text(utf8(whole.to_vec())?),
                    Format::Protobuf => Inbound::Binary(whole.freeze()),
                })
            }
            Frame::Ping(payload) => Some(Inbound::Ping(payload)),
            Frame::Pong(_) => None,
            Frame::Close(reason) => Some(Inbound::Close(reason.map(|reason| reason.code.into()))),
        })
    }

    /// Refuses a frame of the other kind.
    fn only(&self, format: Format) -> Result<(), Disconnect> {
        match (self.format, format) {
            (Format::Json, Format::Protobuf) => Err(Disconnect::TEXT_ONLY),
            (Format::Protobuf, Format::Json) => Err(Disconnect::BINARY_ONLY),
            _ => Ok(()),
        }
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), Disconnect> {
        let pieces = self.pieces.get_or_insert_default();
        if pieces.len() + bytes.len() > self.max {
            return Err(too_large());
        }
        pieces.extend_from_slice(bytes);
        Ok(())
    }
}

/// The messages in a connection's inbound bytes, and the code with which it would be closed, if any: the
/// whole inbound path as a pure function, for tests and fuzzing.
pub fn read_messages<'a>(
    chunks: impl Iterator<Item = &'a [u8]>,
    max: usize,
    format: Format,
) -> (Vec<Bytes>, Option<u16>) {
    let (mut inlet, mut messages) = (Inlet::new(max, format), Vec::new());
    for chunk in chunks {
        inlet.feed(Bytes::copy_from_slice(chunk));
        loop {
            match inlet.take() {
                Ok(Some(Inbound::Text(text))) => messages.push(Bytes::from(text)),
                Ok(Some(Inbound::Binary(bytes))) => messages.push(bytes),
                Ok(Some(Inbound::Close(code))) => return (messages, Some(code.unwrap_or(1005))),
                Ok(Some(Inbound::Ping(_))) => {}
                Ok(None) => break,
                Err(why) => return (messages, Some(why.code)),
            }
        }
    }
    (messages, None)
}

fn utf8(bytes: Vec<u8>) -> Result<String, Disconnect> {
    String::from_utf8(bytes).map_err(|_| Disconnect::new(1007, "invalid UTF-8"))
}

fn too_large() -> Disconnect {
    Disconnect::new(1009, "message size limit exceeded")
}

fn broken(error: &ProtocolError) -> Disconnect {
    match error {
        ProtocolError::Overflow => too_large(),
        _ => Disconnect::new(1002, "WebSocket protocol error"),
    }
}

#[cfg(test)]
mod tests {
    use actix_http::ws::Message;
    use proptest::prelude::*;
    use tokio_util::codec::Encoder as _;

    use super::*;

    fn client(messages: Vec<Message>) -> Bytes {
        let mut out = BytesMut::new();
        let mut codec = Codec::new().client_mode();
        for message in messages {
            codec.encode(message, &mut out).unwrap();
        }
        out.freeze()
    }

    fn all(inlet: &mut Inlet) -> Result<Vec<Inbound>, Disconnect> {
        let mut got = Vec::new();
        while let Some(inbound) = inlet.take()? {
            got.push(inbound);
        }
        Ok(got)
    }

    fn text(text: &str) -> Message {
        Message::Text(text.to_owned().into())
    }

    #[test]
    fn pieces_are_joined_and_control_frames_may_come_between() {
        let wire = client(vec![
            Message::Continuation(Item::FirstText(Bytes::from_static(b"{\"a\""))),
            Message::Ping(Bytes::from_static(b"p")),
            Message::Continuation(Item::Continue(Bytes::from_static(b":1"))),
            Message::Continuation(Item::Last(Bytes::from_static(b"}"))),
            Message::Close(None),
        ]);
        let mut inlet = Inlet::new(100, Format::Json);
        inlet.feed(wire);
        assert_eq!(
            all(&mut inlet).unwrap(),
            [
                Inbound::Ping(Bytes::from_static(b"p")),
                Inbound::Text("{\"a\":1}".into()),
                Inbound::Close(None)
            ]
        );
    }

    #[test]
    fn both_sizes_are_bounded() {
        let mut whole = Inlet::new(100, Format::Json);
        whole.feed(client(vec![text(&"x".repeat(100))]));
        assert_eq!(all(&mut whole).unwrap().len(), 1);
        whole.feed(client(vec![text(&"x".repeat(101))]));
        assert_eq!(all(&mut whole).unwrap_err().code, 1009);

        let piece = || Bytes::from(vec![b'x'; 60]);
        let mut pieces = Inlet::new(100, Format::Json);
        pieces.feed(client(vec![
            Message::Continuation(Item::FirstText(piece())),
            Message::Continuation(Item::Last(piece())),
        ]));
        assert_eq!(all(&mut pieces).unwrap_err().code, 1009);

        // A header that announces a gigabyte, and then bytes without end.
        let mut endless = Inlet::new(100, Format::Json);
        endless.feed(Bytes::from_static(&[0x81, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 1, 2, 3, 4]));
        assert_eq!(endless.take(), Ok(None));
        endless.feed(Bytes::from(vec![0; 101]));
        assert_eq!(endless.take().unwrap_err().code, 1009);
    }

    #[test]
    fn what_breaks_the_rules_is_named() {
        for (wire, code) in [
            (client(vec![Message::Binary(Bytes::from_static(b"x"))]), 3501),
            (Bytes::from_static(&[0x81, 0x02, b'{', b'}']), 1002),
            (Bytes::from_static(&[0xc1, 0x80, 0, 0, 0, 0]), 1002),
            (Bytes::from_static(&[0x80, 0x80, 0, 0, 0, 0]), 1002),
            (Bytes::from_static(&[0x81, 0x81, 0, 0, 0, 0, 0xff]), 1007),
        ] {
            let mut inlet = Inlet::new(100, Format::Json);
            inlet.feed(wire.clone());
            assert_eq!(all(&mut inlet).unwrap_err().code, code, "{wire:?}");
        }
    }

    #[test]
    fn a_connection_speaks_in_one_kind_of_frame() {
        let bytes = || Bytes::from_static(b"\x00");
        for (format, messages, expected) in [
            (Format::Json, vec![Message::Binary(bytes())], Err(Disconnect::TEXT_ONLY)),
            (
                Format::Json,
                vec![Message::Continuation(Item::FirstBinary(bytes()))],
                Err(Disconnect::TEXT_ONLY),
            ),
            (Format::Protobuf, vec![text("{}")], Err(Disconnect::BINARY_ONLY)),
            (
                Format::Protobuf,
                vec![Message::Continuation(Item::FirstText(bytes()))],
                Err(Disconnect::BINARY_ONLY),
            ),
            (Format::Protobuf, vec![Message::Binary(bytes())], Ok(vec![Inbound::Binary(bytes())])),
            (
                Format::Protobuf,
                vec![
                    Message::Continuation(Item::FirstBinary(bytes())),
                    Message::Continuation(Item::Last(Bytes::from_static(b"\xff"))),
                ],
                Ok(vec![Inbound::Binary(Bytes::from_static(b"\x00\xff"))]),
            ),
        ] {
            let mut inlet = Inlet::new(100, format);
            inlet.feed(client(messages));
            assert_eq!(all(&mut inlet), expected);
        }
    }

    proptest! {
        #[test]
        fn chunking_changes_nothing(
            texts in prop::collection::vec("[ -~]{0,60}", 1..8), cuts in prop::collection::vec(1usize..40, 1..40),
        ) {
            let wire = client(texts.iter().map(|t| text(t)).collect());
            let (mut inlet, mut got, mut rest) = (Inlet::new(100, Format::Json), Vec::new(), wire);
            for cut in cuts {
                inlet.feed(rest.split_to(cut.min(rest.len())));
                got.extend(all(&mut inlet).unwrap());
            }
            inlet.feed(rest);
            got.extend(all(&mut inlet).unwrap());
            prop_assert_eq!(got, texts.into_iter().map(Inbound::Text).collect::<Vec<_>>());
        }

        #[test]
        fn arbitrary_bytes_never_panic(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..8)) {
            let mut inlet = Inlet::new(100, Format::Json);
            for chunk in chunks {
                inlet.feed(Bytes::from(chunk));
                if all(&mut inlet).is_err() {
                    break;
                }
                prop_assert!(inlet.buffer.len() <= 114);
            }
        }
    }
}
