//! Why the private server cannot run, and the way out.

use std::{io, path::PathBuf};

/// How PostgreSQL and the system put it.
const DISK_FULL: [&str; 3] = ["No space left on device", "Disk quota exceeded", "Check free disk space"];

/// Why the private server cannot run. Every message says what to do.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields say what the message says")]
pub enum EmbeddedError {
    /// No PostgreSQL was found.
    #[error(
        "no PostgreSQL {oldest} or later was found (looked in {searched}): run `make setup`, or set \
         GIGSY_POSTGRES_BIN to the bin directory of one, or DATABASE_URL to use a server",
        oldest = crate::postgres::OLDEST
    )]
    NoBinaries { searched: String },
    /// `GIGSY_POSTGRES_BIN` names something else.
    #[error("GIGSY_POSTGRES_BIN={}: {reason}", dir.display())]
    BadBinaries { dir: PathBuf, reason: String },
    /// Another process runs the server of this data directory.
    #[error(
        "the data directory {} is in use by {}: stop that one first, or set GIGSY_DATA_DIR to another directory",
        dir.display(), pid.map_or_else(|| "another gigsy".to_owned(), |pid| format!("the gigsy with process id {pid}"))
    )]
    InUse { dir: PathBuf, pid: Option<u32> },
    /// The data is another major version's.
    #[error(
        "the data in {} was made by PostgreSQL {data}, but the binaries in {} are version {found}: set \
         GIGSY_POSTGRES_BIN to the bin directory of a PostgreSQL {data}; to move to version {found}, run `gigsy \
         backup` with version {data}, move the data directory away, and run `gigsy restore` with version {found}",
        dir.display(), binaries.display()
    )]
    Version { dir: PathBuf, data: u32, binaries: PathBuf, found: u32 },
    /// No space.
    #[error("the disk that holds {} is full: free some space and start again (nothing stored is lost)", dir.display())]
    DiskFull { dir: PathBuf },
    /// The file system refused something.
    #[error("cannot {what} {}: {source}", path.display())]
    Io { what: &'static str, path: PathBuf, source: io::Error },
    /// A directory that must be ours is not.
    #[error("{} {reason}; it must be a directory that only its owner may enter", path.display())]
    NotPrivate { path: PathBuf, reason: String },
    /// `initdb` failed.
    #[error("the private PostgreSQL could not be initialised: {said}")]
    Initdb { said: String },
    /// The server did not come up.
    #[error("the private PostgreSQL did not start: {said}")]
    Start { said: String },
    /// A setting would lose acknowledged commits in a power cut.
    #[error(
        "the private PostgreSQL in {} runs with {setting}={value}, which loses acknowledged data in a crash: remove \
         that line from its postgresql.conf or postgresql.auto.conf",
        dir.display()
    )]
    NotDurable { dir: PathBuf, setting: String, value: String },
    /// PostgreSQL does not run as root, and no other user would do.
    #[error(
        "PostgreSQL refuses to run as root, and running it as another user failed ({tried}): run gigsy as an \
         ordinary user, or set GIGSY_DATA_DIR and GIGSY_POSTGRES_BIN to places that the user `{user}` can reach, or \
         set DATABASE_URL to use a server"
    )]
    Root { tried: String, user: String },
    /// The user id has no name, which `initdb` insists on.
    #[error(
        "PostgreSQL needs a user name, and user id {uid} has none ({tried}): add it to /etc/passwd, or set \
         DATABASE_URL to use a server"
    )]
    Nameless { uid: u32, tried: String },
}

impl EmbeddedError {
    /// An [`io::Error`] with what was tried; a full disk is told apart.
    pub(super) fn io(what: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { dir: path },
            _ => Self::Io { what, path, source },
        }
    }

    /// What a failed program said, or that the disk is full if that is what it said.
    pub(super) fn said(lines: &str, dir: &std::path::Path, otherwise: impl FnOnce(String) -> Self) -> Self {
        if DISK_FULL.iter().any(|word| lines.contains(word)) {
            return Self::DiskFull { dir: dir.to_owned() };
        }
        let text = lines.trim();
        otherwise(if text.is_empty() { "it said nothing".to_owned() } else { text.replace('\n', "; ") })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_full_disk_is_told_apart() {
        for (lines, full) in [
            ("FATAL:  could not write lock file \"postmaster.pid\": No space left on device", true),
            ("FATAL:  could not extend file: wrote only 4096 of 8192\nHINT:  Check free disk space.", true),
            ("FATAL:  no pg_hba.conf entry", false),
            ("", false),
        ] {
            let error = EmbeddedError::said(lines, Path::new("/data"), |said| EmbeddedError::Start { said });
            assert_eq!(matches!(error, EmbeddedError::DiskFull { .. }), full, "{lines}: {error}");
        }
        let error = EmbeddedError::io("write", "/data/x", io::Error::from_raw_os_error(28));
        assert!(error.to_string().starts_with("the disk that holds /data/x is full"), "{error}");
    }
}
