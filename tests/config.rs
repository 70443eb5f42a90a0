//! The configuration from outside: defaults, files, the command line, CONFIG GET, SET and REWRITE.

use std::{
    ffi::OsString,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use proptest::prelude::*;
use rondo::config::*;

const ANYONE: SetContext = SetContext { client_is_local: false, loading: false };

/// A directory for one test, removed afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("rondo-config-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Folder(fs::canonicalize(path).unwrap())
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn get(config: &Config, name: &str) -> String {
    let directive = lookup(name.as_bytes()).unwrap_or_else(|| panic!("no directive {name}"));
    String::from_utf8(directive.get(config)).unwrap()
}

fn set(config: &mut Config, pairs: &[(&str, &str)]) -> Result<Vec<&'static str>, String> {
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    match config.set_many(&pairs, ANYONE) {
        Ok(changed) => Ok(changed.iter().map(|directive| directive.name).collect()),
        Err(error) => Err(error.to_string()),
    }
}

fn command_line(arguments: &[&str]) -> Result<Config, ConfigError> {
    load(&CommandLine::parse(arguments.iter().map(OsString::from)))
}

fn load_file(path: &Path) -> Result<Config, ConfigError> {
    load(&CommandLine { file: Some(path.into()), ..CommandLine::default() })
}

fn assert_same(left: &Config, right: &Config) {
    for directive in DIRECTIVES {
        assert!(
            directive.same(left, right),
            "{}: {:?} is not {:?}",
            directive.name,
            String::from_utf8_lossy(&directive.get(left)),
            String::from_utf8_lossy(&directive.get(right)),
        );
    }
}

// ---- the table ----

/// What `CONFIG GET *` of Redis 7.2.4 gave: all of it is known, with its default.
#[test]
fn names_and_defaults_are_those_of_redis() {
    // The recorded server was started with these set.
    const SET_WHEN_RECORDED: [&str; 5] = ["daemonize", "dir", "pidfile", "port", "save"];
    let recorded: Vec<(&str, &str)> = include_str!("data/redis-7.2.4-config.tsv")
        .lines()
        .map(|line| line.split_once('\t').unwrap_or((line, "")))
        .collect();
    for (name, value) in &recorded {
        let known = names().find(|(known, _)| known == name);
        let (_, directive) = known.unwrap_or_else(|| panic!("{name} is missing"));
        if !SET_WHEN_RECORDED.contains(name) {
            assert_eq!(String::from_utf8(directive.get(defaults())).unwrap(), *value, "{name}");
        }
    }
    let ours = ["rdb-version"];
    let is_theirs =
        |(name, directive): &(&str, &Directive)| !directive.flags.contains(Flags::HIDDEN) && !ours.contains(name);
    for (name, directive) in names().filter(is_theirs) {
        assert!(recorded.iter().any(|(known, _)| *known == name), "{} is not in Redis", directive.name);
    }
    assert_eq!(get(defaults(), "port"), "6379");
    assert_eq!(get(defaults(), "save"), "3600 1 300 100 60 10000");
}

#[test]
fn names_are_unique() {
    let mut all: Vec<_> = names().map(|(name, _)| name).collect();
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
}

/// CONFIG SET takes what CONFIG GET shows.
#[test]
fn shown_values_can_be_set() {
    let mut config = defaults().clone();
    for directive in DIRECTIVES {
        // COMPAT: in Redis too, no primary is shown as a text that can't be set.
        if directive.name == "replicaof" {
            continue;
        }
        let shown = directive.get(&config);
        config.set(directive, &[shown], Source::Command).unwrap_or_else(|reason| panic!("{directive:?}: {reason}"));
        assert!(directive.same(&config, defaults()), "{directive:?}");
    }
}

// ---- redis.conf.example ----

fn example() -> &'static str {
    include_str!("../redis.conf.example")
}

/// The lines of the example that are directives commented out.
fn example_defaults() -> Vec<(&'static Directive, &'static str)> {
    let commented = example().lines().filter_map(|line| line.strip_prefix("# "));
    let directive = |line: &'static str| {
        let name = line.split(' ').next()?;
        let is_exact = |directive: &&Directive| directive.name == name;
        Some((lookup(name.as_bytes()).filter(is_exact)?, line))
    };
    commented.filter_map(directive).collect()
}

