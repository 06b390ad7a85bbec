//! An endpoint of embeddings on loopback that refuses what the test says.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use url::Url;

use crate::ports::embed::{Embedder, EndpointSettings};

const DIMENSION: usize = 8;
/// A call with a text that has this word is refused.
pub(super) const REFUSED: &str = "unspeakable";

/// What it answers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mood {
    /// Vectors, but for [`REFUSED`].
    Open,
    /// That the key is wrong.
    Closed,
    /// That it has no time.
    Busy,
}

pub(super) struct Endpoint {
    url: Url,
    mood: Arc<Mutex<Mood>>,
}

impl Endpoint {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let mood = Arc::new(Mutex::new(Mood::Open));
        let shared = mood.clone();
        // Ends with the process: an accept is not worth interrupting.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mood = shared.clone();
                thread::spawn(move || {
                    let _ = serve(stream, &mood);
                });
            }
        });
        Self { url: url.parse().unwrap(), mood }
    }

    /// What it answers from now on.
    pub fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// Its client, which asks once.
    pub fn embedder(&self) -> Embedder {
        let settings = EndpointSettings {
            per_minute: 60_000,
            attempts: 1,
            first_wait: Duration::from_millis(5),
            ..EndpointSettings::new(self.url.clone(), "small".to_owned(), DIMENSION)
        };
        Embedder::endpoint(settings).unwrap()
    }
}

fn serve(stream: TcpStream, mood: &Mutex<Mood>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let body: Value = serde_json::from_slice(&body)?;
        let texts: Vec<&str> =
            body["input"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
        let mood = *mood.lock().unwrap();
        let (status, said) = match mood {
            Mood::Closed => (401, json!({ "error": "a wrong key" })),
            Mood::Busy => (503, json!({ "error": "come back" })),
            Mood::Open if texts.iter().any(|text| text.contains(REFUSED)) => {
                (413, json!({ "error": "not that" }))
            }
            Mood::Open => {
                let one = |(index, text): (usize, &&str)| {
                    let mut vector = vec![1.0; DIMENSION];
                    vector[0] = text.len() as f64;
                    json!({ "object": "embedding", "index": index, "embedding": vector })
                };
                let data: Vec<Value> = texts.iter().enumerate().map(one).collect();
                (200, json!({ "object": "list", "data": data, "model": "small" }))
            }
        };
        let said = said.to_string();
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            said.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(said.as_bytes())?;
    }
}
