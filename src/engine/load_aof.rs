//! Loading the append-only file: its commands are run by a client without a connection.

use super::call::call;
use super::child;
use super::dispatch::resolve;
use super::load::{LoadError, load_at_once, seconds_since, step_data_set};
use super::rewrite::{remove_history, settle_files, write_commands};
use super::snapshot::{Contents, write_rdb};
use crate::keyspace::KeyspaceStats;
use crate::persist::aof::{
    Aof, CommandFile, Files, Form, Paths, ReadError, ReplicationPosition, begins_with_data_set, cut_off,
};
use crate::persist::rdb::{LoadFor, LoadStep, RdbLoad};
use crate::resp::{Args, OwnedRequest};
use crate::server::loading::{AofLoad, LoadSource, PartContents, PartLoad};
use crate::server::stats::Stats;
use crate::server::{ClientId, Server, Stream};
use std::fs::File;
use std::io;
use std::mem::swap;
use std::path::Path;

/// Bytes read at a time.
const CHUNK: u64 = 256 << 10;

/// What is to be loaded. Where there are no files, makes them, and opens them to go on with.
pub fn open_or_create(server: &mut Server) -> Result<Option<LoadSource>, LoadError> {
    let mut files = files(server)?;
    let dir = server.config.dir.clone();
    let cannot_open = |files: &Files, error: io::Error| {
        LoadError(format!("Can't open the append-only file in {}: {error}", files.paths.folder.display()))
    };
    files.upgrade(&dir).map_err(|error| cannot_open(&files, error))?;
    if !files.manifest.is_empty() {
        return Ok(Some(source(server, files)));
    }
    let form = Form::configured(&server.config);
    let created = files.create(form, |out| match form {
        Form::Rdb => write_rdb(server, Contents::aof_base(&server.config), out, &mut || ()),
        Form::Commands => write_commands(server, out, &mut || ()),
    });
    created.map_err(|error| cannot_open(&files, error))?;
    open(server, files)?;
    Ok(None)
}

fn files(server: &Server) -> Result<Files, LoadError> {
    // Those that are written to stay where they are until a rewrite.
    let paths = server.aof.as_ref().map_or_else(|| Paths::new(&server.config), |aof| aof.files.paths.clone());
    let manifest = paths.manifest();
    Files::load(paths).map_err(|error| LoadError(format!("{}: {error}", manifest.display())))
}

fn source(server: &mut Server, files: Files) -> LoadSource {
    let stats = (Stats::new(server.commands.rows().len()), KeyspaceStats::default());
    let user = server.acl.default_user().clone();
    let client = server.clients.add(Stream::None, String::new(), String::new(), user, server.clock.now_ms);
    LoadSource::AppendOnlyFile(Box::new(AofLoad {
        files,
        part: None,
        number: 0,
        bytes_before: 0,
        client,
        transaction: None,
        history: None,
        stats,
    }))
}

/// Opens the files, all of which is loaded, to go on with.
pub fn open(server: &mut Server, files: Files) -> Result<(), LoadError> {
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
    settle_files(server);
    if server.aof.as_ref().is_some_and(|aof| aof.next.is_some()) {
        // The files are opened anew, and the set that begins elsewhere would miss what is written to them.
        child::end_now(server);
    }
    let written = server.aof.as_mut().filter(|aof| !aof.provisional);
    let is_written = written.is_some();
    if let Some(aof) = written {
        aof.finish().map_err(|error| LoadError(format!("Error writing the append only file: {error}")))?;
    }
    let files = self::files(server)?;
    if files.manifest.is_empty() {
        return Err(LoadError(format!("There is no append-only file in {}", files.paths.folder.display())));
    }
    server.empty(false);
    let source = source(server, files);
    let files = load_at_once(server, source)?;
    server.stats.dirty = 0;
    // Its tail may have been cut.
    files.filter(|_| is_written).map_or(Ok(()), |files| open(server, files))
}

/// Reads on by about `bytes` bytes; true if that was all.
pub fn advance(server: &mut Server, load: &mut AofLoad, bytes: u64) -> Result<bool, LoadError> {
    let swap_stats = |server: &mut Server, load: &mut AofLoad| {
        swap(&mut server.stats, &mut load.stats.0);
        swap(&mut server.keyspace.stats, &mut load.stats.1);
    };
    swap_stats(server, load);
    let result = advance_parts(server, load, bytes);
    swap_stats(server, load);
    if !matches!(result, Ok(false)) {
        server.clients.remove(load.client);
    }
    result
}

fn advance_parts(server: &mut Server, load: &mut AofLoad, bytes: u64) -> Result<bool, LoadError> {
    let Some(mut part) = load.part.take() else {
        return open_part(server, load);
    };
    if advance_part(server, load, &mut part, bytes)? {
        let live = load.files.manifest.live().nth(load.number).expect("the part that was loaded");
        let what = if Some(live) == load.files.manifest.base.as_ref() { "base" } else { "incr" };
        let took_s = seconds_since(server, part.started);
        log::info!("DB loaded from {what} file {}: {took_s:.3} seconds", live.name.to_string_lossy());
        load.bytes_before = server.loading.progress.loaded_bytes;
        load.number += 1;
    } else {
        load.part = Some(part);
    }
    Ok(false)
}