#[test]
fn example_describes_what_works() {
    let described = example_defaults();
    for directive in DIRECTIVES {
        let is_described = described.iter().any(|(known, _)| *known == directive);
        // Those that CONFIG GET does not list are for tests.
        let is_to_be = directive.status == Status::Works && !directive.flags.contains(Flags::HIDDEN);
        assert_eq!(is_described, is_to_be, "{directive:?} in redis.conf.example");
    }
}

#[test]
fn example_shows_the_defaults() {
    let described = example_defaults();
    let text: Vec<&str> = described.iter().map(|(_, line)| *line).collect();
    assert_same(&Config::from_text(text.join("\n").as_bytes()).unwrap(), defaults());
    for (directive, line) in described {
        let config = Config::from_text(line.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
        assert!(directive.same(&config, defaults()), "{line}");
    }
}

#[test]
fn example_loads() {
    let config = load_file(&Path::new(env!("CARGO_MANIFEST_DIR")).join("redis.conf.example")).unwrap();
    assert_same(&config, defaults());
    assert_eq!(config.warnings(), Vec::<String>::new());
}

// ---- files ----

#[test]
fn values_of_a_file() {
    let text = br#"
        # a comment
        PORT 7000
        maxmemory 1gb
        requirepass "a b\x01\"q"
        bind 127.0.0.1 -::1
        hash-max-ziplist-entries 20
        unixsocketperm 700
        client-output-buffer-limit slave 1mb 2mb 3
        client-output-buffer-limit normal 4 5 6
        notify-keyspace-events KEA
        save 900 1
        save 300 10
        user foo on >p
        rename-command FLUSHALL ""
        list-max-ziplist-entries 5
        replicaof localhost 6380
        shutdown-on-sigint nosave now"#;
    let config = Config::from_text(text).unwrap();
    assert_eq!(config.port, 7000);
    assert_eq!(config.maxmemory, 1 << 30);
    assert_eq!(config.requirepass, b"a b\x01\"q");
    assert_eq!(config.bind, ["127.0.0.1", "-::1"]);
    assert_eq!(config.hash_max_listpack_entries, 20);
    assert_eq!(config.unixsocketperm, 0o700);
    assert_eq!(get(&config, "unixsocketperm"), "700");
    let limits = "normal 4 5 6 slave 1048576 2097152 3 pubsub 33554432 8388608 60";
    assert_eq!(get(&config, "client-output-buffer-limit"), limits);
    assert_eq!(get(&config, "notify-keyspace-events"), "AKE");
    assert_eq!(config.save, [(900, 1), (300, 10)]);
    assert_eq!(config.users, [[b"foo".to_vec(), b"on".to_vec(), b">p".to_vec()]]);
    assert_eq!(config.renamed_commands, [(b"FLUSHALL".to_vec(), b"".to_vec())]);
    assert_eq!(config.replicaof, Some(("localhost".into(), 6380)));
    assert_eq!(get(&config, "shutdown-on-sigint"), "nosave now");
}

#[test]
fn save_points_add_up_and_an_empty_line_resets_them() {
    let save = |text: &str| Config::from_text(text.as_bytes()).unwrap().save;
    assert_eq!(save(""), [(3600, 1), (300, 100), (60, 10_000)]);
    assert_eq!(save("save 900 1"), [(900, 1)]);
    assert_eq!(save("save 900 1 300 10\nsave 60 5"), [(900, 1), (300, 10), (60, 5)]);
    assert_eq!(save("save '900 1'"), [(900, 1)]);
    assert_eq!(save("save 900 1\nsave ''"), []);
    assert_eq!(save("save"), []);
}

#[test]
fn a_bad_line_is_named() {
    let folder = Folder::new();
    let path = folder.write("bad.conf", "# first\nport 0\n\n  maxclints 5 \n");
    let expected = format!(
        "*** FATAL CONFIG FILE ERROR (Redis 7.2.4) ***\n\
         Reading the configuration file, at line 4\n\
         >>> 'maxclints 5'\n\
         Bad directive or wrong number of arguments\n\
         This line comes from the file {}. Did you mean 'maxclients'?",
        path.display()
    );
    assert_eq!(load_file(&path).unwrap_err().to_string(), expected);
}

#[test]
fn reasons_are_those_of_redis() {
    let cases = [
        ("port 70000", "argument must be between 0 and 65535 inclusive"),
        ("port 07", "argument couldn't be parsed into an integer"),
        ("port 1 2", "wrong number of arguments"),
        ("port", "wrong number of arguments"),
        ("port \"0", "Unbalanced quotes in configuration line"),
        ("'' 5", "Bad directive or wrong number of arguments"),
        ("zzz", "Bad directive or wrong number of arguments"),
        ("user", "Bad directive or wrong number of arguments"),
        ("include a b", "Bad directive or wrong number of arguments"),
        ("rename-command ping", "Bad directive or wrong number of arguments"),
        ("loadmodule /x.so", "Modules are not supported"),
        ("sentinel a b", "sentinel directive while not in sentinel mode"),
        ("daemonize x", "argument must be 'yes' or 'no'"),
        ("maxmemory 5x", "argument must be a memory value"),
        ("client-query-buffer-limit 1", "argument must be between 1048576 and 9223372036854775807 inclusive"),
        ("maxmemory-clients 500%", "percentage argument must be less or equal to 100"),
        ("maxmemory-clients -1", "argument must be a memory or percent value"),
        ("appendfsync sometimes", "argument(s) must be one of the following: everysec, always, no"),
        ("oom-score-adj x", "argument(s) must be one of the following: no, yes, relative, absolute"),
        ("oom-score-adj-values 1 2", "wrong number of arguments"),
        ("oom-score-adj-values 1 2 5000", "Invalid oom-score-adj-values, elements must be between -2000 and 2000."),
        ("unixsocketperm 778", "argument couldn't be parsed as an octal number"),
        ("unixsocketperm 07777", "argument must be between 0 and 777 inclusive"),
        ("save 1", "Invalid save parameters"),
        ("save 900 1 ''", "Invalid save parameters"),
        ("save 0 5", "Invalid save parameters"),
        ("client-output-buffer-limit normal 1", "Wrong number of arguments in buffer limit configuration."),
        ("client-output-buffer-limit x 1 1 1", "Invalid client class specified in buffer limit configuration."),
        (
            "client-output-buffer-limit normal 1 1 x",
            "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
        ),
        ("notify-keyspace-events q", "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."),
        ("bind a b c d e f g h i j k l m n o p q", "Too many bind addresses specified."),
        ("dbfilename a/b", "dbfilename can't be a path, just a filename"),
        ("appenddirname a/b", "appenddirname can't be a path, just a dirname"),
        ("appendfilename ''", "appendfilename can't be empty"),
        ("dir /nonexistent", "No such file or directory"),
        ("dir /dev/null", "Not a directory"),
        ("replicaof a", "wrong number of arguments"),
        ("replicaof a b", "Invalid master port"),
        ("proc-title-template {bad}", "template format is invalid or contains unknown variables"),
        ("cluster-announce-hostname b_b", "Hostnames may only contain alphanumeric characters, hyphens or dots"),
        ("shutdown-on-sigint save nosave", "shutdown options SAVE and NOSAVE can't be used simultaneously"),
        (
            "latency-tracking-info-percentiles 101",
            "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]",
        ),
        ("latency-tracking-info-percentiles nan", "Invalid latency-tracking-info-percentiles parameters"),
    ];
    for (line, expected) in cases {
        match Config::from_text(line.as_bytes()) {
            Err(ConfigError::Line { reason, .. }) => assert_eq!(reason, expected, "{line}"),
            other => panic!("{line}: {other:?}"),
        }
    }
}

#[test]
fn include_reads_other_files() {
    let folder = Folder::new();
    folder.write("b.inc", "port 2\ntimeout 5\n");
    folder.write("a.inc", "port 1\n");
    let path =
        folder.write("main.conf", &format!("include {0}/*.inc\ninclude {0}/*.none\nhz 20\n", folder.0.display()));
    let config = load_file(&path).unwrap();
    assert_eq!((config.port, config.timeout, config.hz), (2, 5, 20));
    assert_eq!(config.config_file, Some(path));

    let missing = folder.write("missing.conf", "include /nonexistent/file\n");
    let error = load_file(&missing).unwrap_err().to_string();
    assert_eq!(error, "Fatal error, can't open config file '/nonexistent/file': No such file or directory");

    let path = folder.0.join("self.conf");
    fs::write(&path, format!("include {}\n", path.display())).unwrap();
    assert!(load_file(&path).unwrap_err().to_string().contains("Maximum include depth exceeded"));
}

// ---- the command line ----

#[test]
fn options_take_values_up_to_the_next_option() {
    let config =
        command_line(&["--port", "7000", "--loglevel", "verbose", "--save", "3600", "1", "300", "100"]).unwrap();
    assert_eq!((config.port, config.loglevel), (7000, LogLevel::Verbose));
    assert_eq!(config.save, [(3600, 1), (300, 100)]);
    let config = command_line(&["--port 7000", "--maxmemory '700mb'", "--bind", "a", "b"]).unwrap();
    assert_eq!((config.port, config.maxmemory), (7000, 700 << 20));
    assert_eq!(config.bind, ["a", "b"]);
    let config = command_line(&["--shutdown-on-sigint", "nosave", "force", "now"]).unwrap();
    assert_eq!(get(&config, "shutdown-on-sigint"), "nosave now force");
}

#[test]
fn options_override_the_file() {
    let folder = Folder::new();
    let path = folder.write("a.conf", "port 1\nsave 900 1\n");
    let file = path.to_str().unwrap();
    let config = command_line(&[file, "loglevel", "verbose", "--port", "2", "--save", "100", "100"]).unwrap();
    assert_eq!((config.port, config.loglevel), (2, LogLevel::Verbose));
    assert_eq!(config.save, [(900, 1), (100, 100)]);
    assert_eq!(command_line(&[file, "--save", ""]).unwrap().save, []);
}

#[test]
fn a_value_may_look_like_an_option() {
    let config = command_line(&["--proc-title-template", "--my--title", "--loglevel", "verbose"]).unwrap();
    assert_eq!((get(&config, "proc-title-template").as_str(), config.loglevel), ("--my--title", LogLevel::Verbose));
    for arguments in [&["--save", "--loglevel", "verbose"][..], &["--loglevel", "verbose", "--save"]] {
        let config = command_line(arguments).unwrap();
        assert_eq!((config.save, config.loglevel), (vec![], LogLevel::Verbose));
    }
    let config = command_line(&["--proc-title-template", "--save", "--save", "", "--hz", "20"]).unwrap();
    assert_eq!((get(&config, "proc-title-template").as_str(), config.save, config.hz), ("--save", vec![], 20));
}

#[test]
fn bad_options_are_shown_as_a_line() {
    let cases: [(&[&str], &str, &str); 8] = [
        (&["--invalid"], "invalid", "Bad directive or wrong number of arguments"),
        (&["--port"], "port", "wrong number of arguments"),
        (&["--port", "6380", "--loglevel"], "loglevel", "wrong number of arguments"),
        (&["--port", "6379", "6380"], r#"port "6379" "6380""#, "wrong number of arguments"),
        (&["--port", "--loglevel", "verbose"], r#"port "--loglevel" "verbose""#, "wrong number of arguments"),
        (
            &["--port", "--bla", "--loglevel", "verbose"],
            r#"port "--bla""#,
            "argument couldn't be parsed into an integer",
        ),
        (&["--replicaof", "--127.0.0.1", "--abc"], r#"replicaof "--127.0.0.1""#, "wrong number of arguments"),
        (
            &["--shutdown-on-sigint", "now force", "--shutdown-on-sigterm"],
            "shutdown-on-sigterm",
            "argument(s) must be one of the following: default, save, nosave, now, force",
        ),
    ];
    for (arguments, line, expected) in cases {
        let error = command_line(arguments).unwrap_err().to_string();
        assert!(error.contains(&format!(">>> '{line}'\n{expected}\n")), "{error}");
    }
}

#[test]
fn a_dash_reads_standard_input() {
    for (arguments, file) in
        [(&["-"][..], None), (&["x.conf", "-"], Some("x.conf")), (&["x.conf", "--hz", "5", "-"], Some("x.conf"))]
    {
        let line = CommandLine::parse(arguments.iter().map(OsString::from));
        assert_eq!((line.from_stdin, line.file), (true, file.map(PathBuf::from)));
    }
}

// ---- CONFIG GET and CONFIG SET ----

#[test]
fn get_lists_aliases_and_hides_the_hidden() {
    let starts = |pattern: &[u8], name: &[u8]| name.starts_with(&pattern[..pattern.len() - 1]);
    let found = |patterns: &[&str]| {
        let patterns: Vec<&[u8]> = patterns.iter().map(|pattern| pattern.as_bytes()).collect();
        let pairs = defaults().get_matching(&patterns, starts);
        pairs.into_iter().map(|(name, _)| String::from_utf8(name).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(found(&["slave-p*", "replica-p*"]), ["slave-priority", "replica-priority"]);
    assert_eq!(found(&["SLAVE-priority", "slave-p*", "port", "nothing"]), ["SLAVE-priority", "port"]);
    assert_eq!(found(&["key-load-delay"]), ["key-load-delay"]);
    assert!(!found(&["*"]).contains(&"key-load-delay".to_string()));
}

#[test]
fn set_gives_the_changed_rows() {
    let mut config = defaults().clone();
    let changed = set(&mut config, &[("maxmemory", "1gb"), ("TIMEOUT", "0"), ("save", "3000 5")]).unwrap();
    assert_eq!(changed, ["maxmemory", "save"]);
    assert_eq!((config.maxmemory, config.save.as_slice()), (1 << 30, &[(3000, 5)][..]));
    let both = [("min-slaves-to-write", "1"), ("min-replicas-to-write", "2")];
    assert_eq!(set(&mut config, &both).unwrap(), ["min-replicas-to-write"]);
    assert_eq!(config.min_replicas_to_write, 2);
    set(&mut config, &[("hz", "1000"), ("repl-backlog-size", "1")]).unwrap();
    assert_eq!((config.hz, config.repl_backlog_size), (500, 16 << 10));
}

#[test]
fn set_is_all_or_nothing() {
    let mut config = defaults().clone();
    let cases: [(&[(&str, &str)], &str); 7] = [
        (
            &[("maxmemory", "1"), ("maxmemory-clients", "200%"), ("client-query-buffer-limit", "x")],
            "ERR CONFIG SET failed (possibly related to argument 'maxmemory-clients') - percentage argument must be less or equal to 100",
        ),
        (&[("timeout", "5"), ("foo", "bar")], "ERR Unknown option or number of arguments for CONFIG SET - 'foo'"),
        (
            &[("port", "1"), ("PORT", "2")],
            "ERR CONFIG SET failed (possibly related to argument 'PORT') - duplicate parameter",
        ),
        (
            &[("databases", "3")],
            "ERR CONFIG SET failed (possibly related to argument 'databases') - can't set immutable config",
        ),
        (
            &[("dbfilename", "x")],
            "ERR CONFIG SET failed (possibly related to argument 'dbfilename') - can't set protected config",
        ),
        (
            &[("save", " 900 1")],
            "ERR CONFIG SET failed (possibly related to argument 'save') - Invalid save parameters",
        ),
        (&[("user", "x")], "ERR Unknown option or number of arguments for CONFIG SET - 'user'"),
    ];
    for (pairs, expected) in cases {
        assert_eq!(set(&mut config, pairs).unwrap_err(), expected);
        assert_same(&config, defaults());
    }
}

#[test]
fn protected_directives_and_loading() {
    let set = |config: &mut Config, client_is_local, loading| {
        config.set_many(&[(b"dir", b"/")], SetContext { client_is_local, loading }).map(|_| ())
    };
    let mut config = defaults().clone();
    config.enable_protected_configs = CommandAccess::Local;
    assert!(set(&mut config, false, false).is_err());
    assert_eq!(set(&mut config, true, false), Ok(()));
    config.enable_protected_configs = CommandAccess::Yes;
    assert_eq!(set(&mut config, false, false), Ok(()));
    assert_eq!(set(&mut config, false, true), Err(SetError::Loading));
}

#[test]
fn settings_without_effect_are_named() {
    assert_eq!(defaults().warnings(), Vec::<String>::new());
    let text = b"port 1\ntls-port 5\nio-threads 4\nio-threads-do-reads yes\nactivedefrag no\n";
    let warnings = Config::from_text(text).unwrap().warnings();
    assert_eq!(
        warnings,
        [
            "The configuration directive 'tls-port' is accepted but has no effect: not implemented yet.",
            "The configuration directive 'io-threads, io-threads-do-reads' is accepted but has no effect: one thread does all the work.",
        ]
    );
}

// ---- CONFIG REWRITE ----

/// Users are as the configuration says.
fn rewrite(config: &Config) -> std::io::Result<()> {
    rondo::config::rewrite(config, |user| config.users.iter().any(|known| known == user))
}

#[test]
fn rewrite_keeps_what_is_there() {
    let folder = Folder::new();
    let path = folder.write(
        "a.conf",
        "# mine\n\
         port 17790\n\
         save 900 1\n\
         # between\n\
         save 300 10\n\
         \n\
         hash-max-ziplist-entries 20\n\
         timeout 5\n\
         timeout 6\n\
         maxmemory 104857600\n\
         include /nonexistent/*\n\
         rename-command flushdb badger\n",
    );
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let mut config = load_file(&path).unwrap();
    let changes = [
        ("hash-max-listpack-entries", "30"),
        ("save", "1 2 3 4 5 6"),
        ("requirepass", "a b"),
        ("maxmemory-clients", "5%"),
        ("client-query-buffer-limit", "10mb"),
    ];
    set(&mut config, &changes).unwrap();
    rewrite(&config).unwrap();
    let expected = "# mine\n\
         port 17790\n\
         save 1 2\n\
         # between\n\
         save 3 4\n\
         \n\
         hash-max-listpack-entries 30\n\
         timeout 6\n\
         maxmemory 104857600\n\
         include /nonexistent/*\n\
         rename-command flushdb badger\n\
         \n\
         # Generated by CONFIG REWRITE\n\
         client-query-buffer-limit 10mb\n\
         requirepass \"a b\"\n\
         maxmemory-clients 5%\n\
         save 5 6\n";
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    assert_same(&load_file(&path).unwrap(), &config);

    rewrite(&config).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), expected, "a second time changes nothing");
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1, "no temporary file is left");

    set(&mut config, &[("save", ""), ("timeout", "0")]).unwrap();
    rewrite(&config).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("port 17790\nsave \"\"\n# between\n\nhash-") && text.contains("timeout 0\n"), "{text}");
    assert_same(&load_file(&path).unwrap(), &config);
}

#[test]
fn rewrite_needs_a_file() {
    let error = rewrite(defaults()).unwrap_err();
    assert_eq!(error.to_string(), "The server is running without a config file");
}

#[test]
fn rewrite_all_writes_everything() {
    let folder = Folder::new();
    let path = folder.write("a.conf", "port 5\n");
    let config = load_file(&path).unwrap();
    rewrite_all(&config, |_| true).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    for directive in DIRECTIVES {
        assert!(text.lines().any(|line| line.split(' ').next() == Some(directive.name)), "{directive:?}");
    }
    assert_same(&load_file(&path).unwrap(), &config);
}

#[test]
fn rewrite_says_below_an_include_what_that_overrides() {
    let folder = Folder::new();
    folder.write("early.inc", "timeout 1\nmaxmemory 1mb\nsave 900 1\n");
    folder.write("late.inc", "timeout 2\nhz 20\n");
    let text = format!(
        "dir {0}\n\
         include early.inc\n\
         timeout 5\n\
         maxmemory 2mb\n\
         port 7000\n\
         save 300 10\n\
         include {0}/late.inc\n",
        folder.0.display()
    );
    let path = folder.write("a.conf", &text);
    let mut config = load_file(&path).unwrap();
    rewrite(&config).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), text);

    set(&mut config, &[("timeout", "7"), ("maxmemory", "3mb"), ("save", "60 5"), ("hz", "10")]).unwrap();
    config.dir = PathBuf::from("/");
    rewrite(&config).unwrap();
    let rewritten = text.replace("maxmemory 2mb", "maxmemory 3mb").replace("save 300 10", "save \"\"");
    let expected = rewritten + "\n# Generated by CONFIG REWRITE\ntimeout 7\nhz 10\ndir \"/\"\nsave 60 5\n";
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
    let new = fs::read_to_string(&path).unwrap();
    assert_eq!(lines(&new), lines(&expected));
    assert_same(&load_file(&path).unwrap(), &config);
    rewrite(&config).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), new, "a second time changes nothing");
}

