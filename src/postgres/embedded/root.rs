//! Whom the server runs as, and what happens between fork and exec.
//!
//! PostgreSQL refuses to run as root. Its data directory, though, is made by whoever runs gigsy,
//! often below a home that only root may enter. So, as root, in this order:
//!
//! 1. **A user namespace** in which root's own id bears an ordinary user's number (what `unshare
//!    --user --map-user` does). To PostgreSQL it is that user; to the file system it is still root,
//!    so that every path stays in reach and nothing changes its owner. It has no capability.
//! 2. Where namespaces are denied (containers often do): **an ordinary user** of this machine
//!    (`postgres`, or else `nobody`), to whom cluster and socket are handed.
//! 3. If that user cannot reach the paths: the same, with the one **capability** to do so
//!    (`CAP_DAC_OVERRIDE`), which containers usually leave to root. It is no more than root's
//!    server would have.
//!
//! A cluster (or an empty directory for one) that belongs to an ordinary user is run as that user
//! straight away.

use std::{
    ffi::CString,
    fs, io,
    os::unix::{ffi::OsStrExt, fs::MetadataExt, process::CommandExt},
    path::Path,
    process::{Command, Stdio},
};

use rustix::process::{Pid, Signal};

use super::{Binaries, EmbeddedError, layout::Layout};

/// Whom the server runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Ourselves.
    Own,
    /// Ourselves, under another number inside a user namespace of its own. Linux only.
    Mapped {
        /// A user id that has a name.
        uid: u32,
        /// Its group.
        gid: u32,
    },
    /// Another user.
    User {
        /// The user id.
        uid: u32,
        /// Its group.
        gid: u32,
        /// Whether it keeps the capability to pass closed directories. Linux only.
        reach: bool,
    },
}

/// A line of `/etc/passwd`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Account {
    name: String,
    uid: u32,
    gid: u32,
}

impl Identity {
    /// Tries the possibilities and takes the first that can run the binaries from `home`.
    pub(super) fn choose(layout: &Layout, binaries: &Binaries) -> Result<Self, EmbeddedError> {
        let me = rustix::process::geteuid().as_raw();
        let accounts = accounts();
        let ordinary = ["postgres", "nobody"]
            .iter()
            .find_map(|name| accounts.iter().find(|account| account.name == *name))
            .or_else(|| accounts.iter().find(|account| account.uid != 0));
        if me != 0 {
            if accounts.iter().any(|account| account.uid == me) || has_name() {
                return Ok(Self::Own);
            }
            let (uid, gid) = ordinary.map_or((65_534, 65_534), |account| (account.uid, account.gid));
            let mapped = Self::Mapped { uid, gid };
            let tried = match mapped.try_run(layout, binaries) {
                Ok(()) => return Ok(mapped),
                Err(e) => format!("user namespace: {e}"),
            };
            return Err(EmbeddedError::Nameless { uid: me, tried });
        }

        let place = fs::metadata(&layout.cluster).or_else(|_| fs::metadata(&layout.home));
        let owner = place.map_or(0, |meta| meta.uid());
        let user = match owner {
            0 => ordinary.cloned(),
            uid => accounts.iter().find(|account| account.uid == uid).cloned(),
        };
        let Some(Account { name, uid, gid }) = user else {
            let tried = format!("user id {owner}, which owns the data, has no entry in /etc/passwd");
            return Err(EmbeddedError::Root { tried, user: owner.to_string() });
        };
        let mut candidates =
            vec![Self::User { uid, gid, reach: false }, Self::User { uid, gid, reach: true }];
        if owner == 0 {
            candidates.insert(0, Self::Mapped { uid, gid });
        }
        let mut tried = Vec::new();
        for candidate in candidates {
            match candidate.try_run(layout, binaries) {
                Ok(()) => return Ok(candidate),
                Err(e) => tried.push(format!("{candidate}: {e}")),
            }
        }
        tried.dedup();
        Err(EmbeddedError::Root { tried: tried.join("; "), user: name })
    }

