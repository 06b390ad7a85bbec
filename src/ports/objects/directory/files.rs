//! The files themselves. Everything here blocks.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    super::{Key, Listed, ObjectError, Part},
    token::hex,
};

/// A folder of objects. Cheap to clone.
#[derive(Clone)]
pub(super) struct Files {
    root: Arc<PathBuf>,
}

/// What lies beside an object's bytes.
#[derive(Serialize, Deserialize)]
struct Meta {
    key: String,
    media_type: String,
}

/// A file that is being written, and gone unless it is placed.
pub(super) struct Draft {
    pub path: PathBuf,
    placed: bool,
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.placed {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn absent<T>(error: io::Error, otherwise: T) -> Result<T, ObjectError> {
    if error.kind() == io::ErrorKind::NotFound { Ok(otherwise) } else { Err(error.into()) }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

impl Files {
    pub fn new(root: &Path) -> Self {
        Self { root: Arc::new(root.to_owned()) }
    }

    /// Where an object's bytes are.
    pub fn data(&self, key: &Key) -> PathBuf {
        let name = hex(Sha256::digest(key.as_str()));
        self.root.join("data").join(&name[..2]).join(name)
    }

    fn meta(&self, key: &Key) -> PathBuf {
        self.data(key).with_extension("meta")
    }

    fn upload(&self, upload: &str) -> Result<PathBuf, ObjectError> {
        // An upload's name comes out of our own rows; still it is no path.
        let id = Uuid::try_parse(upload).map_err(|_| ObjectError::NoUpload)?;
        Ok(self.root.join("parts").join(id.simple().to_string()))
    }

    /// A new file beside the objects.
    pub fn draft(&self) -> Result<Draft, ObjectError> {
        let folder = self.root.join("tmp");
        fs::create_dir_all(&folder)?;
        Ok(Draft { path: folder.join(Uuid::now_v7().simple().to_string()), placed: false })
    }

    /// Makes a draft, whose bytes are complete, the object of that key.
    pub fn place(&self, mut draft: Draft, key: &Key, media_type: &str) -> Result<(), ObjectError> {
        File::open(&draft.path)?.sync_all()?;
        let (data, meta) = (self.data(key), self.meta(key));
        if let Some(folder) = data.parent() {
            fs::create_dir_all(folder)?;
        }
        // The key first: bytes without a key could never be swept.
        let mut beside = self.draft()?;
        let named = Meta { key: key.to_string(), media_type: media_type.to_owned() };
        let text = serde_json::to_vec(&named).map_err(ObjectError::unavailable)?;
        let mut file = OpenOptions::new().write(true).create_new(true).open(&beside.path)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&beside.path, &meta)?;
        beside.placed = true;
        fs::rename(&draft.path, &data)?;
        draft.placed = true;
        sync_folder(&data)?;
        Ok(())
    }

    pub fn write(&self, key: &Key, media_type: &str, bytes: &[u8]) -> Result<(), ObjectError> {
        let draft = self.draft()?;
        fs::write(&draft.path, bytes)?;
        self.place(draft, key, media_type)
    }

    pub fn size(&self, key: &Key) -> Result<Option<u64>, ObjectError> {
        match fs::metadata(self.data(key)) {
            Ok(meta) => Ok(Some(meta.len())),
            Err(error) => absent(error, None),
        }
    }

    pub fn copy(&self, from: &Key, to: &Key) -> Result<(), ObjectError> {
        let meta = match fs::read(self.meta(from)) {
            Ok(bytes) => serde_json::from_slice::<Meta>(&bytes).map_err(ObjectError::unavailable)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(ObjectError::NotFound),
            Err(error) => return Err(error.into()),
        };
        let draft = self.draft()?;
        match fs::copy(self.data(from), &draft.path) {
            Ok(_) => self.place(draft, to, &meta.media_type),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(ObjectError::NotFound),
            Err(error) => Err(error.into()),
        }
    }

    pub fn delete(&self, key: &Key) -> Result<(), ObjectError> {
        // Bytes first: as long as the key is there, the sweep finds what a crash left.
        for path in [self.data(key), self.meta(key)] {
            fs::remove_file(path).or_else(|error| absent(error, ()))?;
        }
        Ok(())
    }

    pub fn begin(&self, upload: &str, key: &Key, media_type: &str) -> Result<(), ObjectError> {
        let folder = self.upload(upload)?;
        fs::create_dir_all(&folder)?;
        let named = Meta { key: key.to_string(), media_type: media_type.to_owned() };
        fs::write(folder.join("meta"), serde_json::to_vec(&named).map_err(ObjectError::unavailable)?)?;
        Ok(())
    }

    /// Makes a draft a part; the tag is the digest of its bytes.
    pub fn place_part(
        &self,
        mut draft: Draft,
        upload: &str,
        number: u32,
        tag: &str,
    ) -> Result<(), ObjectError> {
        let folder = self.upload(upload)?;
        if !folder.is_dir() {
            return Err(ObjectError::NoUpload);
        }
        File::open(&draft.path)?.sync_all()?;
        // One name a part: a second one of the same number takes the first one's place.
        fs::rename(&draft.path, folder.join(format!("{number:05}")))?;
        draft.placed = true;
        fs::write(folder.join(format!("{number:05}.tag")), tag)?;
        Ok(())
    }

    pub fn parts(&self, upload: &str) -> Result<Vec<Part>, ObjectError> {
        let folder = self.upload(upload)?;
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(ObjectError::NoUpload),
            Err(error) => return Err(error.into()),
        };
        let mut parts = Vec::new();
        for entry in entries {
            let entry = entry?;
            let Some(number) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let tag = fs::read_to_string(folder.join(format!("{number:05}.tag")));
            let Ok(tag) = tag else { continue };
            parts.push(Part { number, size: entry.metadata()?.len(), tag });
        }
        parts.sort_unstable_by_key(|part| part.number);
        Ok(parts)
    }

    pub fn join(&self, key: &Key, upload: &str, parts: &[Part]) -> Result<(), ObjectError> {
        let folder = self.upload(upload)?;
        let there = self.parts(upload)?;
        if parts.is_empty() || parts.iter().any(|part| !there.contains(part)) {
            return Err(ObjectError::BadPart);
        }
        let meta = fs::read(folder.join("meta"))?;
        let meta: Meta = serde_json::from_slice(&meta).map_err(ObjectError::unavailable)?;
        let draft = self.draft()?;
        let mut whole = OpenOptions::new().write(true).create_new(true).open(&draft.path)?;
        for part in parts {
            let mut piece = File::open(folder.join(format!("{:05}", part.number)))?;
            let copied = io::copy(&mut piece, &mut whole)?;
            if copied != part.size {
                return Err(ObjectError::BadPart);
            }
        }
        drop(whole);
        self.place(draft, key, &meta.media_type)?;
        self.abort(upload)
    }

    pub fn abort(&self, upload: &str) -> Result<(), ObjectError> {
        let Ok(folder) = self.upload(upload) else { return Ok(()) };
        fs::remove_dir_all(folder).or_else(|error| absent(error, ()))
    }

    pub fn list(&self, after: Option<&Key>, limit: usize) -> Result<Vec<Listed>, ObjectError> {
        let mut found = Vec::new();
        let folders = match fs::read_dir(self.root.join("data")) {
            Ok(folders) => folders,
            Err(error) => return absent(error, Vec::new()),
        };
        for folder in folders {
            for entry in fs::read_dir(folder?.path())? {
                let path = entry?.path();
                if path.extension().is_none_or(|extension| extension != "meta") {
                    continue;
                }
                let Ok(bytes) = fs::read(&path) else { continue };
                let Ok(meta) = serde_json::from_slice::<Meta>(&bytes) else { continue };
                let Ok(key) = Key::new(meta.key) else { continue };
                if after.is_some_and(|after| key <= *after) {
                    continue;
                }
                // A key without bytes is what a crash left: it is listed, so that it is swept.
                let data = fs::metadata(path.with_extension("")).or_else(|_| fs::metadata(&path));
                let Ok(data) = data else { continue };
                let modified = DateTime::<Utc>::from(data.modified()?);
                found.push(Listed { key, size: data.len(), modified });
            }
        }
        found.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        found.truncate(limit);
        Ok(found)
    }

    /// Whether something could be written.
    pub fn probe(&self) -> Result<(), ObjectError> {
        let draft = self.draft()?;
        fs::write(&draft.path, b"")?;
        Ok(())
    }
}
