//! The command line: `rondo [FILE] [--directive value ...] [-]`.

use rondo::commands::FAMILIES;
use rondo::config::{self, CommandLine, Config};
use rondo::engine::load;
use rondo::net::event_loop::EventLoop;
use rondo::persist::check::{self, Repair};
use rondo::server::command_table::CommandTable;
use rondo::server::{collation, cpu_list, crash, logging, machine, process_title, supervisor, system};
use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "Usage: rondo [FILE] [OPTIONS] [-]

  FILE                 read this configuration file; `-` reads one from standard input
  --DIRECTIVE VALUE    set any directive of the configuration, as if it stood in the file

Instead of starting a server:

        --check-rdb FILE        say whether a snapshot is whole
        --check-aof [--fix | --truncate-to-timestamp SECONDS] FILE
                                say whether an append-only file (its manifest, or one
                                file) is whole; cut off what is not, or what was run
                                after a second of the Unix epoch
        --check-system          say what of this machine's settings could harm the server";

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    let arguments: Vec<OsString> = arguments.collect();
    // It may be called by the name of one of Redis's tools.
    match Path::new(&name).file_name().and_then(OsStr::to_str) {
        Some("redis-check-rdb") => return check_rdb(&arguments, "Usage: redis-check-rdb <rdb-file-name>"),
        Some("redis-check-aof") => return check_aof(&arguments, "Usage: redis-check-aof"),
        _ => (),
    }
    match arguments.split_first() {
        Some((first, rest)) if first == "--check-rdb" => return check_rdb(rest, "Usage: rondo --check-rdb FILE"),
        Some((first, rest)) if first == "--check-aof" => return check_aof(rest, "Usage: rondo --check-aof"),
        Some((first, [])) if first == "--check-system" => return conclude(machine::check(&mut std::io::stdout())),
        _ => (),
    }
    if let Some(exit) = instead_of_a_server(&arguments) {
        return exit;
    }
    match config::load(&CommandLine::parse(arguments)) {
        Ok(config) => match serve(config) {
            Ok(()) => ExitCode::SUCCESS,
            Err(reason) => {
                log::error!("{reason}");
                eprintln!("{reason}");
                ExitCode::FAILURE
            }
        },
        Err(error) => {
            eprintln!("\n{error}");
            ExitCode::FAILURE
        }
    }
}

/// Options that are not directives.
fn instead_of_a_server(arguments: &[OsString]) -> Option<ExitCode> {
    let mut options = getopts::Options::new();
    options.optflag("h", "help", "show this");
    options.optflag("v", "version", "show the version");
    options.optopt("", "check-config", "read this configuration, say what is wrong with it, and exit", "FILE");
    let first = arguments.first()?;
    if !["-h", "--help", "-v", "--version", "--check-config"].iter().any(|option| first == option) {
        return None;
    }
    let matches = match options.parse(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            eprintln!("{error}");
            return Some(ExitCode::FAILURE);
        }
    };
    if matches.opt_present("help") {
        print!("{}", options.usage(USAGE));
    } else if matches.opt_present("version") {
        // The first words are those that tools look for.
        let (version, redis) = (env!("CARGO_PKG_VERSION"), config::REDIS_VERSION);
        println!("Redis server v={redis} sha=00000000:0 malloc=jemalloc bits=64 build=rondo-{version}");
    } else if let Some(file) = matches.opt_str("check-config") {
        return Some(match config::load(&CommandLine::parse([OsString::from(&file)])) {
            Ok(config) => {
                config.warnings().iter().for_each(|warning| println!("{warning}"));
                println!("{file} is valid");
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        });
    }
    Some(ExitCode::SUCCESS)
}

/// `--check-rdb` with these arguments.
fn check_rdb(arguments: &[OsString], usage: &str) -> ExitCode {
    let [file] = arguments else {
        eprintln!("{usage}");
        return ExitCode::FAILURE;
    };
    conclude(check::check_rdb(Path::new(file), &mut std::io::stdout()).map(|length| length.is_some()))
}

