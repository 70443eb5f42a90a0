//! The files of the append-only file on the disk, and the steps from one set of them to the next.
//!
//! Each step ends with the manifest being replaced; a crash before that leaves the old set, which is
//! whole, and at worst a file that nothing refers to.

use super::manifest::{Manifest, Part};
use crate::config::Config;
use crate::persist::file::sync_folder_of;
use crate::persist::file::write_durably;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// What a base is written as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    Commands,
    Rdb,
}

impl Form {
    /// As `aof-use-rdb-preamble` says.
    pub fn configured(config: &Config) -> Form {
        if config.aof_use_rdb_preamble { Form::Rdb } else { Form::Commands }
    }
}

/// Where the files are and what they are called.
#[derive(Clone, PartialEq, Eq)]
pub struct Paths {
    pub folder: PathBuf,
    /// The beginning of each file's name.
    pub stem: OsString,
}

impl Paths {
    pub fn new(config: &Config) -> Paths {
        Paths { folder: config.dir.join(&config.appenddirname), stem: config.appendfilename.clone().into_os_string() }
    }

    pub fn manifest(&self) -> PathBuf {
        self.folder.join(self.named(".manifest"))
    }

    pub fn part(&self, part: &Part) -> PathBuf {
        self.folder.join(&part.name)
    }

    /// Where commands go until the first rewrite is done.
    pub fn temporary_increment(&self) -> PathBuf {
        let mut name = OsString::from("temp-");
        name.push(self.named(".incr"));
        self.folder.join(name)
    }

    /// What a child of this process id writes a base to.
    pub fn temporary_base(&self, pid: u32) -> PathBuf {
        self.folder.join(format!("temp-rewriteaof-bg-{pid}.aof"))
    }

    /// Its name is durable once the first manifest is.
    pub fn create_folder(&self) -> io::Result<()> {
        fs::create_dir_all(&self.folder)
    }

    fn named(&self, suffix: &str) -> OsString {
        let mut name = self.stem.clone();
        name.push(suffix);
        name
    }
}

/// See the module's description. Steps that a rewrite takes wait for the disk; they may be taken by
/// another thread, on a copy, which then replaces this.
#[derive(Clone)]
pub struct Files {
    pub paths: Paths,
    /// As it is on the disk; empty if there is none.
    pub manifest: Manifest,
    /// A crash could bring back the manifest before this one.
    unsettled: bool,
    /// What was done, for the log: other threads do not write to that.
    pub notes: Vec<String>,
}

impl Files {
    pub fn load(paths: Paths) -> io::Result<Files> {
        let manifest = Manifest::load(&paths.manifest())?.unwrap_or_default();
        Ok(Files { paths, manifest, unsettled: false, notes: Vec::new() })
    }

    /// Takes over the single file that versions before 7.0 wrote into `dir`. It becomes the base under
    /// the name it has; an upgrade that was interrupted is finished.
    pub fn upgrade(&mut self, dir: &Path) -> io::Result<()> {
        let base = Part { name: self.paths.stem.clone(), seq: 1 };
        let (old, new) = (dir.join(&base.name), self.paths.part(&base));
        let upgraded = Manifest { base: Some(base), ..Manifest::default() };
        let interrupted = self.manifest == upgraded && !new.exists();
        if !(self.manifest.is_empty() || interrupted) || !old.is_file() {
            return Ok(());
        }
        self.paths.create_folder()?;
        self.store(upgraded)?;
        fs::rename(&old, &new)?;
        File::open(&new)?.sync_all()?;
        sync_folder_of(&new)?;
        sync_folder_of(&old)?;
        log::info!("Successfully migrated an old-style AOF configuration ({}).", old.display());
        Ok(())
    }

    /// Begins with a base that `write` writes; there must be no manifest.
    pub fn create(&mut self, form: Form, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        self.paths.create_folder()?;
        let base = self.new_base(form);
        write_durably(&self.paths.part(&base), false, write)?;
        log::info!("Creating AOF base file {} on server start", base.name.to_string_lossy());
        self.store(Manifest { base: Some(base), ..Manifest::default() })
    }

    /// Adds an empty increment.
    pub fn add_increment(&mut self) -> io::Result<File> {
        let part = self.new_increment();
        let file = File::options().append(true).create(true).open(self.paths.part(&part))?;
        // One that was being added when the server was killed.
        file.set_len(0)?;
        let before = self.manifest.clone();
        let mut manifest = before.clone();
        manifest.increments.push(part);
        if let Err(error) = self.store(manifest) {
            // It may be there, but nothing will be written to what it adds.
            let _ = self.store(before);
            return Err(error);
        }
        Ok(file)
    }

