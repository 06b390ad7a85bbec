//! Outbound WebSocket frames (RFC 6455 §5.2), built once and shared by every receiver.
//!
//! A server's frames are not masked, so one encoding serves all connections.

use bytes::Bytes;

use super::{disconnect::Disconnect, format::Format};

/// Room for the longest header of an unmasked frame: 2 bytes and a 64-bit length.
const HEADER: usize = 10;

const FIN_TEXT: u8 = 0x81;
pub(super) const FIN_BINARY: u8 = 0x82;
const FIN_CLOSE: u8 = 0x88;
const FIN_PONG: u8 = 0x8a;

/// A data frame in the making: the payload is written behind room for the header, which is filled
/// in when the length is known, so that the payload is never copied.
pub struct DataFrame(Vec<u8>);

impl DataFrame {
    /// An empty frame with room for `payload` bytes.
    pub fn with_capacity(payload: usize) -> Self {
        let mut buffer = Vec::with_capacity(HEADER + payload);
        buffer.resize(HEADER, 0);
        Self(buffer)
    }

    /// Where the payload is written.
    pub fn payload(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    /// The whole frame: text or binary.
    pub fn finish(mut self, format: Format) -> Bytes {
        let first = match format {
            Format::Json => FIN_TEXT,
            Format::Protobuf => FIN_BINARY,
        };
        let len = self.0.len() - HEADER;
        let start = match len {
            0..=125 => {
                self.0[8..10].copy_from_slice(&[first, len as u8]);
                8
            }
            126..=0xffff => {
                let [hi, lo] = (len as u16).to_be_bytes();
                self.0[6..10].copy_from_slice(&[first, 126, hi, lo]);
                6
            }
            _ => {
                self.0[..2].copy_from_slice(&[first, 127]);
                self.0[2..10].copy_from_slice(&(len as u64).to_be_bytes());
                0
            }
        };
        Bytes::from(self.0).slice(start..)
    }
}

/// A text frame around a payload.
pub fn text(payload: &[u8]) -> Bytes {
    let mut frame = DataFrame::with_capacity(payload.len());
    frame.payload().extend_from_slice(payload);
    frame.finish(Format::Json)
}

/// The protocol's ping in its JSON form, a frame with an empty object.
pub const fn ping() -> Bytes {
    Bytes::from_static(&[FIN_TEXT, 2, b'{', b'}'])
}

/// A close frame.
pub fn close(disconnect: &Disconnect) -> Bytes {
    let reason = disconnect.reason.as_bytes();
    let reason = &reason[..reason.len().min(123)];
    control(FIN_CLOSE, &[&disconnect.code.to_be_bytes(), reason].concat())
}

/// A pong with a ping's payload (RFC 6455 §5.5.3), at most 125 bytes of it.
pub fn pong(payload: &[u8]) -> Bytes {
    control(FIN_PONG, &payload[..payload.len().min(125)])
}

fn control(first: u8, payload: &[u8]) -> Bytes {
    let mut frame = Vec::with_capacity(2 + payload.len());
    frame.extend_from_slice(&[first, payload.len() as u8]);
    frame.extend_from_slice(payload);
    Bytes::from(frame)
}

#[cfg(test)]
mod tests {
    use actix_http::ws::{Codec, Frame};
    use bytes::BytesMut;
    use proptest::prelude::*;
    use tokio_util::codec::Decoder as _;

    use super::*;

    fn decode(bytes: &Bytes) -> Frame {
        let mut buffer = BytesMut::from(&bytes[..]);
        let frame = Codec::new().client_mode().max_size(1 << 20).decode(&mut buffer).unwrap().unwrap();
        assert!(buffer.is_empty(), "one frame and nothing after it");
        frame
    }

    #[test]
    fn lengths_around_each_header_form() {
        for len in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
            let payload = vec![b'x'; len];
            let mut binary = DataFrame::with_capacity(len);
            binary.payload().extend_from_slice(&payload);
            let payload = Bytes::from(payload);
            assert_eq!(decode(&binary.finish(Format::Protobuf)), Frame::Binary(payload.clone()), "{len}");
            assert_eq!(decode(&text(&payload)), Frame::Text(payload), "{len}");
        }
    }

    #[test]
    fn control_frames() {
        assert_eq!(decode(&ping()), Frame::Text(Bytes::from_static(b"{}")));
        assert_eq!(decode(&pong(b"abc")), Frame::Pong(Bytes::from_static(b"abc")));
        let Frame::Close(Some(reason)) = decode(&close(&Disconnect::SLOW)) else { panic!() };
        assert_eq!((u16::from(reason.code), reason.description.as_deref()), (3008, Some("slow")));
    }

    proptest! {
        #[test]
        fn any_payload_round_trips(payload in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(decode(&text(&payload)), Frame::Text(Bytes::from(payload)));
        }
    }
}
