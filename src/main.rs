//! The command line.

use rondo::commands::FAMILIES;
use rondo::config::{self, CommandLine};
use rondo::net::event_loop::EventLoop;
use rondo::server::command_table::CommandTable;

fn main() {
    let line = CommandLine::parse(std::env::args_os().skip(1));
    let config = match config::load(&line) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
    };
    let commands = CommandTable::new(FAMILIES, &config.renamed_commands);
    if let Err(error) = EventLoop::new(config, commands).and_then(|mut event_loop| event_loop.run()) {
        eprintln!("{error}");
        std::process::exit(1);
    }
}