    /// Puts a base that a child wrote in the place of the old one and of all increments but the last
    /// `kept` ones. `first_increment`: what was written to while that went on, if it is in no manifest.
    pub fn install_base(
        &mut self,
        written: &Path,
        form: Form,
        kept: usize,
        first_increment: Option<&Path>,
    ) -> io::Result<()> {
        let base = self.new_base(form);
        let mut manifest = self.manifest.clone();
        let replaced = manifest.increments.len() - kept;
        let old = manifest.base.replace(base.clone()).into_iter().chain(manifest.increments.drain(..replaced));
        for part in old.collect::<Vec<_>>() {
            manifest.history.insert(0, part);
        }
        fs::rename(written, self.paths.part(&base))?;
        let mut renamed = vec![("base", written, base.clone())];
        if let Some(first) = first_increment {
            let part = self.new_increment();
            if let Err(error) = fs::rename(first, self.paths.part(&part)) {
                let _ = fs::remove_file(self.paths.part(&base));
                return Err(error);
            }
            manifest.increments.push(part.clone());
            renamed.push(("incr", first, part));
        }
        match self.store(manifest) {
            // What it names has to stay; what it replaces stays until it is settled.
            Err(error) if self.manifest.base.as_ref() == Some(&base) => {
                self.notes.push(format!("Can't sync the folder of the AOF manifest: {error}"));
            }
            Err(error) => {
                renamed.iter().for_each(|(_, before, now)| drop(fs::rename(self.paths.part(now), before)));
                return Err(error);
            }
            Ok(()) => (),
        }
        for (what, before, now) in renamed {
            let (before, now) = (before.display(), now.name.to_string_lossy());
            self.notes.push(format!("Successfully renamed the temporary AOF {what} file {before} into {now}"));
        }
        Ok(())
    }

    /// Removes what a rewrite replaced. The files are still open: closing them is what takes long.
    pub fn remove_history(&mut self) -> io::Result<Vec<File>> {
        if self.manifest.history.is_empty() {
            return Ok(Vec::new());
        }
        if self.unsettled {
            self.settle()?;
        }
        let mut manifest = self.manifest.clone();
        let mut open = Vec::new();
        let history = std::mem::take(&mut manifest.history);
        // Whatever a manifest says, what it needs stays.
        for part in history.iter().filter(|part| manifest.live().all(|live| live.name != part.name)) {
            self.notes.push(format!("Removing the history file {} in the background", part.name.to_string_lossy()));
            let path = self.paths.part(part);
            open.extend(File::open(&path));
            let _ = fs::remove_file(&path);
        }
        self.store(manifest)?;
        Ok(open)
    }

    /// Bytes of a file; 0 if there is none.
    pub fn size_of(&self, part: &Part) -> u64 {
        fs::metadata(self.paths.part(part)).map_or(0, |data| data.len())
    }

    /// If this fails, the manifest may have been replaced all the same: see what it is.
    fn store(&mut self, manifest: Manifest) -> io::Result<()> {
        if self.manifest.is_empty() {
            sync_folder_of(&self.paths.folder)?;
        }
        manifest.replace(&self.paths.manifest())?;
        self.manifest = manifest;
        self.unsettled = true;
        self.settle()
    }

    fn settle(&mut self) -> io::Result<()> {
        sync_folder_of(&self.paths.manifest())?;
        self.unsettled = false;
        Ok(())
    }

    fn new_base(&self, form: Form) -> Part {
        let extension = match form {
            Form::Commands => "aof",
            Form::Rdb => "rdb",
        };
        let last = self.manifest.base.as_ref().map_or(0, |base| base.seq);
        self.new_part(last, |seq| format!(".{seq}.base.{extension}"))
    }

    fn new_increment(&self) -> Part {
        let last = self.manifest.increments.last().map_or(0, |part| part.seq);
        self.new_part(last, |seq| format!(".{seq}.incr.aof"))
    }

    fn new_part(&self, last: u64, suffix: impl Fn(u64) -> String) -> Part {
        let parts = (last + 1..).map(|seq| Part { name: self.paths.named(&suffix(seq)), seq });
        // Where no manifest tells what is in use, any file may be all that is left of somebody's data.
        let in_use = |part: &Part| match self.manifest.is_empty() {
            true => self.paths.part(part).exists(),
            false => self.manifest.history.iter().any(|old| old.name == part.name),
        };
        parts.into_iter().find(|part| !in_use(part)).expect("numbers do not end")
    }
}

/// Ends the file at `offset`. What is cut off is kept beside it, as `NAME.cut-OFFSET`, where that is
/// possible; gives that path.
pub fn cut_off(path: &Path, offset: u64) -> io::Result<Option<PathBuf>> {
    let kept = keep_tail(path, offset);
    let file = File::options().write(true).open(path)?;
    file.set_len(offset)?;
    file.sync_all()?;
    Ok(kept.inspect_err(|error| log::warn!("Can't keep what is cut off {}: {error}", path.display())).ok())
}

fn keep_tail(path: &Path, offset: u64) -> io::Result<PathBuf> {
    let mut source = File::open(path)?;
    source.seek(SeekFrom::Start(offset))?;
    for number in 0.. {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".cut-{offset}"));
        if number > 0 {
            name.push(format!(".{number}"));
        }
        match File::create_new(&name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(error),
            Ok(mut kept) => {
                io::copy(&mut source, &mut kept)?;
                kept.sync_all()?;
                return Ok(name.into());
            }
        }
    }
    unreachable!("numbers do not end")
}
