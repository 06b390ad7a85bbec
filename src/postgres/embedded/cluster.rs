//! The cluster: `initdb`, its settings, its version.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use super::{Binaries, EmbeddedError, Identity, SUPERUSER, layout::Layout, layout::PORT};
use crate::telemetry::log;

/// Appended to `postgresql.conf` once, where an operator may change them.
const SETTINGS: &str = "
# --- Gigsy's choices for a small machine; change them here or by ALTER SYSTEM ---
shared_buffers = 64MB
work_mem = 4MB
maintenance_work_mem = 32MB
max_wal_size = 512MB
# Short queries by the hundred: compiling them or spreading them over processes costs more than it saves.
jit = off
max_worker_processes = 4
max_parallel_workers_per_gather = 0
timezone = 'UTC'
log_timezone = 'UTC'
";

/// Local connections only, and whoever gets through the socket's directory (0700) is trusted. Not
/// `peer`: the name that belongs to our user id is a borrowed one inside a user namespace and
/// missing in many containers. A password in a file beside the socket would guard nothing more than
/// the directory does.
const HBA: &str = "# Only the owner of the socket's directory gets this far.\nlocal all all trust\n";

/// The major version of a cluster's data; none if there is no cluster.
pub(super) fn data_version(layout: &Layout) -> Result<Option<u32>, EmbeddedError> {
    let path = layout.cluster.join("PG_VERSION");
    match fs::read_to_string(&path) {
        Ok(text) => match text.trim().parse() {
            Ok(version) => Ok(Some(version)),
            Err(_) => Err(EmbeddedError::Start { said: format!("{} is damaged: {text:?}", path.display()) }),
        },
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(EmbeddedError::io("read", path, e)),
    }
}

/// Makes the cluster. It is made aside and renamed, so that one that stands is whole.
pub(super) fn initialise(
    layout: &Layout,
    binaries: &Binaries,
    identity: &Identity,
) -> Result<(), EmbeddedError> {
    let began = Instant::now();
    let new = layout.home.join("cluster.new");
    // The builtin provider needs no locale of the system's, and its order never changes with an
    // upgrade of libc, which would corrupt indexes. Its character classes still come from the C
    // library; a system without C.UTF-8 gets ASCII's.
    let provider: &[&str] = match binaries.major {
        17.. => &["--locale-provider=builtin", "--builtin-locale=C.UTF-8"],
        _ => &[],
    };
    let mut said = String::new();
    for locale in ["C.UTF-8", "C"] {
        clear(&new)?;
        DirBuilder::new().mode(0o700).create(&new).map_err(|e| EmbeddedError::io("create", &new, e))?;
        identity.hand_over(&new)?;
        let mut command = Command::new(binaries.program("initdb"));
        command
            .arg("--pgdata")
            .arg(&new)
            .args(["--data-checksums", "--encoding=UTF8", "--auth=trust", "--no-instructions"])
            .args([format!("--username={SUPERUSER}"), format!("--locale={locale}")])
            .args(provider)
            .args((binaries.major >= 17 && whole_sync()).then_some("--sync-method=syncfs"));
        quiet(&mut command);
        identity
            .prepare(&mut command, &layout.home, None)
            .map_err(|e| EmbeddedError::io("run in", &layout.home, e))?;
        let output = command.output().map_err(|e| EmbeddedError::io("run", binaries.program("initdb"), e))?;
        if output.status.success() {
            configure(&new)?;
            identity.hand_over(&new)?;
            fs::rename(&new, &layout.cluster)
                .and_then(|()| File::open(&layout.home)?.sync_all())
                .map_err(|e| EmbeddedError::io("rename into place", &layout.cluster, e))?;
            slog::info!(log(), "PostgreSQL initialised"; "dir" => %layout.cluster.display(),
                "version" => binaries.major, "ms" => began.elapsed().as_millis() as u64);
            return Ok(());
        }
        said = String::from_utf8_lossy(&output.stderr).into_owned();
        if !said.contains("locale") {
            break;
        }
    }
    // A full disk stays full while this lies about.
    let _ = fs::remove_dir_all(&new);
    let last: Vec<&str> = said.lines().rev().take(6).collect();
    let text: Vec<&str> = last.into_iter().rev().collect();
    Err(EmbeddedError::said(&text.join("\n"), &layout.home, |said| EmbeddedError::Initdb { said }))
}

fn clear(dir: &Path) -> Result<(), EmbeddedError> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(EmbeddedError::io("remove", dir, e)),
        _ => Ok(()),
    }
}

fn configure(cluster: &Path) -> Result<(), EmbeddedError> {
    let path = cluster.join("postgresql.conf");
    let append = || -> io::Result<()> {
        let mut file = OpenOptions::new().append(true).open(&path)?;
        file.write_all(SETTINGS.as_bytes())?;
        file.sync_all()
    };
    append().map_err(|e| EmbeddedError::io("write", &path, e))?;
    let path = cluster.join("pg_hba.conf");
    let write = || -> io::Result<()> {
        let mut file = File::create(&path)?;
        file.write_all(HBA.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|e| EmbeddedError::io("write", &path, e))
}

/// The server's command line. What must hold, whatever the files say, stands here; `fsync` does not:
/// it is asked for after the start, and a cluster that is set to lose data is refused.
pub(super) fn server(layout: &Layout, binaries: &Binaries, max_connections: usize) -> Command {
    let socket = layout.socket.display().to_string().replace('"', "\"\"");
    let mut settings = vec![
        "listen_addresses=".to_owned(),
        format!("unix_socket_directories=\"{socket}\""),
        "unix_socket_permissions=0700".to_owned(),
        format!("port={PORT}"),
        format!("max_connections={max_connections}"),
        "cluster_name=gigsy".to_owned(),
        "logging_collector=off".to_owned(),
        "log_destination=stderr".to_owned(),
        "log_line_prefix=".to_owned(),
        // A session's errors go to the session; in the log they would show people's data.
        "log_min_messages=log".to_owned(),
        "log_min_error_statement=panic".to_owned(),
    ];
    if binaries.major >= 18 {
        // Saves the worker processes, which a database in memory has no use for.
        settings.push("io_method=sync".to_owned());
    }
    if whole_sync() {
        settings.push("recovery_init_sync_method=syncfs".to_owned());
    }
    let mut command = Command::new(binaries.program("postgres"));
    command.arg("-D").arg(&layout.cluster);
    for setting in settings {
        command.arg("-c").arg(setting);
    }
    quiet(&mut command);
    command
}

/// Whether the file system can be synced as a whole. Before it recovers from a crash, PostgreSQL
/// makes sure of everything an earlier run wrote; file by file that takes seconds (a cluster has
/// over a thousand), in one call a tenth of one. Linux reports write errors there since 5.8.
fn whole_sync() -> bool {
    let Ok(release) = fs::read_to_string("/proc/sys/kernel/osrelease") else { return false };
    let mut numbers = release.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or_default());
    (numbers.next(), numbers.next()) >= (Some(5), Some(8))
}

/// Nothing of our environment but what finds programs and libraries: it holds secrets, and PG*
/// variables would change what is started.
pub(super) fn quiet(command: &mut Command) {
    let kept = ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR"];
    let kept: Vec<_> = kept.iter().filter_map(|name| Some((name, std::env::var_os(name)?))).collect();
    command.env_clear().envs(kept).env("LC_ALL", "C").env("LANG", "C");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
}
