//! Loading the append-only file at start: its commands are run by a client without a connection.

use super::call::call;
use super::dispatch::resolve;
use super::rewrite::{remove_history, write_commands};
use super::snapshot::write_rdb;
use crate::persist::aof::{Aof, Files, Form, Paths};
use crate::persist::rdb::{LoadFor, load_data_set};
use crate::resp::request::{Batch, Limits, Parsed, RequestParser};
use crate::resp::{Args, OwnedRequest};
use crate::server::stats::Stats;
use crate::server::{ClientId, Server, Stream};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Bytes read at a time.
const CHUNK: usize = 1 << 20;
const BATCH_MAX: usize = 256;

/// Why the data set could not be loaded, in words for the log.
#[derive(Debug)]
pub struct LoadError(pub String);

/// Loads what the append-only file holds, and opens it to go on with. Without one, starts one.
pub fn load_append_only_file(server: &mut Server) -> Result<(), LoadError> {
    let mut files = files(server)?;
    let dir = server.config.dir.clone();
    let cannot_open = |files: &Files, error: io::Error| {
        LoadError(format!("Can't open the append-only file in {}: {error}", files.paths.folder.display()))
    };
    files.upgrade(&dir).map_err(|error| cannot_open(&files, error))?;
    if files.manifest.is_empty() {
        let form = Form::configured(&server.config);
        let created = files.create(form, |out| match form {
            Form::Rdb => write_rdb(server, true, out, &mut || ()),
            Form::Commands => write_commands(server, out, &mut || ()),
        });
        created.map_err(|error| cannot_open(&files, error))?;
    } else {
        load_parts(server, &files)?;
    }
    open(server, files)
}

fn files(server: &Server) -> Result<Files, LoadError> {
    let paths = Paths::new(&server.config);
    let manifest = paths.manifest();
    Files::load(paths).map_err(|error| LoadError(format!("{}: {error}", manifest.display())))
}

fn open(server: &mut Server, files: Files) -> Result<(), LoadError> {
    let folder = files.paths.folder.clone();
    let aof = Aof::open(files)
        .map_err(|error| LoadError(format!("Can't open the append-only file in {}: {error}", folder.display())))?;
    server.aof = Some(aof);
    remove_history(server);
    Ok(())
}

/// DEBUG LOADAOF: forgets the data set and loads it from the files, whether or not they are written
/// to. If that fails, what could be loaded is there, and they are written to as before.
pub fn reload(server: &mut Server) -> Result<(), LoadError> {
    let written = server.aof.as_mut().filter(|aof| !aof.provisional);
    let is_written = written.is_some();
    if let Some(aof) = written {
        aof.finish().map_err(|error| LoadError(format!("Error writing the append only file: {error}")))?;
    }
    let files = files(server)?;
    if files.manifest.is_empty() {
        return Err(LoadError(format!("There is no append-only file in {}", files.paths.folder.display())));
    }
    server.keyspace.flush(None, false);
    load_parts(server, &files)?;
    server.stats.dirty = 0;
    if is_written { open(server, files) } else { Ok(()) }
}

fn load_parts(server: &mut Server, files: &Files) -> Result<(), LoadError> {
    let started = server.clock.stamp();
    // What clients did once is not to be counted as done again.
    let stats = std::mem::replace(&mut server.stats, Stats::new(server.commands.rows().len()));
    let keyspace_stats = std::mem::take(&mut server.keyspace.stats);
    server.loading = true;
    server.keyspace.expiry_mode = server.expiry_mode();
    let id = server.clients.add(Stream::None, String::new(), String::new(), true, server.clock.now_ms);
    let mut parts = files.manifest.live().peekable();
    let mut result = Ok(());
    while let Some(part) = parts.next() {
        let part_started = server.clock.stamp();
        let is_last = parts.peek().is_none();
        server.clients[id].db = 0;
        result = load_file(server, id, &files.paths.part(part), is_last);
        if result.is_err() {
            break;
        }
        let what = if Some(part) == files.manifest.base.as_ref() { "base" } else { "incr" };
        log::info!(
            "DB loaded from {what} file {}: {:.3} seconds",
            part.name.to_string_lossy(),
            seconds_since(server, part_started)
        );
    }
    server.clients.remove(id);
    server.loading = false;
    server.keyspace.expiry_mode = server.expiry_mode();
    server.stats = stats;
    server.keyspace.stats = keyspace_stats;
    result?;
    log::info!("DB loaded from append only file: {:.3} seconds", seconds_since(server, started));
    Ok(())
}

pub(super) fn seconds_since(server: &Server, stamp: u64) -> f64 {
    server.clock.nanos_between(stamp, server.clock.stamp()) as f64 / 1e9
}

/// What is known while a file is read.
struct Progress {
    /// The file is good up to here: commands, and whole transactions.
    valid_up_to: u64,
    /// The commands since MULTI.
    transaction: Option<Vec<OwnedRequest>>,
}

