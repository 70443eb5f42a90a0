//! How soon the system ends this process when memory runs out: `oom-score-adj`.

use super::Server;
use crate::config::OomScoreAdj;
use std::fs;

const FILE: &str = "/proc/self/oom_score_adj";
/// What the system takes.
const SCORES: std::ops::RangeInclusive<i32> = -1000..=1000;

/// What a process is, by its place in `oom-score-adj-values`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OomRole {
    Primary,
    Replica,
    Child,
}

impl Server {
    /// Sets the score of this process. The error is in the log as well.
    pub fn apply_oom_score(&mut self) -> Result<(), String> {
        if self.config.oom_score_adj == OomScoreAdj::No {
            // Once restored, the score is left alone: it may have been set from outside.
            return self.oom_score_before.take().map_or(Ok(()), write);
        }
        if self.oom_score_before.is_none() {
            let score = fs::read_to_string(FILE).ok().and_then(|score| score.trim().parse().ok());
            self.oom_score_before = Some(score.ok_or("Unable to read oom_score_adj")?);
        }
        let is_replica = self.replication.is_replica();
        self.set_oom_score(if is_replica { OomRole::Replica } else { OomRole::Primary })
    }

    /// Sets the score of this process, be it the server or a child of it.
    pub fn set_oom_score(&self, role: OomRole) -> Result<(), String> {
        let value = self.config.oom_score_adj_values[role as usize];
        let score = match self.config.oom_score_adj {
            OomScoreAdj::No => return Ok(()),
            OomScoreAdj::Yes => self.oom_score_before.unwrap_or(0) + value,
            OomScoreAdj::Absolute => value,
        };
        write(score.clamp(*SCORES.start(), *SCORES.end()))
    }
}

fn write(score: i32) -> Result<(), String> {
    fs::write(FILE, score.to_string()).map_err(|error| {
        log::warn!("Unable to write oom_score_adj: {error}");
        "Failed to apply new oom_score_adj configuration, check server logs.".to_owned()
    })
}
