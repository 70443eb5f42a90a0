//! FAILOVER: writes pause until a replica has everything; then it is asked to take over, and we follow
//! it.

use super::{follow, heartbeat, online_replicas, replica_address};
use crate::resp::CommandError;
use crate::server::replication::failover::{Failover, FailoverState};
use crate::server::{ClientId, Server, Timer};

pub struct Options {
    pub target: Option<(String, u16)>,
    pub force: bool,
    pub timeout_ms: u64,
}

/// Begins a failover. The replica that is to take over need not have everything yet.
pub fn start(server: &mut Server, options: Options) -> Result<(), CommandError> {
    if server.replication.failover.state != FailoverState::None {
        return Err(CommandError::new("ERR FAILOVER already in progress."));
    }
    if server.replication.is_replica() {
        return Err(CommandError::new("ERR FAILOVER is not valid when server is a replica."));
    }
    if server.replication.replicas.is_empty() {
        return Err(CommandError::new("ERR FAILOVER requires connected replicas."));
    }
    if options.force && (options.timeout_ms == 0 || options.target.is_none()) {
        return Err(CommandError::new(
            "ERR FAILOVER with force option requires both a timeout and target HOST and IP.",
        ));
    }
    if let Some((host, port)) = &options.target {
        let replica = find(server, host, *port)
            .ok_or(CommandError::new("ERR FAILOVER target HOST and PORT is not a replica."))?;
        if !server.clients[replica].replica.as_deref().is_some_and(|replica| replica.is_online()) {
            return Err(CommandError::new("ERR FAILOVER target replica is not online."));
        }
    }
    let now_ms = server.clock.now_ms;
    log::info!(
        "FAILOVER requested to {}.",
        options.target.as_ref().map_or("any replica".into(), |(host, port)| format!("{host}:{port}"))
    );
    let timer = (options.timeout_ms > 0).then(|| server.timers.insert(now_ms + options.timeout_ms, Timer::FailoverEnd));
    server.replication.failover =
        Failover { state: FailoverState::WaitsForSync, target: options.target, force: options.force, timer };
    server.hold_writes(true);
    server.replication.ask_for_acks = true;
    check(server);
    Ok(())
}

/// The replica at this address.
fn find(server: &Server, host: &str, port: u16) -> Option<ClientId> {
    let replicas = &server.replication.replicas;
    replicas.iter().copied().find(|&id| replica_address(server, id) == (host.to_owned(), port))
}

/// Hands over if the replica that is to take over has everything.
pub fn check(server: &mut Server) {
    if server.replication.failover.state != FailoverState::WaitsForSync {
        return;
    }
    let offset = server.replication.stream.offset();
    let has_everything =
        |&id: &ClientId| server.clients[id].replica.as_deref().is_some_and(|replica| replica.acked == offset);
    let online = online_replicas(server);
    let target = match &server.replication.failover.target {
        Some((host, port)) => find(server, host, *port).filter(|id| online.contains(id)).filter(has_everything),
        None => online.iter().copied().find(has_everything),
    };
    if let Some(id) = target {
        let (host, port) = replica_address(server, id);
        log::info!("Failover target {host}:{port} is synced, failing over.");
        hand_over(server, host, port);
    }
}

fn hand_over(server: &mut Server, host: String, port: u16) {
    server.replication.failover.state = FailoverState::HandsOver;
    server.replication.failover.target = Some((host.clone(), port));
    // The target goes on with our stream, so PSYNC can go on from our offset.
    follow::start(server, host, port);
    if let Some(primary) = &mut server.replication.primary {
        primary.hand_over = true;
    }
}

/// The timeout of FAILOVER is over.
pub fn time_out(server: &mut Server) {
    server.replication.failover.timer = None;
    let failover = &server.replication.failover;
    match (failover.state, failover.force, failover.target.clone()) {
        (FailoverState::WaitsForSync, true, Some((host, port))) => {
            log::info!("Failover to {host}:{port} time out exceeded, failing over.");
            hand_over(server, host, port);
        }
        (FailoverState::WaitsForSync, ..) => {
            log::info!("Replica never caught up before timeout");
            end(server);
        }
        _ => (),
    }
}

/// FAILOVER ABORT.
pub fn abort(server: &mut Server) -> Result<(), CommandError> {
    if server.replication.failover.state == FailoverState::None {
        return Err(CommandError::new("ERR No failover in progress."));
    }
    log::info!("Failover manually aborted.");
    if server.replication.failover.state == FailoverState::HandsOver {
        follow::stop(server);
    }
    end(server);
    Ok(())
}

/// The target refused to take over: this server is the primary again.
pub fn refused(server: &mut Server) {
    if server.replication.failover.state == FailoverState::HandsOver {
        log::info!("Failover target rejected psync request");
        follow::stop(server);
        end(server);
    }
}

/// The stream comes from a primary: a failover that was under way is complete.
pub fn done(server: &mut Server) {
    if let Some(primary) = &mut server.replication.primary {
        primary.hand_over = false;
    }
    if server.replication.failover.state == FailoverState::HandsOver {
        end(server);
    }
}

/// A replica is gone; without any replica left, a failover is called off.
pub fn replica_gone(server: &mut Server) {
    if server.replication.failover.state == FailoverState::WaitsForSync && server.replication.replicas.is_empty() {
        log::info!("Failover target disconnected");
        end(server);
    }
}

fn end(server: &mut Server) {
    if let Some(timer) = std::mem::take(&mut server.replication.failover).timer {
        server.timers.cancel(timer);
    }
    server.hold_writes(false);
    heartbeat::start(server);
}
