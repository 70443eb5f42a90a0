//! Settings of the machine that could harm the server: looked at when it starts, and by `--check-system`.

use super::clock::Clock;
use super::system::{self, Whose, cpu_times};
use crate::config::Config;
use std::fs;
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// Something that is looked at: its name, and what finds out what is wrong with it, if anything.
type Check = (&'static str, fn() -> Option<String>);

const CHECKS: &[Check] = &[
    ("slow-clocksource", slow_clock),
    ("xen-clocksource", xen_clock),
    ("overcommit", no_overcommit),
    ("THP", huge_pages),
];

/// Writes what is found; false if something is wrong.
pub fn check(out: &mut impl Write) -> io::Result<bool> {
    let mut is_fine = true;
    for (name, check) in CHECKS {
        match check() {
            None => writeln!(out, "[{name}]...OK")?,
            Some(warning) => {
                writeln!(out, "[{name}]...WARNING:\n{warning}\n")?;
                is_fine = false;
            }
        }
    }
    Ok(is_fine)
}

/// What the log is to say at start. Huge pages are switched off for this process where that is asked for.
pub fn warnings(config: &Config) -> Vec<String> {
    let huge_pages_are_off = config.disable_thp && system::disable_huge_pages().is_ok();
    let huge_pages = if huge_pages_are_off { None } else { huge_pages() };
    let found = [xen_clock(), no_overcommit(), huge_pages, short_backlog(config)];
    found.into_iter().flatten().collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

/// Whether a look at the clock is a system call, by the time that the system has of many of them.
fn slow_clock() -> Option<String> {
    const LONG_ENOUGH: Duration = Duration::from_millis(50);
    let clock = Clock::default();
    let (began, (system_before, user_before)) = (Instant::now(), cpu_times(Whose::Thread));
    while began.elapsed() < LONG_ENOUGH {
        for _ in 0..1000 {
            std::hint::black_box(clock.stamp());
        }
    }
    let (system, user) = cpu_times(Whose::Thread);
    let (system, user) = (system - system_before, user - user_before);
    (10 * system > system + user).then(|| {
        let source = clock_source();
        format!(
            "Reading the clock takes the system long. Its source is {source}; a faster one, such as tsc, may be written to \
             {CLOCK_SOURCE}."
        )
    })
}

const CLOCK_SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

fn clock_source() -> String {
    read(CLOCK_SOURCE)
}

fn xen_clock() -> Option<String> {
    (clock_source() == "xen").then(|| {
        format!("The source of time is xen, which is slow. If tsc can be relied on, write that to {CLOCK_SOURCE}.")
    })
}

fn no_overcommit() -> Option<String> {
    ["0", "2"].contains(&&read("/proc/sys/vm/overcommit_memory")[..]).then(|| {
        "The system may refuse memory to a process that forks: saving in the background and replication can fail \
         although there is enough. Set 'vm.overcommit_memory = 1' in /etc/sysctl.conf, or run 'sysctl \
         vm.overcommit_memory=1'."
            .into()
    })
}

fn huge_pages() -> Option<String> {
    const FILE: &str = "/sys/kernel/mm/transparent_hugepage/enabled";
    read(FILE).contains("[always]").then(|| {
        format!(
            "Transparent huge pages are on, which costs memory and time while a child saves. Write madvise to {FILE}."
        )
    })
}

fn short_backlog(config: &Config) -> Option<String> {
    const FILE: &str = "/proc/sys/net/core/somaxconn";
    let (wanted, max) = (config.tcp_backlog, read(FILE).parse().ok()?);
    (wanted > max).then(|| format!("tcp-backlog is {wanted}, but {FILE} allows {max} only."))
}
