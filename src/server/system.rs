//! What the operating system is asked about this process.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::fs::{self, OpenOptions};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering::Relaxed};
use std::time::Duration;

/// Descriptors kept free for listeners, files and the loop's own.
pub const RESERVED_FILES: u64 = 32;

/// Whose processor time [`cpu_times`] gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whose {
    Process,
    /// Children that have ended and were waited for.
    Children,
    /// The calling thread.
    Thread,
}

/// Processor time used, in the kernel and in user mode.
pub fn cpu_times(whose: Whose) -> (Duration, Duration) {
    let who = match whose {
        Whose::Process => libc::RUSAGE_SELF,
        Whose::Children => libc::RUSAGE_CHILDREN,
        Whose::Thread => libc::RUSAGE_THREAD,
    };
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: getrusage fills in a rusage; all zeros is a valid one should it fail.
    let usage = unsafe {
        libc::getrusage(who, usage.as_mut_ptr());
        usage.assume_init()
    };
    let duration = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000);
    (duration(usage.ru_stime), duration(usage.ru_utime))
}

/// Raises the limit of open files to `wanted`, as far as the system allows; gives what it is then.
pub fn raise_open_files(wanted: u64) -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: getrlimit fills in an rlimit.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // Root may raise the hard limit too; others get as much as that allows.
    for ceiling in [wanted, limit.rlim_max] {
        if limit.rlim_cur >= wanted {
            break;
        }
        let raised = libc::rlimit { rlim_cur: wanted.min(ceiling), rlim_max: limit.rlim_max.max(ceiling) };
        // SAFETY: setrlimit only reads.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised) } == 0 {
            limit = raised;
        }
    }
    Ok(limit.rlim_cur)
}

/// Numbers of processors are below this.
pub const PROCESSORS_MAX: usize = libc::CPU_SETSIZE as usize;

/// The calling thread, and what it starts from here on, runs on these processors only.
pub fn run_on(processors: &[usize]) -> io::Result<()> {
    // SAFETY: a set of bits, all of which may be zero.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    for &processor in processors {
        assert!(processor < PROCESSORS_MAX);
        // SAFETY: it is in the range of the set.
        unsafe { libc::CPU_SET(processor, &mut set) };
    }
    // SAFETY: sched_setaffinity reads a set of this size; 0 is the calling thread.
    match unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// This process and its children get no huge pages: a child that writes the data set would have the system copy 2 MiB
/// for each byte that changes meanwhile.
pub fn disable_huge_pages() -> io::Result<()> {
    // SAFETY: no pointer is passed.
    match unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Bytes of memory that this process has resident.
pub fn resident_memory() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    // SAFETY: sysconf only computes.
    pages * unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as u64
}

/// Bytes of memory that this machine has.
pub fn total_memory() -> u64 {
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    total.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// The system's name, release and architecture, such as `Linux 6.1.0 x86_64`.
pub fn kernel() -> String {
    let read =
        |name: &str| fs::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap_or_default().trim().to_owned();
    format!("{} {} {}", read("ostype"), read("osrelease"), std::env::consts::ARCH)
}

/// Ends the process with this signal as if another had sent it: for DEBUG SEGFAULT.
pub fn die_of(signal: libc::c_int) -> ! {
    // SAFETY: a signal to this thread, whose handler does not return.
    unsafe { libc::raise(signal) };
    std::process::abort()
}

/// In which process [`fork`] returned.
pub enum Fork {
    /// The child's process id.
    Parent(u32),
    Child,
}

/// Forks. The child has this thread only, and may allocate: jemalloc holds its locks across a fork. It
/// must take no other lock that a helper thread takes: one that was held stays so for ever.
pub fn fork() -> io::Result<Fork> {
    // SAFETY: the helper threads hold no lock of the C library's or the standard library's but those of
    // their channels, which the child does not use.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent(pid as u32)),
    }
}

