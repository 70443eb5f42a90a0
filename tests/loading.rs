//! What clients see while the data set is loaded, and how loading ends.

#[path = "wire/harness.rs"]
mod harness;

use harness::*;
use std::path::PathBuf;

const LOADING: &str = "-LOADING Redis is loading the dataset in memory\r\n";
/// So slow that a test can look on.
const SLOWLY: [&str; 4] = ["--key-load-delay", "30000", "--loading-process-events-interval-bytes", "1024"];
const KEYS: u64 = 1000;

/// A folder with a snapshot, or an append-only file, of `KEYS` keys and a large hash.
fn folder(arguments: &[&str]) -> PathBuf {
    let server = Server::start(&[&["--rdbcompression", "no"], arguments].concat());
    let mut client = server.connect();
    for i in 0..KEYS {
        client.ask(&format!("SET key:{i} {}", "value".repeat(40)));
        client.ask(&format!("HSET hash field:{i} value:{i}"));
    }
    client.check("SET written yes => +OK\nSAVE => +OK");
    let dir = server.terminate();
    std::fs::remove_file(dir.join("log")).unwrap();
    dir
}

fn number(client: &mut Client, field: &str) -> f64 {
    client.info(field).parse().unwrap_or_else(|_| panic!("{field} is no number"))
}

/// Waits until some of it is loaded.
fn wait_for_progress(client: &mut Client) {
    wait_until("some is loaded", || {
        assert_eq!(client.info("loading"), "1");
        number(client, "loading_loaded_bytes") > 1024.0
    });
}

#[test]
fn clients_are_served_while_the_snapshot_is_loaded() {
    let server = Server::start_loading(folder(&[]), &SLOWLY);
    let mut client = server.connect();
    wait_for_progress(&mut client);
    for refused in [
        "PING",
        "GET key:1",
        "SET a b",
        "DBSIZE",
        "SAVE",
        "FLUSHALL",
        "DEBUG RELOAD",
        "DEBUG LOADAOF",
        "CONFIG SET appendonly yes",
    ] {
        assert_eq!(client.ask(refused), LOADING, "{refused}");
    }
    client.check("CONFIG GET key-load-delay => *2 $14 key-load-delay $5 30000\nECHO x => $1 x\nSELECT 1 => +OK");
    let (total, loaded) = (number(&mut client, "loading_total_bytes"), number(&mut client, "loading_loaded_bytes"));
    assert_eq!(total, std::fs::metadata(server.dir.join("dump.rdb")).unwrap().len() as f64);
    assert!(loaded < total);
    let percent = number(&mut client, "loading_loaded_perc");
    assert!(percent >= loaded * 100.0 / total - 0.01 && percent < 100.0, "{percent}");
    assert!(number(&mut client, "loading_start_time") > 1e9);
    assert!(number(&mut client, "loading_rdb_used_mem") > 1e5);
    assert!(number(&mut client, "loading_eta_seconds") > 0.0);
    assert!(!server.log().contains("Ready to accept connections"));
    client.check("CONFIG SET key-load-delay 0 => +OK");
    wait_until("all is loaded", || client.info("loading") == "0");
    assert!(!client.ask("INFO persistence").contains("loading_"));
    client.check(&format!(
        "SELECT 0 => +OK\nDBSIZE => :{}\nHLEN hash => :{KEYS}\nHGET hash field:7 => $7 value:7",
        KEYS + 2
    ));
    assert!(server.log().contains("Ready to accept connections"));
}

#[test]
fn clients_are_served_while_the_append_only_file_is_loaded() {
    for preamble in ["yes", "no"] {
        let on = ["--appendonly", "yes", "--rdbcompression", "no", "--aof-use-rdb-preamble", preamble];
        let dir = folder(&on);
        {
            // So that a base is there, and commands follow.
            let server = Server::start_in(dir.clone(), &on);
            let mut client = server.connect();
            client.check("BGREWRITEAOF => +Background_append_only_file_rewriting_started");
            client.wait_for_child();
            client.check("SELECT 3 => +OK\nSET after rewrite => +OK");
            let _ = server.terminate();
        }
        let slowly = if preamble == "yes" { &SLOWLY[..] } else { &SLOWLY[2..] };
        let server = Server::start_loading(dir, &[&on[..], slowly].concat());
        let mut client = server.connect();
        if preamble == "yes" {
            wait_for_progress(&mut client);
            // What is counted is what clients do.
            assert!(client.ask("INFO commandstats").lines().all(|line| !line.starts_with("cmdstat_hset")));
            assert!(!client.ask("CLIENT LIST").contains("id=1 "));
            client.check("CONFIG SET key-load-delay 0 => +OK");
        }
        wait_until("all is loaded", || client.info("loading") == "0");
        client
            .check(&format!("DBSIZE => :{}\nHLEN hash => :{KEYS}\nSELECT 3 => +OK\nGET after => $7 rewrite", KEYS + 2));
        client.check("SET new value => +OK");
        assert!(client.ask("INFO commandstats").contains("cmdstat_set:calls=1,"));
        let server = Server::start_in(server.terminate(), &on);
        server.connect().check("SELECT 3 => +OK\nGET new => $5 value");
    }
}

#[test]
fn whoever_ends_the_server_meanwhile_loses_nothing() {
    let mut dir = folder(&[]);
    let before = std::fs::read(dir.join("dump.rdb")).unwrap();
    for command in ["SHUTDOWN", "SHUTDOWN SAVE", "SIGTERM"] {
        let server = Server::start_loading(dir, &[&SLOWLY[..], &["--save", "1 1"]].concat());
        let mut client = server.connect();
        wait_for_progress(&mut client);
        if command != "SIGTERM" {
            client.send(&encode(&command.split(' ').map(str::as_bytes).collect::<Vec<_>>()));
        }
        dir = server.terminate();
        assert!(std::fs::read(dir.join("dump.rdb")).unwrap() == before, "{command}");
    }
    let server = Server::start_in(dir, &[]);
    server.connect().check(&format!("DBSIZE => :{}", KEYS + 2));
}

#[test]
fn a_file_that_turns_out_broken_ends_the_server() {
    let dir = folder(&[]);
    let path = dir.join("dump.rdb");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.truncate(bytes.len() / 2);
    std::fs::write(&path, &bytes).unwrap();
    let mut server = Server::start_loading(dir, &SLOWLY);
    server.connect().check("CONFIG SET key-load-delay 0 => +OK");
    assert_eq!(server.wait().code(), Some(1));
    let log = server.log();
    assert!(
        log.contains("unexpected end at offset") && log.contains("Terminating server after rdb file reading failure")
    );
    assert!(std::fs::read(&path).unwrap() == bytes);
}
