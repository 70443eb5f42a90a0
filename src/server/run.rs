//! What names and describes this run of the server.

use super::clock::Clock;

pub struct Run {
    /// 40 hexadecimal digits that no other run has.
    pub id: String,
    pub executable: String,
    pub started_unix_s: i64,
    /// Bytes allocated when the server had started, before it had any data.
    pub startup_memory: usize,
}

impl Run {
    pub fn new(clock: &Clock) -> Run {
        Run {
            id: random_id(),
            executable: std::env::current_exe().map(|path| path.display().to_string()).unwrap_or_default(),
            started_unix_s: clock.unix_s(),
            startup_memory: 0,
        }
    }
}

/// 40 random hexadecimal digits.
pub fn random_id() -> String {
    let mut id = [0; 20];
    getrandom::fill(&mut id).expect("the operating system gives random bytes");
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
