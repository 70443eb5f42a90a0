//! What follows from a changed configuration, beyond its values being read from now on.

use super::{memory, rewrite, timers};
use crate::config::{Config, Directive, SetError, os_reason};
use crate::server::allocator::used_memory;
use crate::server::{Server, collation, crash, logging, process_title, system};

/// Brings the directives in `changed` into effect. If one of them fails, none is changed: the configuration is
/// `before` again.
pub fn apply(server: &mut Server, before: Config, changed: &[&'static Directive]) -> Result<(), SetError> {
    let mut changed = changed.to_vec();
    // Switching the append-only file off cannot be undone: nothing may fail after it.
    changed.sort_by_key(|directive| directive.name == "appendonly");
    for (done, directive) in changed.iter().enumerate() {
        if let Err(reason) = apply_directive(server, directive) {
            server.config = before;
            // The old values applied a moment ago, so they can be applied again.
            changed[..=done].iter().for_each(|directive| drop(apply_directive(server, directive)));
            return Err(SetError::refused(directive.name, reason));
        }
    }
    Ok(())
}

fn apply_directive(server: &mut Server, directive: &Directive) -> Result<(), String> {
    match directive.name {
        "aof-disable-auto-gc" => rewrite::remove_history(server),
        "appendonly" if server.config.appendonly => rewrite::switch_on(server)?,
        "appendonly" => rewrite::switch_off(server),
        "bind" => server.listen().map_err(|_| "Failed to bind to specified addresses.".to_owned())?,
        "proc-title-template" => process_title::set(&server.config, None),
        "port" => server.listen().map_err(|_| "Unable to listen on this port. Check server logs.".to_owned())?,
        "crash-log-enabled" | "use-exit-on-panic" => crash::apply(&server.config),
        "dir" => std::env::set_current_dir(&server.config.dir).map_err(|error| os_reason(&error))?,
        "locale-collate" if !collation::set_locale(&server.config.locale_collate) => {
            return Err("Invalid locale name".to_owned());
        }
        "loglevel" => logging::set_level(server.config.loglevel),
        "maxclients" => make_room_for_clients(&server.config)?,
        "notify-keyspace-events" => server.apply_wanted_events(),
        "maxmemory" => apply_maxmemory(server),
        "maxmemory-clients" => server.count_all_clients(),
        "maxmemory-policy" | "lfu-log-factor" | "lfu-decay-time" => server.apply_keyspace_options(),
        "slowlog-log-slower-than" | "latency-monitor-threshold" => server.apply_slow_nanos(),
        "oom-score-adj" | "oom-score-adj-values" => server.apply_oom_score()?,
        "acllog-max-len" => server.acl.log.truncate(server.config.acllog_max_len),
        "requirepass" => server.apply_requirepass(),
        "watchdog-period" => timers::wind_up_watchdog(server).map_err(|error| os_reason(&error))?,
        "timeout" => server.clients.ids_by_age().into_iter().for_each(|id| server.watch_idle(id)),
        name if name.starts_with("lazyfree-lazy-") => server.apply_keyspace_options(),
        // All other directives are read where they matter.
        _ => (),
    }
    Ok(())
}

fn apply_maxmemory(server: &mut Server) {
    let (max, used) = (server.config.maxmemory, used_memory() as u64);
    if max > 0 && max < used {
        log::warn!(
            "WARNING: the new maxmemory value set via CONFIG SET ({max}) is smaller than the current memory usage ({used}). This will result in key eviction and/or the inability to accept new write commands depending on the maxmemory-policy."
        );
    }
    memory::go_on_later(server);
    server.count_all_clients();
}

fn make_room_for_clients(config: &Config) -> Result<(), String> {
    let wanted = config.maxclients + system::RESERVED_FILES;
    let files = system::raise_open_files(wanted).map_err(|error| os_reason(&error))?;
    if files < wanted {
        let possible = files.saturating_sub(system::RESERVED_FILES);
        return Err(format!(
            "The operating system is not able to handle the specified number of clients, try with {possible}"
        ));
    }
    Ok(())
}
