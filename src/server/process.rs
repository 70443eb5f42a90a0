//! The process as the system sees it.
#![allow(unsafe_code)]

use std::fs::OpenOptions;
use std::io;
use std::os::fd::AsRawFd;

/// Goes on in a child without a terminal; the parent ends. Call it while there is one thread.
pub fn daemonize() -> io::Result<()> {
    // SAFETY: no other thread exists that could hold a lock across the fork.
    match unsafe { libc::fork() } {
        -1 => return Err(io::Error::last_os_error()),
        0 => (),
        _ => std::process::exit(0),
    }
    // SAFETY: plain system calls on descriptors that are open.
    unsafe {
        libc::setsid();
        let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
        for standard in 0..3 {
            libc::dup2(null.as_raw_fd(), standard);
        }
    }
    Ok(())
}

/// Files that are open beside the clients' connections.
const OTHER_FILES: u64 = 32;

/// Lets the process open as many files as `clients` need, or as many as it may; gives how many
/// clients that is enough for.
pub fn raise_file_limit(clients: u64) -> u64 {
    let wanted = clients + OTHER_FILES;
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is what the call fills in.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } != 0 || limit.rlim_cur >= wanted {
        return clients;
    }
    let raised = libc::rlimit { rlim_cur: wanted, rlim_max: limit.rlim_max.max(wanted) };
    // SAFETY: a limit that was filled in.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raised) } == 0 {
        return clients;
    }
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: as above.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) };
    let enough_for = limit.rlim_cur.saturating_sub(OTHER_FILES).min(clients);
    log::warn!(
        "The system allows {} open files: that is enough for {enough_for} clients, not for {clients}",
        limit.rlim_cur
    );
    enough_for
}
