//! What happens when a timer is due, or a helper thread has answered.

use super::call::drain_effects;
use crate::keyspace::ExpiryMode;
use crate::server::stats::Totals;
use crate::server::{ClientId, Server, Timer};

/// Due keys deleted in one go; between two goes clients are served.
const EXPIRE_KEYS: usize = 200;

pub fn fire(server: &mut Server, timer: Timer) {
    match timer {
        Timer::Cron => cron(server),
        Timer::Expire => {
            server.expire_timer = None;
            expire(server);
        }
        Timer::AofSync => (),
        Timer::ClientIdle(id) => client_idle(server, id),
        Timer::PauseEnd => server.unpause(),
    }
}

fn cron(server: &mut Server) {
    let interval = 1000 / server.config.hz as u64;
    server.timers.insert(server.clock.now_ms + interval, Timer::Cron);
    let totals = Totals {
        commands: server.stats.commands_processed,
        net_input: server.stats.net_input,
        net_output: server.stats.net_output,
        loop_cycles: server.stats.loop_cycles,
    };
    server.stats.rates.sample(totals, server.clock.now_ms);
    if server.config.activerehashing {
        server.keyspace.step_rehash(100);
    }
}

fn client_idle(_server: &mut Server, _id: ClientId) {}

/// Makes sure that the loop wakes when the next key is due.
pub fn schedule_expiry(server: &mut Server) {
    if !server.active_expire || server.expiry_mode() != ExpiryMode::Delete {
        return;
    }
    let Some(due) = server.keyspace.next_due_ms() else { return };
    // A key lives through the millisecond it is due in.
    let wait = (due as i64 + 1 - server.clock.unix_ms()).max(0) as u64;
    let at = server.clock.now_ms + wait;
    if let Some((timer, timer_at)) = server.expire_timer {
        if timer_at <= at {
            return;
        }
        server.timers.cancel(timer);
    }
    server.expire_timer = Some((server.timers.insert(at, Timer::Expire), at));
}

fn expire(server: &mut Server) {
    server.keyspace.expiry_mode = server.expiry_mode();
    for db in 0..server.keyspace.databases() {
        server.keyspace.expire_due(db, EXPIRE_KEYS);
        drain_effects(server, db, None);
    }
}

/// A helper thread has answered.
pub fn background_done(_server: &mut Server) {}
