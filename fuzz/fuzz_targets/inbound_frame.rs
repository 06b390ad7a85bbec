//! What a client may send. Three ways in: a text frame's commands, a binary frame's, and raw bytes through the
//! WebSocket layer, in chunks as a socket would deliver them.
//!
//! `cargo +nightly fuzz run inbound_frame -- -max_total_time=60`

#![no_main]

use gigsy::realtime::protocol::{Command, Format, command::Method, decode_binary, decode_frame, read_messages};
use libfuzzer_sys::fuzz_target;

const MAX_MESSAGE: usize = 4096;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(commands) = decode_frame(text)
    {
        check(&commands);
    }
    if let Ok(commands) = decode_binary(data.to_vec().into()) {
        check(&commands);
    }
    // The first byte decides how the rest is cut.
    if let Some((cut, wire)) = data.split_first() {
        let size = usize::from(*cut).max(1);
        for format in [Format::Json, Format::Protobuf] {
            let messages = read_messages(wire.chunks(size), MAX_MESSAGE, format);
            assert!(messages.0.iter().all(|message| message.len() <= MAX_MESSAGE));
            let whole = read_messages(std::iter::once(wire), MAX_MESSAGE, format);
            assert_eq!(messages, whole, "how the bytes are cut changes nothing");
        }
    }
});

fn check(commands: &[Command]) {
    assert!(!commands.is_empty());
    for command in commands {
        let free = matches!(command.method, Method::Send(_) | Method::Pong | Method::NotJson("send"));
        assert!(free || command.id > 0, "{command:?}");
    }
}
