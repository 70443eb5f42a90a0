//! The title of the process, which `ps` shows (`set-proc-title`, `proc-title-template`).
//!
//! The system takes it from where the command line was when the process began, with the environment
//! behind it. So the environment is moved elsewhere, and the title written over both.
#![allow(unsafe_code)]

use crate::config::Config;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::OnceLock;

struct Place {
    /// Addresses.
    bytes: Range<usize>,
    /// How the process was called.
    executable: OsString,
}

static PLACE: OnceLock<Place> = OnceLock::new();

/// Makes room for titles, if the system says where they go. Call it while there is one thread, and
/// after the last use of the command line.
pub fn prepare(executable: OsString) {
    let Some(bytes) = place() else { return };
    for (name, value) in env::vars_os().filter(|(name, _)| !name.as_bytes().contains(&b'=')) {
        // SAFETY: there is one thread. The C library keeps a copy, and uses that from now on.
        unsafe { env::set_var(name, value) };
    }
    let _ = PLACE.set(Place { bytes, executable });
}

/// Where the command line and the environment were put.
fn place() -> Option<Range<usize>> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the process, in parentheses, may contain anything. The state after it is field 3.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<usize>().ok().filter(|&address| address > 0);
    let [arguments, arguments_end, environment, environment_end] = [48, 49, 50, 51].map(field);
    let end = if arguments_end == environment { environment_end } else { arguments_end };
    Some(arguments?..end?).filter(|place| place.len() > 1)
}

/// Sets the title, if the configuration wants one. `what`: what a child does; None for the server.
pub fn set(config: &Config, what: Option<&str>) {
    let Some(place) = PLACE.get().filter(|_| config.set_proc_title) else { return };
    let title = expand(config, what.map_or(&place.executable, OsStr::new));
    let (to, room) = (place.bytes.start as *mut u8, place.bytes.len());
    let length = title.len().min(room - 1);
    // SAFETY: this memory was made for the command line and the environment, is writable, and stays. What
    // still refers to it reads text that ends with a zero before the end of the place.
    unsafe {
        to.copy_from_nonoverlapping(title.as_ptr(), length);
        to.add(length).write_bytes(0, room - length);
    }
}

fn expand(config: &Config, what: &OsStr) -> Vec<u8> {
    let mut title = Vec::new();
    let mut template = &config.proc_title_template[..];
    while let Some(start) = template.iter().position(|&byte| byte == b'{') {
        title.extend_from_slice(&template[..start]);
        // The directive takes no others.
        let Some(end) = template[start..].iter().position(|&byte| byte == b'}') else { break };
        let value: OsString = match &template[start + 1..start + end] {
            b"title" => what.to_owned(),
            b"listen-addr" => listen_address(config),
            b"port" => config.port.to_string().into(),
            b"tls-port" => config.tls_port.to_string().into(),
            b"unixsocket" => path(&config.unixsocket),
            b"config-file" => path(&config.config_file),
            // The mode of a server that is neither a sentinel nor in a cluster.
            _ => OsString::new(),
        };
        title.extend_from_slice(value.as_bytes());
        template = &template[start + end + 1..];
    }
    title.extend_from_slice(template);
    title.trim_ascii().to_owned()
}

/// The first address that clients find us at.
fn listen_address(config: &Config) -> OsString {
    match (config.port, config.tls_port) {
        (0, 0) => path(&config.unixsocket),
        (0, port) | (port, _) => {
            let address = config.bind.first().map_or("*", String::as_str);
            format!("{}:{port}", address.trim_start_matches('-')).into()
        }
    }
}

fn path(path: &Option<PathBuf>) -> OsString {
    path.clone().unwrap_or_default().into_os_string()
}