    /// Whether the binaries run under this identity, from the directory they will run in.
    fn try_run(&self, layout: &Layout, binaries: &Binaries) -> io::Result<()> {
        let program = binaries.program("postgres");
        let mut command = Command::new(&program);
        command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut steps = Steps::new(self, &layout.home, None)?;
        // PostgreSQL asks so itself before it runs; `--version` alone would not notice.
        steps.program = Some(CString::new(program.as_os_str().as_bytes())?);
        before_exec(&mut command, steps);
        let status = command.status()?;
        if status.success() { Ok(()) } else { Err(io::Error::other(format!("postgres --version: {status}"))) }
    }

    /// Gives a path, and all below it, to the user if it is another than ours.
    pub(super) fn hand_over(&self, path: &Path) -> Result<(), EmbeddedError> {
        let Self::User { uid, gid, .. } = self else { return Ok(()) };
        give(path, *uid, *gid).map_err(|e| EmbeddedError::io("change the owner of", path, e))
    }

    /// Makes a command run under this identity, in the directory `home`, and end by `death` when the
    /// calling **thread** ends. (Linux; elsewhere nothing tells a child of its parent's death, and
    /// the next start clears the leftover.)
    pub(super) fn prepare(
        &self,
        command: &mut Command,
        home: &Path,
        death: Option<Signal>,
    ) -> io::Result<()> {
        // A group of its own: Ctrl-C in the terminal reaches gigsy, which then stops it in order.
        command.process_group(0);
        before_exec(command, Steps::new(self, home, death)?);
        Ok(())
    }
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Own => f.write_str("own user"),
            Self::Mapped { uid, .. } => write!(f, "user namespace as {uid}"),
            Self::User { uid, reach: false, .. } => write!(f, "user {uid}"),
            Self::User { uid, reach: true, .. } => write!(f, "user {uid} with CAP_DAC_OVERRIDE"),
        }
    }
}

/// What the child does between fork and exec: system calls only, on memory that was laid out before
/// the fork.
struct Steps {
    identity: Identity,
    home: CString,
    program: Option<CString>,
    death: Option<Signal>,
    parent: Pid,
    uid_map: String,
    gid_map: String,
}

impl Steps {
    fn new(identity: &Identity, home: &Path, death: Option<Signal>) -> io::Result<Self> {
        let (uid, gid) = match *identity {
            Identity::Own => (0, 0),
            Identity::Mapped { uid, gid } | Identity::User { uid, gid, .. } => (uid, gid),
        };
        Ok(Self {
            identity: identity.clone(),
            home: CString::new(home.as_os_str().as_bytes())?,
            program: None,
            death,
            parent: rustix::process::getpid(),
            uid_map: format!("{uid} {} 1\n", rustix::process::geteuid().as_raw()),
            gid_map: format!("{gid} {} 1\n", rustix::process::getegid().as_raw()),
        })
    }

    fn take(&self) -> io::Result<()> {
        match self.identity {
            Identity::Own => {}
            Identity::Mapped { .. } => self.enter_namespace()?,
            Identity::User { uid, gid, reach } => become_user(uid, gid, reach)?,
        }
        rustix::process::chdir(&self.home)?;
        if let Some(program) = &self.program {
            rustix::fs::access(program, rustix::fs::Access::EXEC_OK)?;
        }
        // After the identity: a change of credentials clears it.
        #[cfg(target_os = "linux")]
        if let Some(signal) = self.death {
            rustix::process::set_parent_process_death_signal(Some(signal))?;
            if rustix::process::getppid() != Some(self.parent) {
                return Err(io::Error::from(rustix::io::Errno::CHILD));
            }
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (self.death, self.parent);
        Ok(())
    }

    #[cfg(target_os = "linux")]
    #[allow(unsafe_code)]
    fn enter_namespace(&self) -> io::Result<()> {
        use rustix::fs::{Mode, OFlags};
        // SAFETY: unshare is unsafe for what CLONE_FILES, CLONE_FS and the like do to other threads'
        // view of descriptors; this is CLONE_NEWUSER alone, in a child that has one thread.
        unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWUSER) }?;
        // user_namespaces(7): one line that maps one's own id may be written by anyone, the group's
        // only once setgroups is given up.
        let write = |path: &std::ffi::CStr, text: &str| {
            let file = rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
            rustix::io::write(file, text.as_bytes()).map(drop)
        };
        write(c"/proc/self/setgroups", "deny")?;
        write(c"/proc/self/gid_map", &self.gid_map)?;
        write(c"/proc/self/uid_map", &self.uid_map)?;
        Ok(())
    }

    #[cfg(not(target_os = "linux"))]
    fn enter_namespace(&self) -> io::Result<()> {
        let _ = (&self.gid_map, &self.uid_map);
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }
}