/// `--check-aof` with these arguments.
fn check_aof(arguments: &[OsString], usage: &str) -> ExitCode {
    let (repair, file) = match arguments {
        [file] => (Repair::None, file),
        [option, file] if option == "--fix" => (Repair::Fix, file),
        [option, seconds, file] if option == "--truncate-to-timestamp" => {
            match seconds.to_str().and_then(|seconds| seconds.parse().ok()) {
                Some(seconds) => (Repair::To(seconds), file),
                None => {
                    println!("Invalid timestamp, aborting...");
                    return ExitCode::FAILURE;
                }
            }
        }
        _ => {
            eprintln!("{usage} [--fix|--truncate-to-timestamp $timestamp] <file.manifest|file.aof>");
            return ExitCode::FAILURE;
        }
    };
    let (answers, out) = (&mut std::io::stdin().lock(), &mut std::io::stdout());
    conclude(check::check_aof(Path::new(file), repair, answers, out))
}

fn conclude(is_whole: std::io::Result<bool>) -> ExitCode {
    match is_whole {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(mut config: Config) -> Result<(), String> {
    process_title::prepare(std::env::args_os().next().unwrap_or_default());
    std::env::set_current_dir(&config.dir)
        .map_err(|error| format!("Can't chdir to '{}': {error}", config.dir.display()))?;
    logging::start(&config).map_err(|error| format!("Can't open the log file: {error}"))?;
    crash::start(&config);
    if config.daemonize && !supervisor::is_supervised(&config) {
        system::daemonize().map_err(|error| format!("Can't daemonize: {error}"))?;
    }
    log::info!("oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo");
    let (version, redis, pid) = (env!("CARGO_PKG_VERSION"), config::REDIS_VERSION, std::process::id());
    log::info!(
        "Redis version={redis}, bits=64, commit=00000000, modified=0, pid={pid}, just started (Rondo {version})"
    );
    match &config.config_file {
        Some(_) => log::info!("Configuration loaded"),
        None => log::warn!(
            "Warning: no config file specified, using the default config. In order to specify a config file use rondo /path/to/redis.conf"
        ),
    }
    config.warnings().iter().for_each(|warning| log::warn!("{warning}"));
    machine::warnings(&config).iter().for_each(|warning| log::warn!("WARNING {warning}"));
    if let Err(error) = cpu_list::run_on(&config.server_cpulist) {
        log::warn!("Can't run on the processors that are asked for: {error}");
    }
    make_room_for_clients(&mut config);
    if !collation::set_locale(&config.locale_collate) && !config.locale_collate.is_empty() {
        return Err("Failed to configure LOCALE for invalid locale name.".into());
    }
    if let Some(pidfile) = &config.pidfile
        && let Err(error) = std::fs::write(pidfile, format!("{pid}\n"))
    {
        log::warn!("Failed to write PID file: {error}");
    }
    if config.always_show_logo || (config.logfile.is_none() && std::io::stdout().is_terminal()) {
        // Tools look for the line with the process id.
        let port = config.port;
        log::info!("( o ) Rondo {version}, as Redis {redis}\n\n  Port: {port}\n  PID: {pid}\n");
    } else {
        log::info!("Running mode=standalone, port={}.", config.port);
    }
    let commands = CommandTable::new(FAMILIES, &config.renamed_commands);
    let mut event_loop = EventLoop::new(config, commands).map_err(|error| error.to_string())?;
    event_loop.server.load_users()?;
    process_title::set(&event_loop.server.config, None);
    // A refusal is in the log.
    let _ = event_loop.server.apply_oom_score();
    log::info!("Server initialized");
    load::start(&mut event_loop.server).map_err(|error| error.0)?;
    event_loop.run()?;
    // A successor finds the port free and the socket's file gone. Nothing else is dropped: freeing the data set key by
    // key would only delay the end.
    event_loop.server.listeners.clear();
    std::process::exit(0)
}

/// Lowers `maxclients` to what the limit of open files is enough for.
fn make_room_for_clients(config: &mut Config) {
    let wanted = config.maxclients + system::RESERVED_FILES;
    if let Ok(files) = system::raise_open_files(wanted)
        && files < wanted
    {
        let possible = files.saturating_sub(system::RESERVED_FILES).max(1);
        log::warn!("The system allows {files} open files: maxclients is {possible}, not {}", config.maxclients);
        config.maxclients = possible;
    }
}
