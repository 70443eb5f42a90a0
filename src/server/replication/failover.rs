//! FAILOVER: the primary hands its role to a replica that has everything.

use crate::encoding::timer_wheel::TimerId;

#[derive(Default)]
pub struct Failover {
    pub state: FailoverState,
    /// The replica that is to take over; any that has everything if None.
    pub target: Option<(String, u16)>,
    /// When the time is up, the role is handed over although the target lacks something.
    pub force: bool,
    pub timer: Option<TimerId>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum FailoverState {
    #[default]
    None,
    /// Writes are paused until a replica has everything.
    WaitsForSync,
    /// A replica was asked to take over.
    HandsOver,
}

impl FailoverState {
    /// As INFO has it.
    pub fn name(self) -> &'static str {
        match self {
            FailoverState::None => "no-failover",
            FailoverState::WaitsForSync => "waiting-for-sync",
            FailoverState::HandsOver => "failover-in-progress",
        }
    }
}