#[cfg(target_os = "linux")]
fn become_user(uid: u32, gid: u32, reach: bool) -> io::Result<()> {
    use rustix::thread::{self, CapabilitiesSecureBits, CapabilitySet, CapabilitySets, Gid, Uid};
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    let kept = CapabilitySet::DAC_OVERRIDE;
    if reach {
        // Without it, the change of user drops the capabilities, and access(2), by which PostgreSQL
        // looks for its own programs, ignores those of ordinary users: capabilities(7).
        thread::set_capabilities_secure_bits(CapabilitiesSecureBits::NO_SETUID_FIXUP)?;
    }
    thread::set_thread_groups(&[gid])?;
    thread::set_thread_res_gid(gid, gid, gid)?;
    thread::set_thread_res_uid(uid, uid, uid)?;
    if reach {
        // Ambient, because PostgreSQL's files carry no capabilities of their own.
        thread::set_capabilities(
            None,
            CapabilitySets { effective: kept, permitted: kept, inheritable: kept },
        )?;
        thread::configure_capability_in_ambient_set(kept, true)?;
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn become_user(_uid: u32, _gid: u32, _reach: bool) -> io::Result<()> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

#[allow(unsafe_code)]
fn before_exec(command: &mut Command, steps: Steps) {
    // SAFETY: the closure runs in the forked child, where only async-signal-safe calls are sound,
    // as another thread may have held any lock at the fork. `Steps::take` makes system calls on
    // memory laid out before; it neither allocates nor locks, and its errors are plain numbers.
    unsafe { command.pre_exec(move || steps.take()) };
}

/// `chown -R`, links themselves and not what they lead to.
fn give(path: &Path, uid: u32, gid: u32) -> io::Result<()> {
    let meta = fs::symlink_metadata(path)?;
    if meta.is_dir() {
        for entry in fs::read_dir(path)? {
            give(&entry?.path(), uid, gid)?;
        }
    }
    if meta.uid() != uid || meta.gid() != gid {
        std::os::unix::fs::lchown(path, Some(uid), Some(gid))?;
    }
    Ok(())
}

fn accounts() -> Vec<Account> {
    parse_accounts(&fs::read_to_string("/etc/passwd").unwrap_or_default())
}

fn parse_accounts(text: &str) -> Vec<Account> {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?.to_owned();
            let uid = fields.nth(1)?.parse().ok()?;
            let gid = fields.next()?.parse().ok()?;
            Some(Account { name, uid, gid })
        })
        .collect()
}

/// Whether some directory service knows our user id.
fn has_name() -> bool {
    let mut id = Command::new("id");
    id.arg("-un").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    id.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwd_lines_are_read_and_broken_ones_passed_over() {
        let text = "root:x:0:0:root:/root:/bin/sh\n\nbroken\nnobody:x:65534:65533:n:/:/x\n+::::::\n";
        let found = parse_accounts(text);
        assert_eq!(found.len(), 2);
        assert_eq!(found[1], Account { name: "nobody".into(), uid: 65534, gid: 65533 });
    }
}
