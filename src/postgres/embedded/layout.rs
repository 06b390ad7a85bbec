//! Directories, their privacy, and the lock.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io::{Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};

use super::EmbeddedError;

/// The port is only part of the socket's name.
pub(super) const PORT: u16 = 5432;

/// `sun_path` of Linux and macOS, less the terminating zero of the smaller one.
const LONGEST_SOCKET: usize = 103;

/// Where things are; absolute paths.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// `<data_dir>/postgres`.
    pub(super) home: PathBuf,
    /// PostgreSQL's data directory.
    pub(super) cluster: PathBuf,
    /// The socket's directory.
    pub(super) socket: PathBuf,
}

impl Layout {
    /// Makes the directories that are missing, and refuses those that others may enter.
    pub(super) fn prepare(data_dir: &Path) -> Result<Self, EmbeddedError> {
        let mut maker = DirBuilder::new();
        maker.recursive(true).mode(0o700);
        let home = data_dir.join("postgres");
        maker.create(&home).map_err(|e| EmbeddedError::io("create the directory", &home, e))?;
        let home = home.canonicalize().map_err(|e| EmbeddedError::io("resolve", &home, e))?;
        let me = rustix::process::geteuid().as_raw();
        // Root may run it for the user whose directory it is; see root.rs.
        let heir = fs::metadata(&home).map(|meta| meta.uid()).ok().filter(|_| me == 0);
        shut(&home, &[me, heir.unwrap_or(me)])?;
        let cluster = home.join("cluster");
        let socket = socket_dir(&home);
        maker.create(&socket).map_err(|e| EmbeddedError::io("create the directory", &socket, e))?;
        // Or it handed cluster and socket to the user that the server runs as.
        let user = fs::metadata(&cluster).map(|meta| meta.uid()).ok().or(heir).filter(|_| me == 0);
        shut(&socket, &[me, user.unwrap_or(me)])?;
        Ok(Self { home, cluster, socket })
    }

    /// Takes the lock; if another process has it, says which.
    pub(super) fn lock(&self) -> Result<Result<File, Option<u32>>, EmbeddedError> {
        let path = self.home.join("lock");
        let failed = |e| EmbeddedError::io("lock", &path, e);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        // A process that was just killed may hold it for a moment yet.
        let until = Instant::now() + Duration::from_millis(300);
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < until => {
                    thread::sleep(Duration::from_millis(10));
                }
                Err(TryLockError::WouldBlock) => {
                    let mut text = String::new();
                    // Without the holder's number the message is only a little poorer.
                    let _ = file.read_to_string(&mut text);
                    return Ok(Err(text.trim().parse().ok()));
                }
                Err(TryLockError::Error(e)) => return Err(failed(e)),
            }
        }
        file.set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| writeln!(file, "{}", std::process::id()))
            .map_err(failed)?;
        Ok(Ok(file))
    }
}

/// `socket/` beside the cluster, or a short directory named after it where that is too long.
fn socket_dir(home: &Path) -> PathBuf {
    let inside = home.join("socket");
    let longest = format!("/.s.PGSQL.{PORT}").len() + inside.as_os_str().len();
    if longest <= LONGEST_SOCKET {
        return inside;
    }
    let digest = Sha256::digest(home.as_os_str().as_encoded_bytes());
    let hash: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let user = rustix::process::geteuid().as_raw();
    let runtime = if user == 0 { "/run".to_owned() } else { format!("/run/user/{user}") };
    let runtime = PathBuf::from(runtime);
    let base = if owned(&runtime, &[user]).is_ok() { runtime } else { PathBuf::from("/tmp") };
    base.join(format!("gigsy-{user}-{hash}"))
}

/// Closes a directory to others, if it is ours.
fn shut(path: &Path, owners: &[u32]) -> Result<(), EmbeddedError> {
    let mode = owned(path, owners)?;
    if mode & 0o077 != 0 {
        fs::set_permissions(path, Permissions::from_mode(0o700))
            .map_err(|e| EmbeddedError::io("restrict", path, e))?;
    }
    Ok(())
}

/// The mode of a directory that is ours. A link is refused: in `/tmp` anyone could have put it there.
fn owned(path: &Path, owners: &[u32]) -> Result<u32, EmbeddedError> {
    let refuse = |reason: String| EmbeddedError::NotPrivate { path: path.to_owned(), reason };
    let meta = fs::symlink_metadata(path).map_err(|e| EmbeddedError::io("look at", path, e))?;
    if !meta.is_dir() {
        return Err(refuse("is not a directory".into()));
    }
    if !owners.contains(&meta.uid()) {
        return Err(refuse(format!("belongs to user {}, not to {owners:?}", meta.uid())));
    }
    Ok(meta.mode())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_gets_a_short_socket() {
        assert_eq!(socket_dir(Path::new("/data/postgres")), Path::new("/data/postgres/socket"));
        let long = PathBuf::from(format!("/{}/postgres", "deep/".repeat(30)));
        let dir = socket_dir(&long);
        assert!(dir.as_os_str().len() < 60, "{dir:?}");
        assert_eq!(dir, socket_dir(&long), "another process must find it");
        assert_ne!(dir, socket_dir(&long.join("x")));
    }

    #[test]
    fn a_directory_that_others_may_enter_is_closed_and_a_link_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let me = rustix::process::geteuid().as_raw();
        let open = dir.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, Permissions::from_mode(0o755)).unwrap();
        shut(&open, &[me]).unwrap();
        assert_eq!(fs::metadata(&open).unwrap().mode() & 0o777, 0o700);
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&open, &link).unwrap();
        assert!(shut(&open, &[me + 1]).is_err());
        assert!(shut(&link, &[me]).is_err());
    }
}