#[test]
fn rewrite_leaves_users_of_included_files_there() {
    let folder = Folder::new();
    let included = folder.write("users.inc", "user shared on +get\n");
    let text = format!("user own on +get\ninclude {}\n", included.display());
    let path = folder.write("a.conf", &text);
    let mut config = load_file(&path).unwrap();
    rewrite(&config).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), text);

    let user = |line: &str| line.split(' ').map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>();
    config.users = vec![user("default off"), user("own on +set"), user("shared on +get")];
    rewrite(&config).unwrap();
    let mut reloaded = load_file(&path).unwrap().users;
    reloaded.sort();
    assert_eq!(reloaded, config.users);
    let good = fs::read_to_string(&path).unwrap();
    rewrite(&config).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), good);

    // Nothing that could be written there would change or remove it.
    for users in [vec![user("own on"), user("shared on +set")], vec![user("own on")]] {
        config.users = users;
        let error = rewrite(&config).unwrap_err().to_string();
        assert_eq!(error, "user 'shared' has changed, but is defined in an included file, which is not rewritten");
        assert_eq!(fs::read_to_string(&path).unwrap(), good);
    }
}

#[test]
fn rewrite_does_not_guess_what_an_included_file_says() {
    let folder = Folder::new();
    let included = folder.write("a.inc", "timeout 1\n");
    let text = format!("Include {}\n", included.display());
    let path = folder.write("a.conf", &text);
    let mut config = load_file(&path).unwrap();
    config.timeout = 7;
    fs::remove_file(&included).unwrap();
    let error = rewrite(&config).unwrap_err().to_string();
    assert!(error.starts_with("what the file includes is not known: Fatal error, can't open"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

/// Lines of a file and of those it includes; `DIR` stands for their folder.
const LINES: [&str; 16] = [
    "timeout 5",
    "timeout 6",
    "port 1",
    "save 900 1",
    "save 300 10 60 5",
    "save ''",
    "client-output-buffer-limit normal 1mb 0 0",
    "client-output-buffer-limit replica 3 2 1 pubsub 0 0 0",
    "replicaof localhost 6380",
    "replicaof no one",
    "dir DIR/sub",
    "dir DIR",
    "bind 127.0.0.1 -::1",
    "oom-score-adj-values 1 2 3",
    "latency-tracking-info-percentiles 1",
    "# a comment",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_rewritten_file_and_those_it_includes_give_the_values_in_use(
        main in lines(&["include a.inc", "include DIR/b.inc", "include DIR/sub/*.inc"]),
        included in prop::array::uniform4(lines(&["include DIR/c.inc"])),
        set in lines(&[]),
        all: bool,
    ) {
        let folder = Folder::new();
        fs::create_dir(folder.0.join("sub")).unwrap();
        let write = |name: &str, lines: &[&str]| {
            folder.write(name, &lines.join("\n").replace("DIR", folder.0.to_str().unwrap()))
        };
        for (name, lines) in ["a.inc", "b.inc", "sub/a.inc", "sub/b.inc"].iter().zip(&included) {
            write(name, lines);
        }
        folder.write("c.inc", "timeout 9\nsave 1 1\n");
        let path = write("a.conf", &[&["dir DIR"], &main[..]].concat());
        let mut config = load_file(&path).unwrap();
        for line in set {
            let line = line.replace("DIR", folder.0.to_str().unwrap());
            if let Some((name, value)) = line.split_once(' ') && let Some(directive) = lookup(name.as_bytes()) {
                let words: Vec<_> = value.split(' ').map(|word| word.trim_matches('\'').as_bytes().to_vec()).collect();
                config.set(directive, &words, Source::Command).unwrap();
            }
        }
        let rewrite = || if all { rewrite_all(&config, |_| true) } else { rewrite(&config) };
        rewrite().unwrap();
        assert_same(&load_file(&path).unwrap(), &config);
        let text = fs::read(&path).unwrap();
        rewrite().unwrap();
        prop_assert_eq!(fs::read(&path).unwrap(), text);
    }
}

fn lines(more: &[&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(prop::sample::select([&LINES[..], more].concat()), 0..8)
}
