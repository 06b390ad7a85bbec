//! One HTTP/1.1 connection that is kept: what a request costs is not its connection's price.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use super::{Outcome, fail};

/// A person's connection.
pub struct Line {
    stream: BufReader<TcpStream>,
    bearer: String,
}

impl Line {
    /// To the server, signed in with a session's token.
    pub fn open(addr: SocketAddr, token: &str) -> Outcome<Self> {
        let stream = TcpStream::connect_timeout(&addr, Duration::from_secs(5))?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), bearer: token.to_owned() })
    }

    /// Sends a request under a correlation id and answers the body of a 2xx.
    pub fn call(&mut self, method: &str, path: &str, id: &str, body: Option<&Value>) -> Outcome<Value> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {}\r\nX-Correlation-Id: {id}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.bearer,
            body.len()
        );
        self.stream.get_mut().write_all(head.as_bytes())?;
        let mut status = 0;
        let mut length = 0;
        let mut text = String::new();
        loop {
            text.clear();
            if self.stream.read_line(&mut text)? == 0 {
                return fail("the connection was closed");
            }
            let line = text.trim_end();
            if line.is_empty() {
                break;
            }
            if let Some(rest) = line.strip_prefix("HTTP/1.1 ") {
                status = rest.get(..3).and_then(|code| code.parse().ok()).unwrap_or(0);
            } else if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse()?;
            }
        }
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer)?;
        match status {
            200..300 => Ok(serde_json::from_slice(&answer).unwrap_or(Value::Null)),
            _ => fail(format!("{method} {path} answered {status}: {}", String::from_utf8_lossy(&answer))),
        }
    }
}
