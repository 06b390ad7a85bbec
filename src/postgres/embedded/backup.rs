//! `gigsy backup` and `gigsy restore` of the private server, by PostgreSQL's own programs.
//!
//! A backup is one consistent snapshot in PostgreSQL's custom archive format. It is taken from the
//! running server, whichever process runs it, and while it serves. A restore fills a database aside
//! and swaps it in by renaming, so that it happens wholly or not at all.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use super::{
    Binaries, Cluster, EmbeddedError, NAME, Options, SUPERUSER, cluster,
    layout::{Layout, PORT},
    sql,
};
use crate::config::Config;

/// The database that a restore fills before it is swapped in, and where the old one goes.
const INCOMING: &str = "gigsy_incoming";
const OUTGOING: &str = "gigsy_outgoing";

/// Why there is no backup, or nothing was restored. Every message says what to do.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields say what the message says")]
pub enum BackupError {
    /// The data is on a server.
    #[error("DATABASE_URL is set: this {what} is for the private PostgreSQL; use the server's own tools")]
    Server { what: &'static str },
    /// A program is missing.
    #[error(
        "there is no {program} in {}: run `make setup`, or set GIGSY_POSTGRES_BIN to a complete PostgreSQL",
        dir.display()
    )]
    NoProgram { program: &'static str, dir: PathBuf },
    /// A backup never overwrites.
    #[error("{} exists already: name another file", path.display())]
    Exists { path: PathBuf },
    /// The file is no backup, or none that these programs read.
    #[error("{} cannot be restored: {said}", path.display())]
    Unreadable { path: PathBuf, said: String },
    /// The program failed; nothing was changed.
    #[error("the {what} failed, nothing was changed: {said}")]
    Failed { what: &'static str, said: String },
    /// The file system refused something.
    #[error("cannot {what} {}: {source}", path.display())]
    Io { what: &'static str, path: PathBuf, source: io::Error },
    /// The private server cannot be used.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
}

/// How far it is, in tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Tables begun.
    pub done: usize,
    /// Tables altogether.
    pub total: usize,
}

/// What was written or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupReport {
    /// The archive's size in bytes.
    pub bytes: u64,
    /// Tables in it.
    pub tables: usize,
    /// How long it took.
    pub took: Duration,
}

/// Writes a backup of the private server's database to `to`. The server may be running: in this
/// process, in another, or not at all. Blocks.
///
/// # Errors
/// [`BackupError`]. A file named `to` exists afterwards only if the backup is whole.
pub fn backup(
    config: &Config,
    to: &Path,
    mut report: impl FnMut(Progress),
) -> Result<BackupReport, BackupError> {
    let began = Instant::now();
    private(config, "backup")?;
    if to.exists() {
        return Err(BackupError::Exists { path: to.to_owned() });
    }
    let options = Options::new(&config.database, &config.data);
    let server = Cluster::open(options.clone(), true)?;
    let (layout, binaries) = programs(&options)?;
    let pg_dump = program(&binaries, "pg_dump")?;
    let total = sql::count_tables(&layout, NAME)?;

    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    let partial = Partial(to.with_file_name(name));
    let create = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial.0);
    create.map_err(|e| failed("create", &partial.0, e))?;
    let mut command = Command::new(pg_dump);
    // As the superuser: a dump must not stumble over what the application's role may not read.
    command.args([
        "--format=custom",
        "--verbose",
        "--no-password",
        "--dbname",
        NAME,
        "--username",
        SUPERUSER,
    ]);
    connect(&mut command, &layout).arg("--file").arg(&partial.0);
    let mut done = 0;
    report(Progress { done, total });
    let said = watch(command, |line| {
        if line.contains("dumping contents of table") {
            done += 1;
            report(Progress { done: done.min(total), total });
        }
    })
    .map_err(|said| match EmbeddedError::said(&said, to, |said| EmbeddedError::Start { said }) {
        EmbeddedError::Start { said } => BackupError::Failed { what: "backup", said },
        full => full.into(),
    });
    server.stop();
    said?;
    let bytes = partial.keep(to).map_err(|e| failed("finish", to, e))?;
    report(Progress { done: total, total });
    Ok(BackupReport { bytes, tables: total, took: began.elapsed() })
}

