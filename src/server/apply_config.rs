//! What follows from a changed configuration, beyond its values being read from now on.

use super::{Server, collation, logging, system};
use crate::config::{Config, Directive, SetError, os_reason};
use crate::persist::aof::{Aof, Paths, write_data_set};

impl Server {
    /// Brings into effect what `changed` says has changed since `before`. If something cannot be,
    /// nothing is: the configuration is again as it was.
    pub fn apply_config(&mut self, before: Config, changed: &[&'static Directive]) -> Result<(), SetError> {
        for (done, directive) in changed.iter().enumerate() {
            if let Err(reason) = self.apply_directive(directive) {
                self.config = before;
                // What held a moment ago can be brought about again.
                changed[..=done].iter().for_each(|directive| drop(self.apply_directive(directive)));
                return Err(SetError::refused(directive.name, reason));
            }
        }
        Ok(())
    }

    fn apply_directive(&mut self, directive: &Directive) -> Result<(), String> {
        match directive.name {
            "appendonly" => self.set_append_only()?,
            "bind" => self.listen().map_err(|_| "Failed to bind to specified addresses.".to_owned())?,
            "port" => self.listen().map_err(|_| "Unable to listen on this port. Check server logs.".to_owned())?,
            "dir" => std::env::set_current_dir(&self.config.dir).map_err(|error| os_reason(&error))?,
            "locale-collate" if !collation::set_locale(&self.config.locale_collate) => {
                return Err("Invalid locale name".to_owned());
            }
            "loglevel" => logging::set_level(self.config.loglevel),
            "maxclients" => self.make_room_for_clients()?,
            "notify-keyspace-events" => self.apply_wanted_events(),
            "timeout" => self.clients.ids_by_age().into_iter().for_each(|id| self.watch_idle(id)),
            name if name.starts_with("lazyfree-lazy-") => self.apply_keyspace_options(),
            // All others are read where they matter.
            _ => (),
        }
        Ok(())
    }

    /// Starts an append-only file from the data set as it is, or ends it.
    fn set_append_only(&mut self) -> Result<(), String> {
        if !self.config.appendonly {
            if let Some(timer) = self.aof_sync_timer.take() {
                self.timers.cancel(timer);
            }
            if let Some(mut aof) = self.aof.take()
                && let Err(error) = aof.finish()
            {
                log::warn!("Error writing the append only file: {error}");
            }
        } else if self.aof.is_none() {
            let paths = Paths::new(&self.config);
            let aof = Aof::create(&paths, |out| write_data_set(&self.keyspace, out)).map_err(|error| {
                log::warn!("Can't start the append-only file in {}: {error}", paths.folder.display());
                "Unable to turn on AOF. Check server logs.".to_owned()
            })?;
            self.aof = Some(aof);
        }
        Ok(())
    }

    fn make_room_for_clients(&self) -> Result<(), String> {
        let wanted = self.config.maxclients + system::RESERVED_FILES;
        let files = system::raise_open_files(wanted).map_err(|error| os_reason(&error))?;
        if files < wanted {
            let possible = files.saturating_sub(system::RESERVED_FILES);
            return Err(format!(
                "The operating system is not able to handle the specified number of clients, try with {possible}"
            ));
        }
        Ok(())
    }
}
