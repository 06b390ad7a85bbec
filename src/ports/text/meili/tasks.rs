//! Writes are tasks: what was asked for has happened once its task has succeeded.

use std::time::{Duration, Instant};

use meilisearch_sdk::{
    request::{HttpClient, Method},
    task_info::TaskInfo,
};
use serde::Deserialize;
use serde_json::Value;

use super::{Answer, Server, TextError, fault};

/// The first pause between two looks at a task; it grows.
const LOOK: Duration = Duration::from_millis(5);
/// The longest pause.
const LONGEST: Duration = Duration::from_millis(250);

#[derive(Deserialize)]
struct Looked {
    status: String,
    error: Option<Why>,
}

#[derive(Default, Deserialize)]
struct Why {
    code: String,
    message: String,
}

#[derive(Deserialize)]
struct Tasks {
    results: Vec<Value>,
}

impl Server {
    /// Waits for a task to succeed, as long as writes may take.
    pub async fn done(&self, task: TaskInfo) -> Answer<()> {
        let asked = Instant::now();
        let mut pause = LOOK;
        loop {
            // Read by what we need: the details differ from version to version.
            let url = format!("{}/tasks/{}", self.host, task.task_uid);
            let looked: Looked =
                self.http.request::<(), (), _>(&url, Method::Get { query: () }, 200).await.map_err(fault)?;
            match looked.status.as_str() {
                "succeeded" => return Ok(()),
                "enqueued" | "processing" => {}
                "failed" => {
                    let Why { code, message } = looked.error.unwrap_or_default();
                    let said = format!("{code}: {message}");
                    return Err(match code.as_str() {
                        "index_not_found" => TextError::Missing(said),
                        _ => TextError::Failed(said),
                    });
                }
                other => return Err(TextError::Failed(format!("the task was {other}"))),
            }
            if asked.elapsed() > self.tasks_within {
                return Err(TextError::Unavailable("a task is not done yet".into()));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST);
        }
    }

    /// Waits until no task of an index is under way: one that nobody waited for to the end is not overtaken.
    pub async fn quiet(&self, uid: &str) -> Answer<()> {
        let asked = Instant::now();
        let mut pause = LOOK;
        loop {
            let url = format!("{}/tasks", self.host);
            let query = [("indexUids", uid), ("statuses", "enqueued,processing"), ("limit", "1")];
            let found: Tasks =
                self.http.request::<_, (), _>(&url, Method::Get { query }, 200).await.map_err(fault)?;
            if found.results.is_empty() {
                return Ok(());
            }
            if asked.elapsed() > self.tasks_within {
                return Err(TextError::Unavailable("tasks of before are not done yet".into()));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST);
        }
    }
}
