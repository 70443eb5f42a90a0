//! What the log gets when the server crashes: of a signal that the processor or `abort` sends, or a panic.
//!
//! A signal may have come while any lock was held, and the heap may be broken. So all that needs
//! neither is written first, straight to the log's file: what happened, the registers, the addresses
//! on the stack. Only then are the names of functions looked up, which allocates; should that not come
//! to an end, an alarm ends the process.
#![allow(unsafe_code)]

use super::logging;
use super::system::exit_at_once;
use crate::config::{Config, REDIS_VERSION};
use libc::{c_int, c_void};
use std::ffi::CStr;
use std::fmt::{self, Write};
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::panic::PanicHookInfo;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

const SIGNALS: [c_int; 5] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGABRT];
/// Seconds that looking up names may take.
const NAMES_DEADLINE_S: u32 = 10;
/// A stack that overflows must leave room for the report.
const STACK: usize = 512 << 10;
/// Calls that a report goes back.
pub(super) const FRAMES_MAX: usize = 64;
pub(super) type Frames = [usize; FRAMES_MAX];

/// `crash-log-enabled`.
static ENABLED: AtomicBool = AtomicBool::new(false);
/// `use-exit-on-panic`.
static EXIT_ON_PANIC: AtomicBool = AtomicBool::new(false);
/// One report is enough: a panic ends in a signal.
static REPORTED: AtomicBool = AtomicBool::new(false);

/// The stack that handlers of signals run on in the thread that made it, as long as this lives. Each thread
/// needs its own: the one that the standard library makes is too small to look up names.
pub struct HandlerStack(*mut c_void);

impl HandlerStack {
    pub fn install() -> HandlerStack {
        // SAFETY: the memory is ours, of that size, and stays until the thread no longer uses it.
        unsafe {
            let (access, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
            let stack = libc::mmap(null_mut(), STACK, access, flags, -1, 0);
            if stack != libc::MAP_FAILED {
                libc::sigaltstack(&libc::stack_t { ss_sp: stack, ss_flags: 0, ss_size: STACK }, null_mut());
            }
            HandlerStack(stack)
        }
    }
}

impl Drop for HandlerStack {
    fn drop(&mut self) {
        if self.0 != libc::MAP_FAILED {
            // SAFETY: made by `install` in this thread, for the pointer keeps it there; no handler runs on it now.
            unsafe {
                libc::sigaltstack(
                    &libc::stack_t { ss_sp: null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 },
                    null_mut(),
                );
                libc::munmap(self.0, STACK);
            }
        }
    }
}

/// Has crashes reported from here on; call it once.
pub fn start(config: &Config) {
    // The loop's, for good.
    std::mem::forget(HandlerStack::install());
    apply(config);
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        before(info);
        if ENABLED.load(Relaxed) {
            report_panic(info);
        }
        if EXIT_ON_PANIC.load(Relaxed) {
            exit_at_once(1);
        }
    }));
}

/// Brings `crash-log-enabled` and `use-exit-on-panic` into effect.
pub fn apply(config: &Config) {
    ENABLED.store(config.crash_log_enabled, Relaxed);
    EXIT_ON_PANIC.store(config.use_exit_on_panic, Relaxed);
    let handler = match config.crash_log_enabled {
        true => on_signal as *const () as libc::sighandler_t,
        false => libc::SIG_DFL,
    };
    // A second crash, in the handler, ends the process at once.
    let flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESETHAND | libc::SA_NODEFER;
    SIGNALS.iter().for_each(|&signal| handle(signal, handler, flags));
}

/// Has a handler called, which must do only what a handler may.
pub(super) fn handle(signal: c_int, handler: libc::sighandler_t, flags: c_int) {
    // SAFETY: a zeroed sigaction is valid; the handler is a function with the arguments that the flags say.
    unsafe {
        let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
        action.sa_sigaction = handler;
        action.sa_flags = flags;
        libc::sigaction(signal, &action, null_mut());
    }
}

