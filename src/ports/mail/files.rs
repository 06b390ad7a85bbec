//! Mail as files, the default: `<data_dir>/outbox/mail/*.eml`.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Instant,
};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use rustix::fs::Access;
use uuid::Uuid;

use super::{Letter, Mail, MailError, Sender, rfc5322};
use crate::{
    ports::{Mode, Store, StoreStatus},
    telemetry::log,
};

/// Writes each letter to a file of its own, whose names sort by time.
#[derive(Clone, Debug)]
pub struct FileMail {
    folder: PathBuf,
    sender: Sender,
}

impl FileMail {
    /// Mail under `data_dir`, sent from `no-reply@` the host of `public_url`.
    pub fn new(data_dir: &Path, public_url: &str) -> Self {
        Self { folder: data_dir.join("outbox").join("mail"), sender: Sender::of(public_url) }
    }

    /// The same, sent from somebody else.
    #[must_use]
    pub fn from(self, sender: Sender) -> Self {
        Self { sender, ..self }
    }

    /// Where the files are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

#[async_trait]
impl Mail for FileMail {
    async fn send(&self, letter: Letter) -> Result<(), MailError> {
        let id = letter.id;
        let bytes = rfc5322::compose(&letter, &self.sender)?.formatted();
        let folder = self.folder.clone();
        let written = tokio::task::spawn_blocking(move || write(&folder, id, &bytes)).await;
        let path = written
            .map_err(io::Error::other)
            .flatten()
            .map_err(|error| MailError::Unavailable(error.into()))?;
        slog::info!(log(), "mail written"; "subject" => letter.subject, "file" => %path.display());
        Ok(())
    }
}

impl Store for FileMail {
    fn status(&self) -> BoxFuture<'_, StoreStatus> {
        let folder = self.folder.clone();
        Box::pin(async move {
            let begun = Instant::now();
            let tried = tokio::task::spawn_blocking(move || try_folder(&folder)).await;
            let failed = tried.map_err(io::Error::other).flatten().err();
            StoreStatus {
                name: "mail",
                mode: Mode::Embedded,
                reachable: failed.is_none(),
                latency_ms: Some(begun.elapsed().as_secs_f64() * 1000.0),
                version: None,
                detail: Some("files in outbox/mail".into()),
                mend: failed.map(|error| format!("make outbox/mail in GIGSY_DATA_DIR writable ({error})")),
            }
        })
    }
}

/// Whether a letter could be put there.
fn try_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK)?;
    Ok(())
}

/// Writes beside and renames: who watches the folder never reads half a mail, and a letter that is
/// written again after a crash is there once. The file is its owner's alone, since a mail may hold a
/// link that lets its reader in.
fn write(folder: &Path, id: Uuid, bytes: &[u8]) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let path = folder.join(format!("{id}.eml"));
    if path.exists() {
        return Ok(path);
    }
    // A name of its own: an attempt that was killed may have left one.
    let beside = folder.join(format!(".{id}.{}.tmp", Uuid::new_v4().simple()));
    let put = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, &path)
    };
    put().inspect_err(|_| {
        let _ = fs::remove_file(&beside);
    })?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn letter() -> Letter {
        Letter {
            id: Uuid::now_v7(),
            unsubscribe: None,
            calendar: None,
            to: "lina@example.org".into(),
            subject: "Grüße".into(),
            text: "Open https://x.org/verify-email?token=gl_abc\n".into(),
            html: "<p>Open <a href=\"https://x.org\">this</a></p>".into(),
        }
    }

    #[tokio::test]
    async fn a_mail_is_one_private_well_formed_file() {
        let dir = tempfile::tempdir().unwrap();
        let mail = FileMail::new(dir.path(), "https://gigsy.example.org");
        mail.send(letter()).await.unwrap();
        let files: Vec<_> = fs::read_dir(mail.folder()).unwrap().map(|f| f.unwrap().path()).collect();
        let [file] = files.as_slice() else { panic!("{files:?}") };
        assert_eq!(file.extension().unwrap(), "eml");
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        let text = fs::read_to_string(file).unwrap();
        for part in [
            "From: Gigsy <no-reply@gigsy.example.org>\r\n",
            "To: lina@example.org\r\n",
            "Message-ID: <",
            "Date: ",
            "multipart/alternative",
            "text/plain",
            "text/html",
            "Subject: =?utf-8?b?",
        ] {
            assert!(text.contains(part), "{part:?} is missing in\n{text}");
        }
        // The link stands in the text part as it is: people copy it out of the file.
        assert!(text.contains("Open https://x.org/verify-email?token=gl_abc"), "{text}");
    }

    #[tokio::test]
    async fn a_letter_that_is_sent_again_is_there_once() {
        let dir = tempfile::tempdir().unwrap();
        let mail = FileMail::new(dir.path(), "https://gigsy.example.org");
        let letter = Letter { unsubscribe: Some("https://x.org/u?token=a".into()), ..letter() };
        mail.send(letter.clone()).await.unwrap();
        let file = mail.folder().join(format!("{}.eml", letter.id));
        let before = fs::read_to_string(&file).unwrap();
        for part in [
            format!("Message-ID: <{}@gigsy.example.org>\r\n", letter.id.simple()),
            "List-Unsubscribe: <https://x.org/u?token=a>\r\n".into(),
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n".into(),
            "Auto-Submitted: auto-generated\r\n".into(),
        ] {
            assert!(before.contains(&part), "{part:?} is missing in\n{before}");
        }
        mail.send(Letter { subject: "Another".into(), ..letter }).await.unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), before);
        assert_eq!(fs::read_dir(mail.folder()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn the_status_tells_whether_mail_can_be_written() {
        let dir = tempfile::tempdir().unwrap();
        assert!(FileMail::new(dir.path(), "http://127.0.0.1").status().await.reachable);
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let status = FileMail::new(&file, "http://127.0.0.1").status().await;
        assert!(!status.reachable && status.mend.is_some());
    }

    #[tokio::test]
    async fn a_recipient_cannot_add_headers() {
        let dir = tempfile::tempdir().unwrap();
        let mail = FileMail::new(dir.path(), "http://127.0.0.1:8080");
        let evil = Letter { to: "a@x.org\r\nBcc: b@x.org".into(), ..letter() };
        assert!(matches!(mail.send(evil).await, Err(MailError::Malformed(_))));
        let sly = Letter { subject: "a\r\nBcc: b@x.org".into(), ..letter() };
        if mail.send(sly).await.is_ok() {
            let file = fs::read_dir(mail.folder()).unwrap().next().unwrap().unwrap().path();
            assert!(!fs::read_to_string(file).unwrap().contains("\nBcc:"));
        }
    }
}
