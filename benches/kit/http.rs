//! One HTTP/1.1 call at a time over a fresh connection: enough to set a server up, never measured.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use super::{Outcome, fail};

/// Sends JSON (or nothing) and answers the status and the JSON body (null when there is none).
pub fn call(
    addr: SocketAddr,
    method: &str,
    path: &str,
    bearer: Option<&str>,
    body: Option<&Value>,
) -> Outcome<(u16, Value)> {
    let auth = bearer.map(|t| format!("Authorization: Bearer {t}\r\n")).unwrap_or_default();
    send(addr, method, path, &auth, body)
}

/// As [`call`], whatever version the resource has (`If-Match: *`).
pub fn call_any_version(
    addr: SocketAddr,
    method: &str,
    path: &str,
    bearer: &str,
    body: &Value,
) -> Outcome<(u16, Value)> {
    let headers = format!("Authorization: Bearer {bearer}\r\nIf-Match: *\r\n");
    send(addr, method, path, &headers, Some(body))
}

fn send(
    addr: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: Option<&Value>,
) -> Outcome<(u16, Value)> {
    let mut stream = TcpStream::connect_timeout(&addr, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.set_nodelay(true)?;
    let body = body.map(Value::to_string).unwrap_or_default();
    stream.write_all(
        format!(
            "{method} {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n{headers}\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .as_bytes(),
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { return fail("no HTTP answer") };
    let Some(status) = head.split(' ').nth(1).and_then(|s| s.parse().ok()) else {
        return fail(format!("no HTTP status in {:?}", head.lines().next()));
    };
    Ok((status, serde_json::from_str(body).unwrap_or(Value::Null)))
}

/// As [`call`], but any status other than 2xx is an error that shows the answer.
pub fn call_ok(
    addr: SocketAddr,
    method: &str,
    path: &str,
    bearer: Option<&str>,
    body: Option<&Value>,
) -> Outcome<Value> {
    match call(addr, method, path, bearer, body)? {
        (200..300, answer) => Ok(answer),
        (status, answer) => fail(format!("{method} {path} answered {status}: {answer}")),
    }
}

/// The body of a page that is no JSON.
pub fn text(addr: SocketAddr, path: &str) -> Outcome<String> {
    let mut stream = TcpStream::connect_timeout(&addr, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    Ok(answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}