extern "C" fn on_signal(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    if !REPORTED.swap(true, Relaxed) {
        // SAFETY: the system gives a handler valid pointers.
        let (info, context) = unsafe { (&*info, &*context.cast::<libc::ucontext_t>()) };
        report_signal(signal, info, context);
    }
    // SAFETY: calls that a handler may make. The signal ends the process, as if nobody had handled it.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

fn report_signal(signal: c_int, info: &libc::siginfo_t, context: &libc::ucontext_t) {
    let mut report = Report::open();
    report.begin();
    report.line(format_args!("Redis {REDIS_VERSION} crashed by signal: {signal}, si_code: {}", info.si_code));
    if info.si_code <= 0 {
        // SAFETY: somebody has sent the signal, so these fields are there.
        let (pid, uid) = unsafe { (info.si_pid(), info.si_uid()) };
        report.line(format_args!("Killed by PID: {pid}, UID: {uid}"));
    } else {
        // SAFETY: the processor has raised the signal, so this field is there.
        let address = unsafe { info.si_addr() };
        report.line(format_args!("Accessing address: {address:p}"));
    }
    report.registers(context);
    let frames = stack_trace();
    report.section("STACK TRACE");
    report.addresses(&frames);
    // SAFETY: calls that a handler may make.
    unsafe {
        libc::signal(libc::SIGALRM, libc::SIG_DFL);
        libc::alarm(NAMES_DEADLINE_S);
    }
    report.section("FUNCTIONS");
    // SAFETY: whoever else looks up names at this moment is not waited for; the process is about to end.
    calls(&frames).for_each(|frame| unsafe {
        backtrace::resolve_unsynchronized(frame as *mut c_void, |symbol| report.function(symbol));
    });
    report.section("STACK TRACE DONE");
    report.end();
}

fn report_panic(info: &PanicHookInfo) {
    REPORTED.store(true, Relaxed);
    let mut report = Report::open();
    report.begin();
    let what = info.payload_as_str().unwrap_or("a panic");
    let (file, line) = info.location().map_or(("", 0), |location| (location.file(), location.line()));
    if what.starts_with("assertion") {
        report.line(format_args!("=== ASSERTION FAILED ==="));
        report.line(format_args!("==> {file}:{line} {what}"));
    } else {
        report.line(format_args!("------------------------------------------------"));
        report.line(format_args!("!!! Software Failure. Press left mouse button to continue"));
        report.line(format_args!("Guru Meditation: {what} #{file}:{line}"));
        report.line(format_args!("------------------------------------------------"));
    }
    report.section("STACK TRACE");
    report.functions(&stack_trace());
    report.section("STACK TRACE DONE");
    report.end();
}

/// The addresses of the calls that are under way, the innermost first; zeros after the last. A handler
/// may call it.
pub(super) fn stack_trace() -> Frames {
    let mut frames = [0; FRAMES_MAX];
    let mut count = 0;
    // SAFETY: the unwinder keeps no state of its own between calls.
    unsafe {
        backtrace::trace_unsynchronized(|frame| {
            frames[count] = frame.ip() as usize;
            count += 1;
            count < FRAMES_MAX
        });
    }
    frames
}

fn calls(frames: &Frames) -> impl Iterator<Item = usize> {
    frames.iter().copied().take_while(|&frame| frame != 0)
}

/// Written piece by piece to where the log goes, without locks or allocation.
pub(super) struct Report(RawFd);

impl Report {
    pub(super) fn open() -> Report {
        let open = |path: &CStr| {
            // SAFETY: a C string; a handler may open files.
            unsafe {
                libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_APPEND | libc::O_CREAT | libc::O_CLOEXEC, 0o644)
            }
        };
        let fd = logging::file().map_or(libc::STDOUT_FILENO, open);
        Report(if fd < 0 { libc::STDERR_FILENO } else { fd })
    }

    fn begin(&mut self) {
        self.add(format_args!("\n\n=== REDIS BUG REPORT START: Cut & paste starting from here ===\n"));
    }

    fn end(&mut self) {
        self.add(format_args!(
            "\n=== REDIS BUG REPORT END. Make sure to include from START to END. ===\n\n       Please report the crash to those who maintain Rondo {}.\n\n",
            env!("CARGO_PKG_VERSION")
        ));
    }

    pub(super) fn add(&mut self, text: fmt::Arguments) {
        // A report that cannot be written must not keep the process from ending.
        let _ = self.write_fmt(text);
    }

    /// A line such as those of the log; the local time is not to be had here.
    pub(super) fn line(&mut self, text: fmt::Arguments) {
        // SAFETY: calls that a handler may make.
        let (pid, unix_s) = unsafe { (libc::getpid(), libc::time(null_mut())) };
        self.add(format_args!("{pid}:signal-handler ({unix_s}) # {text}\n"));
    }

    fn section(&mut self, name: &str) {
        self.add(format_args!("\n------ {name} ------\n"));
    }

    fn addresses(&mut self, frames: &Frames) {
        let base = start as fn(&Config) as usize;
        self.add(format_args!("(rondo::server::crash::start is at {base:#x})\n"));
        calls(frames).for_each(|frame| self.add(format_args!("{frame:#018x}\n")));
    }

    /// Not for handlers: takes locks, allocates.
    pub(super) fn functions(&mut self, frames: &Frames) {
        for frame in calls(frames) {
            backtrace::resolve(frame as *mut c_void, |symbol| self.function(symbol));
        }
    }

    fn function(&mut self, symbol: &backtrace::Symbol) {
        match symbol.name() {
            // Without the hash of the crate.
            Some(name) => self.add(format_args!("{name:#}")),
            None => self.add(format_args!("?")),
        }
        if let (Some(file), Some(line)) = (symbol.filename(), symbol.lineno()) {
            self.add(format_args!(" at {}:{line}", file.display()));
        }
        self.add(format_args!("\n"));
    }

    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    fn registers(&mut self, context: &libc::ucontext_t) {
        const NAMES: [(&str, c_int); 18] = [
            ("RAX", libc::REG_RAX),
            ("RBX", libc::REG_RBX),
            ("RCX", libc::REG_RCX),
            ("RDX", libc::REG_RDX),
            ("RDI", libc::REG_RDI),
            ("RSI", libc::REG_RSI),
            ("RBP", libc::REG_RBP),
            ("RSP", libc::REG_RSP),
            ("R8 ", libc::REG_R8),
            ("R9 ", libc::REG_R9),
            ("R10", libc::REG_R10),
            ("R11", libc::REG_R11),
            ("R12", libc::REG_R12),
            ("R13", libc::REG_R13),
            ("R14", libc::REG_R14),
            ("R15", libc::REG_R15),
            ("RIP", libc::REG_RIP),
            ("EFL", libc::REG_EFL),
        ];
        let value = |register: c_int| context.uc_mcontext.gregs[register as usize];
        self.line(format_args!("Crashed running the instruction at: {:#x}", value(libc::REG_RIP)));
        self.section("REGISTERS");
        for (index, (name, register)) in NAMES.into_iter().enumerate() {
            let end = if index % 4 == 3 { "\n" } else { " " };
            self.add(format_args!("{name}:{:016x}{end}", value(register)));
        }
        self.add(format_args!("\n"));
    }

    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    fn registers(&mut self, _: &libc::ucontext_t) {}
}

impl Write for Report {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut left = text.as_bytes();
        while !left.is_empty() {
            // SAFETY: writes from memory that is there.
            match unsafe { libc::write(self.0, left.as_ptr().cast(), left.len()) } {
                count @ 1.. => left = &left[count as usize..],
                _ => return Err(fmt::Error),
            }
        }
        Ok(())
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        if self.0 > libc::STDERR_FILENO {
            // SAFETY: opened by `open`, and nobody else's.
            unsafe { libc::close(self.0) };
        }
    }
}
