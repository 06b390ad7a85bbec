//! Writing an archive: a ZIP of JSON documents and files, on disk first, so that memory holds a chunk at a time.

use std::{fs::File, io::Write};

use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::json;
use tempfile::NamedTempFile;
use tokio::sync::mpsc;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::contexts::{
    objects::{UploadError, UploadId},
    privacy::{
        Privacy, PrivacyError,
        model::{Export, Part},
        store,
    },
};

/// Documents read at once.
const BATCH: i64 = 20;
/// Chunks on their way to the writer.
const AHEAD: usize = 4;

/// What the writer is told.
enum Step {
    /// A file begins; whether it is worth compressing.
    File(String, bool),
    /// More of it.
    Chunk(Bytes),
}

/// A name that is safe in anybody's file system: no way up, no roots, no control characters.
pub(super) fn safe(name: &str) -> String {
    let part = |part: &str| -> String {
        let plain: String = part
            .chars()
            .take(120)
            .map(|c| if c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | ' ') { c } else { '_' })
            .collect();
        match plain.trim_matches(['.', ' ']) {
            "" => "_".to_owned(),
            plain => plain.to_owned(),
        }
    };
    name.split('/').map(part).collect::<Vec<_>>().join("/")
}

fn write(file: File, mut steps: mpsc::Receiver<Step>) -> Result<(), PrivacyError> {
    let mut zip = ZipWriter::new(file);
    while let Some(step) = steps.blocking_recv() {
        match step {
            Step::File(name, small) => {
                let way = if small { CompressionMethod::Deflated } else { CompressionMethod::Stored };
                // Larger than 4 GiB: nobody knows before it is read.
                let options = SimpleFileOptions::default().compression_method(way).large_file(!small);
                zip.start_file(name, options).map_err(PrivacyError::archive)?;
            }
            Step::Chunk(bytes) => zip.write_all(&bytes).map_err(PrivacyError::archive)?,
        }
    }
    let file = zip.finish().map_err(PrivacyError::archive)?;
    file.sync_all().map_err(PrivacyError::archive)
}

impl Privacy {
    /// Writes an archive into a file that goes with its handle.
    pub(super) async fn write_archive(
        &self,
        export: &Export,
        parts: &[Part],
    ) -> Result<NamedTempFile, PrivacyError> {
        let place = NamedTempFile::new().map_err(PrivacyError::archive)?;
        let file = place.reopen().map_err(PrivacyError::archive)?;
        let (to, steps) = mpsc::channel(AHEAD);
        let writer = tokio::task::spawn_blocking(move || write(file, steps));
        let told = self.tell_archive(export, parts, to).await;
        let written = writer.await.map_err(PrivacyError::archive)?;
        // A writer that failed is why it could not be told.
        written?;
        told?;
        Ok(place)
    }

    async fn tell_archive(
        &self,
        export: &Export,
        parts: &[Part],
        to: mpsc::Sender<Step>,
    ) -> Result<(), PrivacyError> {
        let send = async |step| to.send(step).await.map_err(|_| PrivacyError::archive("the writer is gone"));
        let contexts: Vec<_> = parts
            .iter()
            .map(|part| json!({ "context": part.context, "documents": part.documents, "files": part.files }))
            .collect();
        let about = json!({
            "person": export.user_id, "export": export.id, "asked_at": export.created_at, "made_at": self.now(),
            "contexts": contexts,
        });
        send(Step::File("about.json".into(), true)).await?;
        send(Step::Chunk(pretty(&about)?)).await?;
        let mut after = String::new();
        loop {
            // A connection only for the query: files may take their time.
            let found = store::exports::entries(&mut *self.conn().await?, export.id, &after, BATCH).await?;
            let Some(last) = found.last() else { return Ok(()) };
            after.clone_from(&last.name);
            for entry in found {
                let name = safe(&entry.name);
                if let Some(body) = &entry.body {
                    send(Step::File(name, true)).await?;
                    send(Step::Chunk(pretty(body)?)).await?;
                } else if let Some(object) = entry.object_id {
                    self.tell_file(name, object, &to).await?;
                }
            }
        }
    }

    async fn tell_file(
        &self,
        name: String,
        object: UploadId,
        to: &mpsc::Sender<Step>,
    ) -> Result<(), PrivacyError> {
        let gone = |_| PrivacyError::archive("the writer is gone");
        let mut bytes = match self.parts().uploads.open(object).await {
            Ok(bytes) => bytes,
            // Removed in the meantime, by its owner.
            Err(UploadError::No) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        to.send(Step::File(name, false)).await.map_err(gone)?;
        while let Some(chunk) = bytes.next().await {
            to.send(Step::Chunk(chunk.map_err(UploadError::from)?)).await.map_err(gone)?;
        }
        Ok(())
    }
}

fn pretty(value: &serde_json::Value) -> Result<Bytes, PrivacyError> {
    Ok(Bytes::from(serde_json::to_vec_pretty(value).map_err(PrivacyError::archive)?))
}

#[cfg(test)]
mod tests {
    use super::safe;

    #[test]
    fn names_lead_nowhere_else() {
        for (name, is) in [
            ("chat/messages-0001.json", "chat/messages-0001.json"),
            ("objects/files/1/../../etc/passwd", "objects/files/1/_/_/etc/passwd"),
            ("objects/files/1/a\\b\0c", "objects/files/1/a_b_c"),
            ("a//b", "a/_/b"),
            ("a/ .hidden. ", "a/hidden"),
            ("a/čeština 日本.txt", "a/čeština 日本.txt"),
        ] {
            assert_eq!(safe(name), is, "{name:?}");
        }
    }
}
