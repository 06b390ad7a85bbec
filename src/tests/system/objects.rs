//! A large upload and a ranged download through the real server: its memory stays flat.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    ports::objects::contract::client,
    tests::support::{server::Server, wait::eventually},
};

const SIZE: usize = 200 << 20;
/// What the server may grow by, in bytes: a few chunks for each of its connections, and whatever it had
/// not yet touched.
const GROWTH: u64 = 64 << 20;

/// The most memory that the process of the server ever had resident, in bytes.
fn peak(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("its status");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("its peak");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") * 1024
}

/// Byte `n` of a file that begins like an MP4.
fn byte(n: usize) -> u8 {
    const HEAD: &[u8] = b"\0\0\0\x20ftypisom";
    HEAD.get(n).copied().unwrap_or((n % 251) as u8)
}

async fn put(request: &Value, body: Vec<u8>) -> u16 {
    let mut put = client().put(request["url"].as_str().expect("a URL"));
    for (name, value) in request["headers"].as_object().expect("headers") {
        if name != "content-length" {
            put = put.header(name, value.as_str().expect("text"));
        }
    }
    put.body(body).send().await.expect("answered").status().as_u16()
}

#[actix_web::test]
async fn two_hundred_megabytes_go_through_a_server_whose_memory_stays_flat() {
    let server = Server::start(&[]).await;
    let ada = server.person("Ada").await;
    let form = json!({ "name": "lecture.mp4", "media_type": "video/mp4", "size": SIZE });
    let upload = ada.api.post("/api/v1/uploads", &form).await.expect(201);
    let id = upload["id"].as_str().expect("an id").to_owned();
    let size = upload["parts"]["size"].as_u64().expect("parts") as usize;
    let before = peak(&server);
    let numbers: Vec<usize> = (1..=SIZE.div_ceil(size)).collect();
    let path = format!("/api/v1/uploads/{id}/parts");
    let signed = ada.api.post(&path, &json!({ "numbers": numbers })).await.expect(200);
    for part in signed["items"].as_array().expect("parts") {
        let from = (part["number"].as_u64().expect("a number") as usize - 1) * size;
        let body: Vec<u8> = (from..SIZE.min(from + size)).map(byte).collect();
        assert_eq!(put(&part["put"], body).await, 200);
    }
    let path = format!("/api/v1/uploads/{id}");
    let there = ada.api.get(&path).await.expect(200);
    assert_eq!(there["parts"]["arrived_bytes"], json!(SIZE));
    ada.api.post(&format!("{path}/complete"), &json!({})).await.expect(202);
    let api = &ada.api;
    eventually("the verification", Duration::from_secs(120), || async {
        let now = api.get(&path).await.expect(200);
        (now["state"] == json!("ready")).then_some(())
    })
    .await;
    let link = ada.api.get(&format!("{path}/download")).await.expect(200);
    let url = link["url"].as_str().expect("a URL");
    let mut whole = client().get(url).send().await.expect("answered");
    let mut came = 0;
    while let Some(chunk) = whole.chunk().await.expect("bytes") {
        came += chunk.len();
    }
    assert_eq!(came, SIZE);
    let from = SIZE - 1_000;
    let range = client().get(url).header("range", format!("bytes={from}-")).send().await;
    let range = range.expect("answered");
    assert_eq!(range.status(), 206);
    let wanted: Vec<u8> = (from..SIZE).map(byte).collect();
    assert_eq!(range.bytes().await.expect("bytes"), wanted);
    let grown = peak(&server) - before;
    println!("the server's peak grew by {} KiB", grown / 1024);
    assert!(grown < GROWTH, "it grew by {grown} bytes");
}
