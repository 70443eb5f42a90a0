//! On which processors threads and children run: `server_cpulist` and its kin.

use super::system;
use std::io::{self, ErrorKind};

/// The calling thread, and what it starts from here on, runs on these processors only. An empty list changes nothing.
pub fn run_on(list: &[u8]) -> io::Result<()> {
    if list.is_empty() {
        return Ok(());
    }
    let processors = parse(list).ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "no list of processors"))?;
    system::run_on(&processors)
}

/// Processors as `taskset` lists them: `0-6:2,9` are 0, 2, 4, 6 and 9.
fn parse(list: &[u8]) -> Option<Vec<usize>> {
    let mut processors = Vec::new();
    for part in str::from_utf8(list).ok()?.split(',') {
        let number = |text: &str| text.trim().parse().ok().filter(|&number| number < system::PROCESSORS_MAX);
        let (range, step) = part.split_once(':').map_or((part, Some(1)), |(range, step)| (range, number(step)));
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last, step) = (number(first)?, number(last)?, step.filter(|&step| step > 0)?);
        if last < first {
            return None;
        }
        processors.extend((first..=last).step_by(step));
    }
    Some(processors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_those_of_taskset() {
        for (list, processors) in [
            ("0", vec![0]),
            ("1, 3", vec![1, 3]),
            ("8-11", vec![8, 9, 10, 11]),
            ("0-6:2,9", vec![0, 2, 4, 6, 9]),
            ("0-6:3", vec![0, 3, 6]),
        ] {
            assert_eq!(parse(list.as_bytes()), Some(processors), "{list}");
        }
        for wrong in ["", ",", "1,", "x", "-1", "3-1", "0-3:0", "0-3:", "0-", "1000000", "1-2-3", "0:1:2"] {
            assert_eq!(parse(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
