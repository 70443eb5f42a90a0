//! The log, line by line as Redis writes it: `pid:role day month year time.ms level text`.
//!
//! The levels of the `log` crate stand for Redis's: trace is debug (`.`), debug is verbose (`-`),
//! info is notice (`*`), warn and error are warning (`#`).

use super::syslog;
use crate::config::{Config, LogLevel};
use env_logger::{Builder, Target};
use log::{Level, LevelFilter};
use std::ffi::{CStr, CString};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// The file, if the log goes to one.
static FILE: OnceLock<CString> = OnceLock::new();

/// Starts logging as the configuration says; relative file names count from the working directory.
pub fn start(config: &Config) -> io::Result<()> {
    let target = match &config.logfile {
        None => Target::Stdout,
        Some(path) => {
            let file = LogFile::open(path.clone())?;
            let _ = FILE.set(CString::new(file.0.as_os_str().as_bytes())?);
            Target::Pipe(Box::new(file))
        }
    };
    Builder::new().target(target).filter_level(LevelFilter::Trace).format(line).init();
    set_level(config.loglevel);
    if config.syslog_enabled {
        syslog::start(config)?;
    }
    Ok(())
}

/// The file, if the log goes to one. A signal handler may ask.
pub fn file() -> Option<&'static CStr> {
    FILE.get().map(CString::as_c_str)
}

/// For CONFIG SET loglevel.
pub fn set_level(level: LogLevel) {
    log::set_max_level(match level {
        LogLevel::Debug => LevelFilter::Trace,
        LogLevel::Verbose => LevelFilter::Debug,
        LogLevel::Notice => LevelFilter::Info,
        LogLevel::Warning => LevelFilter::Warn,
        LogLevel::Nothing => LevelFilter::Off,
    });
}

/// What the process is, as lines show it: `M` for a primary, `S` for a replica, `C` for a forked child.
static ROLE: AtomicU8 = AtomicU8::new(b'M');

/// From here on this process is a forked child.
pub fn in_child() {
    ROLE.store(b'C', Relaxed);
}

pub fn set_replica(is_replica: bool) {
    ROLE.store(if is_replica { b'S' } else { b'M' }, Relaxed);
}

fn line(out: &mut env_logger::fmt::Formatter, record: &log::Record) -> io::Result<()> {
    syslog::write(record);
    let level = match record.level() {
        Level::Trace => '.',
        Level::Debug => '-',
        Level::Info => '*',
        Level::Warn | Level::Error => '#',
    };
    let now = jiff::Zoned::now();
    let role = ROLE.load(Relaxed) as char;
    writeln!(out, "{}:{role} {} {level} {}", std::process::id(), now.strftime("%d %b %Y %H:%M:%S%.3f"), record.args())
}

/// Opened for each line, so that a file that was moved away by log rotation is made anew.
struct LogFile(PathBuf);

impl LogFile {
    fn open(path: PathBuf) -> io::Result<LogFile> {
        let file = LogFile(std::path::absolute(path)?);
        file.append()?;
        Ok(file)
    }

    fn append(&self) -> io::Result<File> {
        OpenOptions::new().create(true).append(true).open(&self.0)
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A log that cannot be written must not stop the server.
        let _ = self.append().and_then(|mut file| file.write_all(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