fn load_file(server: &mut Server, id: ClientId, path: &Path, is_last: bool) -> Result<(), LoadError> {
    let failed = |error: io::Error| LoadError(format!("Can't read the append only file {} : {error}", path.display()));
    let bad_format = |what: &str, progress: &Progress| {
        LoadError(format!(
            "Bad file format reading the append only file {}: {what} after offset {}. Make a backup of the file, then remove what does not belong there",
            path.display(),
            progress.valid_up_to
        ))
    };
    let mut file = File::open(path).map_err(failed)?;
    // Bytes read so far: the offset in the file that the buffer's end stands for.
    let mut position = 0u64;
    if begins_with_data_set(&file).map_err(failed)? {
        log::info!("Reading RDB base file on AOF loading...");
        let loaded = load_data_set(&mut file, &mut server.keyspace, &server.config, LoadFor::AofBase);
        let loaded = loaded.map_err(|failure| {
            LoadError(format!("Error reading the RDB preamble of the AOF file {}: {failure}", path.display()))
        })?;
        position = loaded.bytes;
        // More may have been read of it.
        file.seek(SeekFrom::Start(position)).map_err(failed)?;
    }
    let limits = Limits { bulk_max: u32::MAX as usize / 2, authenticated: true, in_place: false };
    let (mut parser, mut batch) = (RequestParser::default(), Batch::default());
    let mut progress = Progress { valid_up_to: position, transaction: None };
    let mut buffer: Vec<u8> = Vec::new();
    loop {
        let kept = buffer.len();
        let count = match parser.long_argument() {
            Some(long) => {
                let count = file.read(long).map_err(failed)?;
                parser.long_argument_filled(count);
                count
            }
            None => {
                buffer.resize(kept + CHUNK, 0);
                let count = file.read(&mut buffer[kept..]).map_err(failed)?;
                buffer.truncate(kept + count);
                count
            }
        };
        if count == 0 {
            break;
        }
        position += count as u64;
        let mut start = 0;
        loop {
            batch.clear();
            let parsed = parser.parse(&buffer, start, BATCH_MAX, limits, &mut batch);
            for i in 0..batch.len() {
                let range = batch.range(i);
                check_beginning(&buffer[range.clone()]).map_err(|what| bad_format(&what, &progress))?;
                run(server, id, &batch.args(i, &buffer), &mut progress)
                    .map_err(|what| LoadError(format!("{what} reading the append only file {}", path.display())))?;
                progress.good_up_to(position - (buffer.len() - range.end) as u64);
            }
            match parsed {
                Ok(Parsed::Full(next)) => start = next,
                Ok(Parsed::Incomplete(left)) => {
                    check_beginning(&buffer[left.clone()]).map_err(|what| bad_format(&what, &progress))?;
                    buffer.truncate(left.end);
                    buffer.drain(..left.start);
                    break;
                }
                Err(error) => return Err(bad_format(&error.0, &progress)),
            }
        }
    }
    if progress.valid_up_to == position {
        return Ok(());
    }
    truncated(server, path, is_last, progress.valid_up_to, position)
}

/// Whether a data set in RDB form comes before the commands.
fn begins_with_data_set(file: &File) -> io::Result<bool> {
    const MAGIC: &[u8] = b"REDIS";
    let mut first = [0; MAGIC.len()];
    let count = file.read_at(&mut first, 0)?;
    Ok(&first[..count] == MAGIC)
}

/// Inline requests, which the parser takes as well, are no part of a file; annotations, such as time
/// stamps, are lines of their own.
fn check_beginning(request: &[u8]) -> Result<(), String> {
    match request.first() {
        None | Some(b'*' | b'#') => Ok(()),
        Some(&other) => Err(format!("expected '*', got '{}'", other.escape_ascii())),
    }
}

impl Progress {
    fn good_up_to(&mut self, offset: u64) {
        if self.transaction.is_none() {
            self.valid_up_to = offset;
        }
    }
}

/// The file ends within a command or a transaction.
fn truncated(server: &Server, path: &Path, is_last: bool, valid_up_to: u64, size: u64) -> Result<(), LoadError> {
    if !is_last || !server.config.aof_load_truncated {
        return Err(LoadError(format!(
            "Unexpected end of file reading the append only file {}. It is whole up to offset {valid_up_to} of {size}. Make a backup, then set aof-load-truncated to yes to go on with what is whole",
            path.display()
        )));
    }
    log::warn!("!!! Warning: short read while loading the AOF file {}!!!", path.display());
    log::warn!("AOF loaded anyway because aof-load-truncated is enabled");
    log::warn!(
        "Truncating the AOF {} at offset {valid_up_to}: the {} bytes after it are no whole command",
        path.display(),
        size - valid_up_to
    );
    let cut = OpenOptions::new().write(true).open(path).and_then(|file| {
        file.set_len(valid_up_to)?;
        file.sync_all()
    });
    cut.map_err(|error| LoadError(format!("Error truncating the AOF file {}: {error}", path.display())))
}

/// Runs one command of the file; commands between MULTI and EXEC once EXEC is there.
fn run(server: &mut Server, id: ClientId, args: &Args, progress: &mut Progress) -> Result<(), String> {
    let name = args.get(0);
    if name.starts_with(b"#") {
        return Ok(());
    }
    if name.eq_ignore_ascii_case(b"MULTI") {
        if progress.transaction.replace(Vec::new()).is_some() {
            return Err("MULTI within MULTI".into());
        }
        return Ok(());
    }
    if name.eq_ignore_ascii_case(b"EXEC") {
        let Some(requests) = progress.transaction.take() else { return Err("EXEC without MULTI".into()) };
        return requests.iter().try_for_each(|request| run_one(server, id, &request.args()));
    }
    match &mut progress.transaction {
        Some(requests) => {
            requests.push(args.to_owned());
            Ok(())
        }
        None => run_one(server, id, args),
    }
}

fn run_one(server: &mut Server, id: ClientId, args: &Args) -> Result<(), String> {
    let found = server.commands.find(args.get(0));
    let found = found.ok_or_else(|| format!("Unknown command '{}'", String::from_utf8_lossy(args.get(0))))?;
    let found = resolve(server, found, args).map_err(|error| error.text().to_owned())?;
    call(server, id, found, args);
    server.clients[id].output.clear();
    Ok(())
}
