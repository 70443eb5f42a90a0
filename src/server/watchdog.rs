//! `watchdog-period`: what the loop is busy with, if cron does not come for so long.
//!
//! Each cron winds an alarm up again. Should it go off, its handler only notes the addresses of the
//! calls that are under way, wherever they have got to, and wakes a thread that finds their names and
//! writes to the log. That thread waits if the loop holds what it needs, and never the other way round.
#![allow(unsafe_code)]

use super::crash::{FRAMES_MAX, Report, handle, stack_trace};
use libc::c_int;
use std::io::{self, PipeReader, Read};
use std::os::fd::IntoRawFd;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering::Relaxed};
use std::thread;

/// The calls that were under way, the innermost first; zeros after the last.
static FRAMES: [AtomicUsize; FRAMES_MAX] = [const { AtomicUsize::new(0) }; FRAMES_MAX];
/// A byte written here wakes the thread; -1 if there is none yet.
static WAKE: AtomicI32 = AtomicI32::new(-1);

/// The alarm goes off unless this is called again within this many milliseconds; 0 switches it off.
pub fn wind_up(period_ms: u64) -> io::Result<()> {
    if period_ms > 0 && WAKE.load(Relaxed) < 0 {
        start()?;
    }
    let value = libc::timeval { tv_sec: (period_ms / 1000) as i64, tv_usec: (period_ms % 1000 * 1000) as i64 };
    let once = libc::itimerval { it_interval: libc::timeval { tv_sec: 0, tv_usec: 0 }, it_value: value };
    // SAFETY: setitimer only reads.
    match unsafe { libc::setitimer(libc::ITIMER_REAL, &once, null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn start() -> io::Result<()> {
    let (reader, writer) = io::pipe()?;
    thread::Builder::new().name("rondo-watchdog".into()).spawn(move || report(reader))?;
    WAKE.store(writer.into_raw_fd(), Relaxed);
    handle(libc::SIGALRM, on_alarm as *const () as libc::sighandler_t, libc::SA_RESTART);
    Ok(())
}

extern "C" fn on_alarm(_: c_int) {
    for (note, frame) in FRAMES.iter().zip(stack_trace()) {
        note.store(frame, Relaxed);
    }
    // SAFETY: a handler may write. What a call that it interrupts has to say of its failure is kept.
    unsafe {
        let errno = *libc::__errno_location();
        libc::write(WAKE.load(Relaxed), b"!".as_ptr().cast(), 1);
        *libc::__errno_location() = errno;
    }
}

fn report(mut alarms: PipeReader) {
    while let Ok(1) = alarms.read(&mut [0]) {
        let frames = FRAMES.each_ref().map(|frame| frame.load(Relaxed));
        let mut report = Report::open();
        report.line(format_args!("\n--- WATCHDOG TIMER EXPIRED ---"));
        report.functions(&frames);
        report.line(format_args!("--------\n"));
        // They were mapped into memory.
        backtrace::clear_symbol_cache();
    }
}
