//! `gigsy health`: one question to the server on this machine.

use std::{net::IpAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{Failure, output::say};
use crate::config::Config;

/// A container's health check gives up soon after.
const WITHIN: Duration = Duration::from_secs(4);

/// Asks `/readyz` at the configured listener. A plain request over TCP: the image needs no HTTP client,
/// and the question no TLS.
pub(super) async fn ask(config: &Config) -> Result<(), Failure> {
    let mut address = config.server.listen;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)
        } else {
            IpAddr::V6(std::net::Ipv6Addr::LOCALHOST)
        });
    }
    let answer = timeout(WITHIN, async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(64 * 1024).read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    })
    .await
    .map_err(|_| format!("{address} did not answer within {} s", WITHIN.as_secs()))??;
    let text = String::from_utf8_lossy(&answer);
    let status = text.split_whitespace().nth(1).unwrap_or("nothing");
    if status == "200" {
        say("ready");
        return Ok(());
    }
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body).trim();
    Err(format!("not ready ({status}): {body}").into())
}
