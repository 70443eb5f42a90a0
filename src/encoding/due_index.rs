//! Stand-in until the wheel lands.
use std::collections::BTreeSet;

#[derive(Default)]
pub struct DueIndex(BTreeSet<(u64, u64)>);

impl DueIndex {
    pub fn new(_now_ms: u64) -> Self {
        DueIndex(BTreeSet::new())
    }
    pub fn insert(&mut self, due_ms: u64, hash48: u64) {
        self.0.insert((due_ms, hash48));
    }
    pub fn forget(&mut self, _due_ms: u64, _is_live: impl FnMut(u64, u64) -> bool) {}
    pub fn pop_due(&mut self, now_ms: u64, _budget: usize) -> Option<(u64, u64)> {
        let first = *self.0.first()?;
        (first.0 <= now_ms).then(|| self.0.pop_first()).flatten()
    }
    pub fn next_due_ms(&self) -> Option<u64> {
        self.0.first().map(|f| f.0)
    }
}