/// What to remove if a signal ends this process: a C string, or null.
static TEMPORARY: AtomicPtr<libc::c_char> = AtomicPtr::new(null_mut());

/// While `path` is given, it is removed should [`end_if_told_again`] end this process.
pub fn remove_if_told_to_end(path: Option<&Path>) {
    let path = path.and_then(|path| CString::new(path.as_os_str().as_bytes()).ok());
    let before = TEMPORARY.swap(path.map_or(null_mut(), CString::into_raw), Relaxed);
    if !before.is_null() {
        // SAFETY: made by `into_raw`. The handler that may read it runs on this thread, and not now.
        drop(unsafe { CString::from_raw(before) });
    }
}

/// Has this signal end the process at once if it arrives while `told` is set.
pub fn end_if_told_again(signal: libc::c_int, told: Arc<AtomicBool>) -> io::Result<()> {
    let action = move || {
        if told.load(Relaxed) {
            let path = TEMPORARY.load(Relaxed);
            // SAFETY: a C string that lives as long as it is there; both calls may be made by a handler.
            unsafe {
                if !path.is_null() {
                    libc::unlink(path);
                }
                libc::_exit(1);
            }
        }
    };
    // SAFETY: the action loads atomics and makes calls that a handler may make.
    unsafe { signal_hook::low_level::register(signal, action) }.map(drop)
}

/// After a fork: signals end the child as they end any process, but for the one that a terminal
/// sends to both; and what the server has open (clients that it closes are to see that) is closed,
/// but for standard output and error and `kept`. Nothing that stands for one of them may be used or
/// dropped afterwards.
pub fn become_child(mut kept: [RawFd; 2]) {
    let mut first = libc::STDERR_FILENO + 1;
    kept.sort_unstable();
    // SAFETY: plain system calls. The child only ever ends by [`exit_at_once`], so nothing that owns a
    // closed descriptor is dropped.
    unsafe {
        libc::signal(libc::SIGTERM, libc::SIG_DFL);
        libc::signal(libc::SIGUSR1, libc::SIG_DFL);
        libc::signal(libc::SIGINT, libc::SIG_IGN);
        let close = |from: RawFd, to: libc::c_uint| libc::syscall(libc::SYS_close_range, from as libc::c_uint, to, 0);
        for kept in kept {
            if kept > first {
                close(first, kept as libc::c_uint - 1);
            }
            first = kept + 1;
        }
        close(first, libc::c_uint::MAX);
    }
}

/// Ends this process without anything being run or flushed that the parent has a part in.
pub fn exit_at_once(code: i32) -> ! {
    // SAFETY: does not return.
    unsafe { libc::_exit(code) }
}

/// How a child ended; None while it runs.
pub fn wait_for_child(pid: u32) -> Option<ExitStatus> {
    wait(pid, libc::WNOHANG)
}

/// Waits until a child ends.
pub fn wait_until_child_ends(pid: u32) -> ExitStatus {
    wait(pid, 0).unwrap_or_default()
}

fn wait(pid: u32, options: libc::c_int) -> Option<ExitStatus> {
    let mut status = 0;
    loop {
        // SAFETY: waitpid fills in an int.
        match unsafe { libc::waitpid(pid as libc::pid_t, &raw mut status, options) } {
            0 => return None,
            -1 if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => (),
            // There is no such child: it cannot have done well.
            -1 => return Some(ExitStatus::from_raw(libc::SIGKILL)),
            _ => return Some(ExitStatus::from_raw(status)),
        }
    }
}

/// Tells a child to end.
pub fn end_child(pid: u32) {
    // SAFETY: a child that was not waited for, so its id means nobody else.
    unsafe { libc::kill(pid as libc::pid_t, libc::SIGUSR1) };
}

/// Bytes of memory that this process shares with no other: what a fork has cost since.
pub fn private_dirty_memory() -> u64 {
    let rollup = fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Private_Dirty:"));
    line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024
}

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