/// Goes on to the next part; true if there is none.
fn open_part(server: &mut Server, load: &mut AofLoad) -> Result<bool, LoadError> {
    let Some(part) = load.files.manifest.live().nth(load.number) else { return Ok(true) };
    let path = load.files.paths.part(part);
    let failed = |error| cannot_read(&path, &error);
    let contents = if begins_with_data_set(&path).map_err(failed)? {
        log::info!("Reading RDB base file on AOF loading...");
        let file = File::open(&path).map_err(failed)?;
        PartContents::DataSet(Box::new(RdbLoad::new(file, LoadFor::Replay, &server.config)))
    } else {
        PartContents::Commands(Box::new(CommandFile::open(&path, 0).map_err(failed)?))
    };
    server.clients[load.client].db = 0;
    load.part = Some(PartLoad { path, contents, good_up_to: 0, started: server.clock.stamp() });
    Ok(false)
}

fn cannot_read(path: &Path, error: &io::Error) -> LoadError {
    LoadError(format!("Can't read the append only file {} : {error}", path.display()))
}

/// Reads on in a part; true if that was all of it.
fn advance_part(server: &mut Server, load: &mut AofLoad, part: &mut PartLoad, bytes: u64) -> Result<bool, LoadError> {
    let commands = match &mut part.contents {
        PartContents::Commands(commands) => commands,
        PartContents::DataSet(data_set) => {
            let step = step_data_set(server, data_set, load.bytes_before, bytes, false).map_err(|failure| {
                let path = part.path.display();
                LoadError(format!("Error reading the RDB preamble of the AOF file {path}: {failure}"))
            })?;
            if step == LoadStep::Done {
                part.good_up_to = data_set.position();
                let commands = CommandFile::open(&part.path, part.good_up_to);
                part.contents =
                    PartContents::Commands(Box::new(commands.map_err(|error| cannot_read(&part.path, &error))?));
            }
            return Ok(false);
        }
    };
    let until = commands.position().saturating_add(bytes);
    let mut more = true;
    while more && commands.position() < until {
        let (good_up_to, transaction) = (&mut part.good_up_to, &mut load.transaction);
        let read = commands.read(CHUNK.min(bytes) as usize, |args, end| {
            load.history = ReplicationPosition::parse(args.get(0));
            run(server, load.client, args, transaction)?;
            if transaction.is_none() {
                *good_up_to = end;
            }
            Ok(())
        });
        more = read.map_err(|error| failed(&part.path, part.good_up_to, error))?;
    }
    server.loading.progress.loaded_bytes = load.bytes_before + commands.position();
    if !more && part.good_up_to < commands.position() {
        let is_last = load.files.manifest.is_last_in_use(load.number, &load.files.paths.folder);
        (load.transaction, load.history) = (None, None);
        cut(server, &part.path, is_last, part.good_up_to, commands.position())?;
    }
    Ok(!more)
}

fn failed(path: &Path, good_up_to: u64, error: ReadError) -> LoadError {
    match error {
        ReadError::Io(error) => cannot_read(path, &error),
        ReadError::Refused(what) => LoadError(format!("{what} reading the append only file {}", path.display())),
        ReadError::Format { what, .. } => LoadError(format!(
            "Bad file format reading the append only file {}: {what} after offset {good_up_to}. Make a backup of the file, then run rondo --check-aof --fix on the manifest, which removes all after that",
            path.display(),
        )),
    }
}

/// The file ends within a command or a transaction.
fn cut(server: &Server, path: &Path, is_last: bool, good_up_to: u64, size: u64) -> Result<(), LoadError> {
    if !is_last || !server.config.aof_load_truncated {
        return Err(LoadError(format!(
            "Unexpected end of file reading the append only file {}. It is whole up to offset {good_up_to} of {size}. Make a backup, then run rondo --check-aof --fix on the manifest, or set aof-load-truncated to yes to go on with what is whole",
            path.display()
        )));
    }
    log::warn!("!!! Warning: short read while loading the AOF file {}!!!", path.display());
    log::warn!("AOF loaded anyway because aof-load-truncated is enabled");
    log::warn!(
        "Truncating the AOF {} at offset {good_up_to}: the {} bytes after it are no whole command",
        path.display(),
        size - good_up_to
    );
    let kept = cut_off(path, good_up_to)
        .map_err(|error| LoadError(format!("Error truncating the AOF file {}: {error}", path.display())))?;
    if let Some(kept) = kept {
        log::warn!("They are kept in {}", kept.display());
    }
    Ok(())
}

/// Runs one command of the file; commands between MULTI and EXEC once EXEC is there.
fn run(
    server: &mut Server,
    id: ClientId,
    args: &Args,
    transaction: &mut Option<Vec<OwnedRequest>>,
) -> Result<(), String> {
    let name = args.get(0);
    if name.starts_with(b"#") {
        return Ok(());
    }
    if name.eq_ignore_ascii_case(b"MULTI") {
        if transaction.replace(Vec::new()).is_some() {
            return Err("MULTI within MULTI".into());
        }
        return Ok(());
    }
    if name.eq_ignore_ascii_case(b"EXEC") {
        let Some(requests) = transaction.take() else { return Err("EXEC without MULTI".into()) };
        return requests.iter().try_for_each(|request| run_one(server, id, &request.args()));
    }
    match transaction {
        Some(requests) => {
            requests.push(args.to_owned());
            Ok(())
        }
        None => run_one(server, id, args),
    }
}

fn run_one(server: &mut Server, id: ClientId, args: &Args) -> Result<(), String> {
    let found = server.commands.find(args.get(0));
    let found = found.ok_or_else(|| format!("Unknown command '{}'", args.text(0)))?;
    let found = resolve(server, found, args).map_err(|error| error.text().to_owned())?;
    call(server, id, found, args);
    let output = &mut server.clients[id].output;
    // What follows would be done to another database.
    let is_lost = found.command.name == "select" && output.bytes.first() == Some(&b'-');
    output.clear();
    if is_lost { Err("a database beyond those configured".to_owned()) } else { Ok(()) }
}