/// Replaces the private server's database by the backup in `from`. No server may be running on the
/// data directory. Blocks.
///
/// # Errors
/// [`BackupError`]; the database is then what it was.
pub fn restore(
    config: &Config,
    from: &Path,
    mut report: impl FnMut(Progress),
) -> Result<BackupReport, BackupError> {
    let began = Instant::now();
    private(config, "restore")?;
    let bytes = fs::metadata(from).map_err(|e| failed("read", from, e))?.len();
    let options = Options::new(&config.database, &config.data);
    let server = Cluster::open(options.clone(), false)?;
    let (layout, binaries) = programs(&options)?;
    let pg_restore = program(&binaries, "pg_restore")?;

    let mut list = Command::new(&pg_restore);
    list.arg("--list").arg(from);
    cluster::quiet(&mut list);
    let listed = list.output().map_err(|e| failed("run", &pg_restore, e))?;
    if !listed.status.success() {
        let said = String::from_utf8_lossy(&listed.stderr).trim().to_owned();
        return Err(BackupError::Unreadable { path: from.to_owned(), said });
    }
    let total = String::from_utf8_lossy(&listed.stdout).matches(" TABLE DATA ").count();

    sql::recreate(&layout, INCOMING)?;
    let mut command = Command::new(&pg_restore);
    // As the superuser, so that extensions can be made; what is made belongs to the application's
    // role all the same, because that is what the archive says.
    command.args([
        "--verbose",
        "--exit-on-error",
        "--no-password",
        "--dbname",
        INCOMING,
        "--username",
        SUPERUSER,
    ]);
    connect(&mut command, &layout).arg(from);
    let mut done = 0;
    report(Progress { done, total });
    let restored = watch(command, |line| {
        if line.contains("processing data for table") {
            done += 1;
            report(Progress { done: done.min(total), total });
        }
    });
    let swapped = match restored {
        Ok(()) => sql::swap(&layout, INCOMING, OUTGOING).map_err(BackupError::from),
        Err(said) => Err(BackupError::Failed { what: "restore", said }),
    };
    if swapped.is_err() {
        // The next restore clears it away if this one cannot.
        let _ = sql::drop(&layout, INCOMING);
    }
    server.stop();
    swapped?;
    Ok(BackupReport { bytes, tables: total, took: began.elapsed() })
}

fn private(config: &Config, what: &'static str) -> Result<(), BackupError> {
    if config.database.url.is_some() { Err(BackupError::Server { what }) } else { Ok(()) }
}

fn programs(options: &Options) -> Result<(Layout, Binaries), BackupError> {
    let layout = Layout::prepare(&options.data_dir)?;
    let version = cluster::data_version(&layout)?;
    let binaries = Binaries::find(options.postgres_bin.as_deref(), version, &layout.cluster)?;
    Ok((layout, binaries))
}

fn program(binaries: &Binaries, program: &'static str) -> Result<PathBuf, BackupError> {
    let path = binaries.program(program);
    if path.is_file() { Ok(path) } else { Err(BackupError::NoProgram { program, dir: binaries.dir.clone() }) }
}

fn connect<'a>(command: &'a mut Command, layout: &Layout) -> &'a mut Command {
    cluster::quiet(command);
    command.stdout(std::process::Stdio::null());
    command.arg("--host").arg(&layout.socket).arg(format!("--port={PORT}"))
}

/// Runs a program, line by line of what it says; on failure, what it said last.
fn watch(mut command: Command, mut line: impl FnMut(&str)) -> Result<(), String> {
    let mut child = command.spawn().map_err(|e| format!("{:?}: {e}", command.get_program()))?;
    let mut last = Vec::new();
    if let Some(pipe) = child.stderr.take() {
        for text in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let text = String::from_utf8_lossy(&text).into_owned();
            line(&text);
            if ["error:", "detail:", "hint:", "Command was:"].iter().any(|word| text.contains(word)) {
                last.push(text);
            }
        }
    }
    match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) if last.is_empty() => Err(status.to_string()),
        Ok(_) => Err(last.join("; ")),
        Err(e) => Err(e.to_string()),
    }
}

fn failed(what: &'static str, path: &Path, source: io::Error) -> BackupError {
    match EmbeddedError::io(what, path, source) {
        EmbeddedError::Io { what, path, source } => BackupError::Io { what, path, source },
        other => other.into(),
    }
}

/// A file under way; gone unless it is kept.
struct Partial(PathBuf);

impl Partial {
    /// Makes it durable under its real name.
    fn keep(&self, to: &Path) -> io::Result<u64> {
        let file = File::open(&self.0)?;
        file.sync_all()?;
        let bytes = file.metadata()?.len();
        // Linked, not renamed: a file that appeared there in the meantime is not overwritten.
        fs::hard_link(&self.0, to).or_else(|e| match e.kind() {
            io::ErrorKind::AlreadyExists => Err(e),
            _ => fs::rename(&self.0, to),
        })?;
        let dir = to.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(dir)?.sync_all()?;
        Ok(bytes)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // After a success it is a second name of the backup, or no longer there.
        let _ = fs::remove_file(&self.0);
    }
}
