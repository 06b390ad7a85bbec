//! What a client may send. Two ways in: a text frame's commands, and raw bytes through the WebSocket
//! layer, in chunks as a socket would deliver them.
//!
//! `cargo +nightly fuzz run inbound_frame -- -max_total_time=60`

#![no_main]

use gigsy::realtime::protocol::{command::Method, decode_frame, read_messages};
use libfuzzer_sys::fuzz_target;

const MAX_MESSAGE: usize = 4096;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(commands) = decode_frame(text)
    {
        assert!(!commands.is_empty());
        for command in &commands {
            let free = matches!(command.method, Method::Send(_) | Method::Pong);
            assert!(free || command.id > 0, "{command:?}");
        }
    }
    // The first byte decides how the rest is cut.
    if let Some((cut, wire)) = data.split_first() {
        let size = usize::from(*cut).max(1);
        let messages = read_messages(wire.chunks(size), MAX_MESSAGE);
        assert!(messages.0.iter().all(|text| text.len() <= MAX_MESSAGE));
        let whole = read_messages(std::iter::once(wire), MAX_MESSAGE);
        assert_eq!(messages, whole, "how the bytes are cut changes nothing");
    }
});
