//! Commands about the server.

use super::harness::*;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

#[test]
fn time() {
    let (_server, mut client) = server_and_client();
    let reply = client.ask("TIME");
    let parts: Vec<&str> = reply.lines().collect();
    let seconds: u64 = parts[2].parse().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!(now - seconds < 60 && parts[4].parse::<u32>().unwrap() < 1_000_000, "{reply}");
}

#[test]
fn command() {
    let (_server, mut client) = server_and_client();
    let count: usize = client.ask("COMMAND COUNT").trim_start_matches(':').trim_end().parse().unwrap();
    assert!(client.ask("COMMAND").starts_with(&format!("*{count}\r\n")));
    assert!(client.ask("COMMAND INFO").starts_with(&format!("*{count}\r\n")));
    let get = "$3 get :2 *2 +readonly +fast :1 :1 :1 *3 +@read +@string +@fast *0 *1 *6 $5 flags *2 +RO +access $12 begin_search *4 $4 type $5 index $4 spec *2 $5 index :1 $9 find_keys *4 $4 type $5 range $4 spec *6 $7 lastkey :0 $7 keystep :1 $5 limit :0 *0";
    client.check(&format!(
        "COMMAND INFO GET nosuch get|x client|id|x => *4 *10 {get} $-1 $-1 $-1
         COMMAND INFO client|id => *1 *10 $9 client|id :2 *3 +noscript +loading +stale :0 :0 :0 *2 +@slow +@connection *0 *0 *0
         COMMAND DOCS nosuch => *0
         COMMAND LIST what => -ERR_syntax_error
         COMMAND LIST FILTERBY PATTERN => -ERR_syntax_error
         COMMAND LIST FILTERBY what x => -ERR_syntax_error
         COMMAND LIST FILTERBY MODULE x => *0
         COMMAND LIST FILTERBY ACLCAT nosuch => *0
         COMMAND LIST FILTERBY PATTERN C?IENT|?D => *1 $9 client|id
         COMMAND LIST FILTERBY PATTERN config|re* => *2 $16 config|resetstat $14 config|rewrite"
    ));
    let dangerous = client.ask("COMMAND LIST FILTERBY ACLCAT dangerous");
    assert!(dangerous.contains("\r\nclient|kill\r\n") && !dangerous.contains("\r\nget\r\n"));
}

#[test]
fn keys_of_requests() {
    let (_server, mut client) = server_and_client();
    client.check(
        "COMMAND GETKEYS GET k => *1 $1 k
         COMMAND GETKEYS MSET a 1 b 2 => *2 $1 a $1 b
         COMMAND GETKEYS MEMORY USAGE k => *1 $1 k
         COMMAND GETKEYS LCS a b => *2 $1 a $1 b
         COMMAND GETKEYS PING => -ERR_The_command_has_no_key_arguments
         COMMAND GETKEYS NOSUCH k => -ERR_Invalid_command_specified
         COMMAND GETKEYS MEMORY NOSUCH => -ERR_Invalid_command_specified
         COMMAND GETKEYS GET a b => -ERR_Invalid_number_of_arguments_specified_for_command
         COMMAND GETKEYSANDFLAGS SET k v => *1 *2 $1 k *2 +OW +update
         COMMAND GETKEYSANDFLAGS SET k v GET => *1 *2 $1 k *3 +RW +access +update
         COMMAND GETKEYSANDFLAGS MSET a 1 b 2 => *2 *2 $1 a *2 +OW +update *2 $1 b *2 +OW +update",
    );
}

