//! The system's log, which lines go to as well where `syslog-enabled` says so.
#![allow(unsafe_code)]

use crate::config::{Config, SyslogFacility};
use log::{Level, Record};
use std::ffi::CString;
use std::io;
use std::sync::OnceLock;

/// What lines are marked with, once the log is open: the C library keeps a pointer to it.
static IDENT: OnceLock<CString> = OnceLock::new();

/// From here on [`write`] writes.
pub fn start(config: &Config) -> io::Result<()> {
    let facility = match config.syslog_facility {
        SyslogFacility::User => libc::LOG_USER,
        SyslogFacility::Local0 => libc::LOG_LOCAL0,
        SyslogFacility::Local1 => libc::LOG_LOCAL1,
        SyslogFacility::Local2 => libc::LOG_LOCAL2,
        SyslogFacility::Local3 => libc::LOG_LOCAL3,
        SyslogFacility::Local4 => libc::LOG_LOCAL4,
        SyslogFacility::Local5 => libc::LOG_LOCAL5,
        SyslogFacility::Local6 => libc::LOG_LOCAL6,
        SyslogFacility::Local7 => libc::LOG_LOCAL7,
    };
    let ident = CString::new(config.syslog_ident.clone())?;
    let ident = IDENT.get_or_init(|| ident);
    // SAFETY: the text lives as long as the process.
    unsafe { libc::openlog(ident.as_ptr(), libc::LOG_PID | libc::LOG_NDELAY | libc::LOG_NOWAIT, facility) };
    Ok(())
}

/// Writes a line, if the log is open.
pub fn write(record: &Record) {
    if IDENT.get().is_none() {
        return;
    }
    let priority = match record.level() {
        Level::Trace => libc::LOG_DEBUG,
        Level::Debug => libc::LOG_INFO,
        Level::Info => libc::LOG_NOTICE,
        Level::Warn | Level::Error => libc::LOG_WARNING,
    };
    let text = record.args().to_string().replace('\0', "\\0");
    let text = CString::new(text).expect("no NUL is left");
    // SAFETY: a format for one C string, and that.
    unsafe { libc::syslog(priority, c"%s".as_ptr(), text.as_ptr()) };
}