#[test]
fn config() {
    let (_server, mut client) = server_and_client();
    client.check(
        "CONFIG GET TIMEOUT => *2 $7 TIMEOUT $1 0
         CONFIG GET nosuch => *0
         CONFIG GET
         CONFIG SET timeout 5 hz 50 => +OK
         CONFIG GET timeout hz => *4 $7 timeout $1 5 $2 hz $2 50
         CONFIG SET timeout => -ERR_wrong_number_of_arguments_for_'config|set'_command
         CONFIG SET timeout 7 hz => -ERR_syntax_error
         CONFIG SET timeout 7 nosuch 1 => -ERR_Unknown_option_or_number_of_arguments_for_CONFIG_SET_-_'nosuch'
         CONFIG SET timeout 7 hz x => -ERR_CONFIG_SET_failed_(possibly_related_to_argument_'hz')_-_argument_couldn't_be_parsed_into_an_integer
         CONFIG SET timeout 7 timeout 8 => -ERR_CONFIG_SET_failed_(possibly_related_to_argument_'timeout')_-_duplicate_parameter
         CONFIG SET databases 3 => -ERR_CONFIG_SET_failed_(possibly_related_to_argument_'databases')_-_can't_set_immutable_config
         CONFIG GET timeout => *2 $7 timeout $1 5
         CONFIG REWRITE => -ERR_The_server_is_running_without_a_config_file
         CONFIG WHAT => -ERR_unknown_subcommand_'WHAT'._Try_CONFIG_HELP.
         HELLO 3
         CONFIG GET hz => %1 $2 hz $2 50",
    );
}

#[test]
fn config_that_cannot_be_applied_changes_nothing() {
    let server = Server::start(&["--enable-protected-configs", "yes"]);
    let mut client = server.connect();
    let used = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = used.local_addr().unwrap().port();
    client.check(&format!(
        "CONFIG SET bind 127.0.0.1 => +OK
         CONFIG SET timeout 5 port {port} hz 50 => -ERR_CONFIG_SET_failed_(possibly_related_to_argument_'port')_-_Unable_to_listen_on_this_port._Check_server_logs.
         CONFIG GET timeout port hz => *6 $7 timeout $1 0 $4 port $1 0 $2 hz $2 10
         CONFIG SET dir /no/such/folder => -ERR_CONFIG_SET_failed_(possibly_related_to_argument_'dir')_-_No_such_file_or_directory"
    ));
    server.connect().check("PING => +PONG");
}

#[test]
fn the_port_can_be_changed() {
    let (_server, mut client) = server_and_client();
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port()
    };
    client.check(&format!("CONFIG SET bind 127.0.0.1 port {port} => +OK"));
    std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    assert!(client.ask("INFO server").contains(&format!("listener0:name=tcp,bind=127.0.0.1,port={port}\r\n")));
}

#[test]
fn oom_score() {
    let (server, mut client) = server_and_client();
    let score = || {
        let text = std::fs::read_to_string(format!("/proc/{}/oom_score_adj", server.pid())).unwrap();
        text.trim().parse::<i32>().unwrap()
    };
    let before = score();
    let set = |mode: &str, values: &str| {
        let mut request = vec![b"CONFIG".as_slice(), b"SET", b"oom-score-adj", mode.as_bytes()];
        request.extend([b"oom-score-adj-values", values.as_bytes()]);
        assert_eq!(server.connect().ask_args(&request), "+OK\r\n");
    };
    set("no", "10 20 30");
    assert_eq!(score(), before);
    set("relative", "10 20 30");
    client.check("CONFIG GET oom-score-adj => *2 $13 oom-score-adj $3 yes");
    assert_eq!(score(), (before + 10).min(1000));
    client.check("REPLICAOF 127.0.0.1 1 => +OK");
    assert_eq!(score(), (before + 20).min(1000));
    client.check("REPLICAOF NO ONE => +OK");
    assert_eq!(score(), (before + 10).min(1000));
    set("absolute", "1000 20 30");
    assert_eq!(score(), 1000);
    set("no", "1000 20 30");
    assert_eq!(score(), before);
}

#[test]
fn no_cluster() {
    let (_server, mut client) = server_and_client();
    client.check(
        "CLUSTER INFO => -ERR_This_instance_has_cluster_support_disabled
         CLUSTER HELP => -ERR_This_instance_has_cluster_support_disabled
         CLUSTER MEET => -ERR_wrong_number_of_arguments_for_'cluster|meet'_command
         CLUSTER NOSUCH => -ERR_unknown_subcommand_'NOSUCH'._Try_CLUSTER_HELP.
         READONLY => -ERR_This_instance_has_cluster_support_disabled
         READWRITE => -ERR_This_instance_has_cluster_support_disabled
         ASKING => -ERR_This_instance_has_cluster_support_disabled",
    );
}

#[test]
fn config_rewrite() {
    let dir = std::env::temp_dir().join(format!("rondo-test-rewrite-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let file = dir.join("redis.conf");
    std::fs::write(&file, "# a comment\ntimeout 3\n").unwrap();
    let server = Server::start_in(dir, &["redis.conf"]);
    let mut client = server.connect();
    client.check(
        "CONFIG GET timeout => *2 $7 timeout $1 3
         CONFIG SET timeout 4 hz 20 => +OK
         CONFIG REWRITE => +OK",
    );
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("# a comment\ntimeout 4\n") && text.contains("\nhz 20\n"), "{text}");
    client.check("DEBUG CONFIG-REWRITE-FORCE-ALL => +OK");
    assert!(std::fs::read_to_string(&file).unwrap().contains("\nmaxclients 10000\n"));
}

fn info(client: &mut Client, sections: &str) -> String {
    let reply = client.ask(format!("INFO {sections}").trim_end());
    reply.split_once("\r\n").unwrap().1.to_owned()
}

fn titles(info: &str) -> Vec<&str> {
    info.lines().filter_map(|line| line.strip_prefix("# ")).collect()
}

#[test]
fn info_has_every_field_in_order() {
    let (_server, mut client) = server_and_client();
    let everything = info(&mut client, "everything");
    let lines = |text: &str| -> Vec<String> {
        // What commands and errors there were differs.
        let dynamic =
            |line: &str| ["cmdstat_", "latency_percentiles_", "errorstat_"].iter().any(|p| line.starts_with(p));
        let name = |line: &str| line.split(':').next().unwrap().trim().to_owned();
        text.lines().filter(|line| !dynamic(line)).map(name).filter(|name| name != "rondo_version").collect()
    };
    let expected = lines(include_str!("../data/redis-7.2.4-info-fields.txt"));
    let ours = lines(&everything);
    assert_eq!(
        ours.iter().filter(|l| !l.is_empty()).collect::<Vec<_>>(),
        expected.iter().filter(|l| !l.is_empty()).collect::<Vec<_>>()
    );
    assert!(everything.contains("redis_version:7.2.4\r\nrondo_version:"));
}

#[test]
fn info_sections() {
    let (_server, mut client) = server_and_client();
    let default = [
        "Server",
        "Clients",
        "Memory",
        "Persistence",
        "Stats",
        "Replication",
        "CPU",
        "Modules",
        "Errorstats",
        "Cluster",
        "Keyspace",
    ];
    for sections in ["", "default", "DEFAULT cpu"] {
        assert_eq!(titles(&info(&mut client, sections)), default, "{sections}");
    }
    let all = info(&mut client, "all");
    assert_eq!(titles(&all).len(), 13);
    assert_eq!(titles(&info(&mut client, "cluster CPU")), ["CPU", "Cluster"]);
    assert_eq!(titles(&info(&mut client, "cpu nosuch")), ["CPU"]);
    assert_eq!(client.ask("INFO nosuch"), "$0\r\n\r\n");
    assert_eq!(client.ask("INFO cluster"), "$30\r\n# Cluster\r\ncluster_enabled:0\r\n\r\n");
    assert!(info(&mut client, "debug").contains("eventloop_cmd_per_cycle_max:"));
}

#[test]
fn info_counts() {
    let (_server, mut client) = server_and_client();
    client.check(
        "CONFIG RESETSTAT => +OK
         SET k v => +OK
         SET l v PX 100000 => +OK
         GET k => $1 v
         GET nosuch => $-1
         GET a b => -ERR_wrong_number_of_arguments_for_'get'_command
         SELECT x
         NOSUCH
         SELECT 0",
    );
    let stats = info(&mut client, "commandstats errorstats latencystats keyspace stats");
    let has = |line: &str| assert!(stats.contains(line), "{line} in {stats}");
    has("\r\nkeyspace_hits:1\r\nkeyspace_misses:1\r\n");
    has("\r\ntotal_error_replies:3\r\n");
    has("\r\nerrorstat_ERR:count=3\r\n");
    has("\r\ncmdstat_config|resetstat:calls=1,");
    has("\r\ndb0:keys=2,expires=1,avg_ttl=");
    has("\r\nlatency_percentiles_usec_set:p50=");
    let line = |name: &str| stats.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(line("cmdstat_get:").ends_with(",rejected_calls=1,failed_calls=0"));
    assert!(line("cmdstat_get:").starts_with("cmdstat_get:calls=2,usec="));
    assert!(line("cmdstat_select:").ends_with(",rejected_calls=0,failed_calls=1"));
    client.check("CONFIG SET latency-tracking-info-percentiles 50.0_=> +OK".replace('_', " ").as_str());
    assert!(info(&mut client, "latencystats").contains("latency_percentiles_usec_get:p50="));
    assert!(!info(&mut client, "latencystats").contains(",p99="));
    client.check("CONFIG RESETSTAT => +OK");
    let stats = info(&mut client, "commandstats errorstats stats");
    assert!(!stats.contains("cmdstat_get:") && !stats.contains("errorstat_") && stats.contains("keyspace_hits:0\r\n"));
}

#[test]
fn shutdown() {
    let (mut server, mut client) = server_and_client();
    client.check(
        "SHUTDOWN what => -ERR_syntax_error
         SHUTDOWN SAVE NOSAVE => -ERR_syntax_error
         SHUTDOWN NOW ABORT => -ERR_syntax_error
         SHUTDOWN ABORT => -ERR_No_shutdown_in_progress.",
    );
    assert_eq!(client.until_closed(b"SHUTDOWN NOSAVE NOW FORCE\r\n"), "");
    assert!(server.wait().success());
}

#[test]
fn lolwut() {
    let (_server, mut client) = server_and_client();
    for command in ["LOLWUT", "LOLWUT VERSION 5 10 10", "LOLWUT what"] {
        assert!(client.ask(command).ends_with("Redis ver. 7.2.4\n\r\n"), "{command}");
    }
    client.check("LOLWUT VERSION x => -ERR_value_is_not_an_integer_or_out_of_range");
}

#[test]
fn memory() {
    let (_server, mut client) = server_and_client();
    client.check(
        "SET k v => +OK
         MEMORY USAGE nosuch => $-1
         MEMORY USAGE k SAMPLES => -ERR_syntax_error
         MEMORY USAGE k SAMPLES -1 => -ERR_syntax_error
         MEMORY USAGE k WHAT 1 => -ERR_syntax_error
         MEMORY PURGE => +OK
         MEMORY WHAT => -ERR_unknown_subcommand_'WHAT'._Try_MEMORY_HELP.",
    );
    let usage = |client: &mut Client, command: &str| {
        client.ask(command).trim_start_matches(':').trim_end().parse::<u32>().unwrap()
    };
    assert!((8..64).contains(&usage(&mut client, "MEMORY USAGE k")));
    client.ask_args(&[b"SET", b"large", &[b'x'; 10_000]]);
    assert!((10_000..13_000).contains(&usage(&mut client, "MEMORY USAGE large SAMPLES 0")));
    assert!(client.ask("MEMORY STATS").contains("$14\r\npeak.allocated\r\n:"));
    assert!(client.ask("MEMORY STATS").contains("$4\r\ndb.0\r\n*4\r\n$23\r\noverhead.hashtable.main\r\n:"));
    assert!(client.ask("MEMORY MALLOC-STATS").contains("jemalloc"));
    assert!(client.ask("MEMORY DOCTOR").starts_with('$'));
}

#[test]
fn module() {
    let (_server, mut client) = server_and_client();
    client.check(
        "MODULE LIST => *0
         MODULE LOAD /a.so => -ERR_Error_loading_the_extension._Please_check_the_server_logs.
         MODULE LOADEX /a.so ARGS x => -ERR_Error_loading_the_extension._Please_check_the_server_logs.
         MODULE UNLOAD a => -ERR_Error_unloading_module:_no_such_module_with_that_name",
    );
}

#[test]
fn debug_protocol() {
    let (_server, mut client) = server_and_client();
    client.check(
        "DEBUG PROTOCOL string => $11 Hello_World
         DEBUG PROTOCOL integer => :12345
         DEBUG PROTOCOL double => $5 3.141
         DEBUG PROTOCOL null => $-1
         DEBUG PROTOCOL array => *3 :0 :1 :2
         DEBUG PROTOCOL set => *3 :0 :1 :2
         DEBUG PROTOCOL map => *6 :0 :0 :1 :1 :2 :0
         DEBUG PROTOCOL attrib => $39 Some_real_reply_following_the_attribute
         DEBUG PROTOCOL push => -ERR_RESP2_is_not_supported_by_this_command
         DEBUG PROTOCOL true => :1
         DEBUG PROTOCOL false => :0
         DEBUG PROTOCOL bignum => $37 1234567999999999999999999999999999999
         HELLO 3
         DEBUG PROTOCOL double => ,3.141
         DEBUG PROTOCOL null => _
         DEBUG PROTOCOL set => ~3 :0 :1 :2
         DEBUG PROTOCOL map => %3 :0 #f :1 #t :2 #f
         DEBUG PROTOCOL true => #t
         DEBUG PROTOCOL false => #f
         DEBUG PROTOCOL bignum => (1234567999999999999999999999999999999
         DEBUG PROTOCOL push => >2 $16 server-cpu-usage :42",
    );
    assert_eq!(client.reply(), "$40\r\nSome real reply following the push reply\r\n");
    assert_eq!(client.ask("DEBUG PROTOCOL verbatim"), "=29\r\ntxt:This is a verbatim\nstring\r\n");
    client.send(b"DEBUG PROTOCOL attrib\r\n");
    assert_eq!(client.line(), "|1");
    assert_eq!(client.reply(), "$14\r\nkey-popularity\r\n");
    assert_eq!(client.reply(), "*2\r\n$7\r\nkey:123\r\n:90\r\n");
    assert_eq!(client.reply(), "$39\r\nSome real reply following the attribute\r\n");
}

#[test]
fn debug() {
    let (server, mut client) = server_and_client();
    client.check(
        "DEBUG WHAT => -ERR_unknown_subcommand_or_wrong_number_of_arguments_for_'WHAT'._Try_DEBUG_HELP.
         DEBUG SLEEP => -ERR_unknown_subcommand_or_wrong_number_of_arguments_for_'SLEEP'._Try_DEBUG_HELP.
         DEBUG ERROR CODE => -CODE
         DEBUG OBJECT nosuch => -ERR_no_such_key
         DEBUG HTSTATS x => -ERR_value_is_not_an_integer_or_out_of_range
         DEBUG HTSTATS 99 => -ERR_Out_of_range_database
         DEBUG POPULATE 3 => +OK
         GET key:2 => $7 value:2
         DEBUG POPULATE 2 p 3 => +OK
         GET p:1 => $3 val
         DBSIZE
         DEBUG LOG hello-log => +OK
         DEBUG SET-ACTIVE-EXPIRE 0 => +OK
         SET k v PX 1 => +OK",
    );
    assert!(server.log().contains("DEBUG LOG: hello-log"));
    assert!(client.ask("DEBUG OBJECT key:1").contains(" refcount:1 encoding:embstr lru:"));
    assert!(client.ask("DEBUG HTSTATS 0").contains("number of elements: 6"));
    let started = Instant::now();
    client.check("DEBUG SLEEP 0.2 => +OK");
    client.check(
        "DEBUG REPLYBUFFER RESIZING 0 => +OK
         DEBUG REPLYBUFFER RESIZING x => -ERR_value_is_not_an_integer_or_out_of_range
         DEBUG REPLYBUFFER SIZE 1 => -ERR_unknown_subcommand_or_wrong_number_of_arguments_for_'REPLYBUFFER'._Try_DEBUG_HELP.",
    );
    assert!(started.elapsed() >= Duration::from_millis(200));
    assert!(info(&mut client, "stats").contains("expired_keys:0\r\n"));
    client.check("DEBUG SET-ACTIVE-EXPIRE 1 => +OK");
    wait_until("the key expired", || info(&mut client, "stats").contains("expired_keys:1\r\n"));
}

#[test]
fn debug_digest() {
    let (_server, mut client) = server_and_client();
    let none = "0".repeat(40);
    client.check(&format!(
        "DEBUG DIGEST => +{none}
         DEBUG DIGEST-VALUE nosuch => *1 +{none}
         DEBUG DIGEST-VALUE => *0
         SET n 10
         HSET h a 1 b 2
         SET other x PX 100000"
    ));
    let before = client.ask("DEBUG DIGEST");
    let hash = client.ask("DEBUG DIGEST-VALUE h");
    // The same data by other ways, in other encodings.
    client.check(
        "FLUSHALL
         CONFIG SET hash-max-listpack-entries 0 => +OK
         HSET h b 2
         HSET h a 1
         SET other x PX 200000
         SET n 1
         APPEND n 0",
    );
    assert_eq!(client.ask("DEBUG DIGEST"), before);
    assert_eq!(client.ask("DEBUG DIGEST-VALUE h"), hash);
    client.check("PERSIST other => :1");
    assert_ne!(client.ask("DEBUG DIGEST"), before);
}

#[test]
fn debug_crashes() {
    let (mut server, mut client) = server_and_client();
    client.until_closed(b"DEBUG SEGFAULT\r\n");
    assert_eq!(server.wait().signal(), Some(libc::SIGSEGV));
    let (mut server, mut client) = server_and_client();
    client.until_closed(b"DEBUG PANIC\r\n");
    assert!(!server.wait().success());
}

#[test]
fn debug_only_if_allowed() {
    let server = Server::start(&["--enable-debug-command", "no"]);
    assert!(server.connect().ask("DEBUG SLEEP 0").starts_with("-ERR DEBUG command not allowed."));
    let server = Server::start(&["--enable-debug-command", "local"]);
    server.connect().check("DEBUG SLEEP 0 => +OK");
}

#[test]
fn systemd_hears_of_the_beginning_and_the_end() {
    let path = std::env::temp_dir().join(format!("rondo-test-notify-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let hear = || {
        let mut bytes = [0; 1000];
        let count = socket.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..count]).trim_end().to_owned()
    };
    let prefix = ["env".to_owned(), format!("NOTIFY_SOCKET={}", path.display())];
    let mut server = Server::start_through(&prefix, &["--supervised", "auto", "--daemonize", "yes"]);
    assert_eq!(hear(), "STATUS=Ready to accept connections\nREADY=1");
    assert_eq!(server.connect().info("process_supervised"), "systemd");
    server.connect().send(b"SHUTDOWN NOSAVE\r\n");
    assert_eq!(hear(), "STOPPING=1");
    assert!(server.wait().success());
    std::fs::remove_file(&path).unwrap();
}

/// A line of /proc that says something of a process or a thread.
fn status(path: &str, field: &str) -> String {
    let status = std::fs::read_to_string(path).unwrap();
    let value = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    value.unwrap().trim().to_owned()
}

#[test]
fn threads_and_children_run_where_they_are_told() {
    let allowed = status("/proc/self/status", "Cpus_allowed_list");
    let (Some(first), Some(last)) = (allowed.split(['-', ',']).next(), allowed.split(['-', ',']).next_back()) else {
        unreachable!("there is a processor");
    };
    let server = Server::start(&["--server_cpulist", first, "--bio_cpulist", last, "--bgsave_cpulist", last]);
    let runs_on = |task: &str| status(&format!("/proc/{task}/status"), "Cpus_allowed_list");
    assert_eq!(runs_on(&server.pid().to_string()), first);
    for task in std::fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap() {
        let task = task.unwrap().path();
        let name = std::fs::read_to_string(task.join("comm")).unwrap();
        if ["rondo-disk", "rondo-free"].contains(&name.trim()) {
            wait_until("a thread is where it belongs", || {
                status(task.join("status").to_str().unwrap(), "Cpus_allowed_list") == last
            });
        }
    }
    let mut client = server.connect();
    client.check("SET k v\n CONFIG SET rdb-key-save-delay 100000000 => +OK\n BGSAVE");
    let children = format!("/proc/{0}/task/{0}/children", server.pid());
    let child = std::fs::read_to_string(children).unwrap().trim().to_owned();
    wait_until("the child is where it belongs", || runs_on(&child) == last);
    // What makes no sense is said, and changes nothing.
    let server = Server::start(&["--server_cpulist", "one"]);
    assert_eq!(runs_on(&server.pid().to_string()), allowed);
    assert!(server.log().contains("no list of processors"));
}

#[test]
fn huge_pages_are_off() {
    for (given, is_enabled) in [("yes", "0"), ("no", "1")] {
        let server = Server::start(&["--disable-thp", given]);
        assert_eq!(status(&format!("/proc/{}/status", server.pid()), "THP_enabled"), is_enabled);
    }
}

#[test]
fn the_systems_log_gets_the_lines_as_well() {
    if unsafe { libc::geteuid() } != 0 {
        return eprintln!("skipped: not root");
    }
    // The C library looks for /dev/log, so the server gets a /dev of its own.
    let folder = new_folder();
    let socket = std::os::unix::net::UnixDatagram::bind(folder.join("log")).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let run = format!("mount --bind {} /dev && exec \"$@\"", folder.display());
    let prefix = ["unshare", "--mount", "sh", "-c", &run, "sh"].map(str::to_owned);
    let server = Server::start_through(
        &prefix,
        &["--syslog-enabled", "yes", "--syslog-ident", "cache", "--syslog-facility", "local3"],
    );
    let mut bytes = [0; 1000];
    let mut hear = |what: &str| loop {
        let count = socket.recv(&mut bytes).unwrap();
        let line = String::from_utf8_lossy(&bytes[..count]).into_owned();
        if line.contains(what) {
            break line;
        }
    };
    // Facility 19, severity 5: notice.
    let line = hear("Server initialized");
    assert!(line.starts_with("<157>") && line.contains(" cache["), "{line}");
    assert!(line.trim_end_matches(['\0', '\n']).ends_with("]: Server initialized"), "{line}");
    assert!(server.log().contains(" * Server initialized"));
}

#[test]
fn the_log_says_which_role_a_server_has() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let logs_as = |role: &str| {
        let lines = server.log();
        lines.lines().last().unwrap().starts_with(&format!("{}:{role} ", server.pid()))
    };
    client.check("DEBUG LOG one => +OK");
    assert!(logs_as("M"));
    client.check("REPLICAOF 127.0.0.1 1 => +OK\n DEBUG LOG two => +OK");
    assert!(logs_as("S"));
    client.check("REPLICAOF NO ONE => +OK\n DEBUG LOG three => +OK");
    assert!(logs_as("M"));
}
