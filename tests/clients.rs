//! What the tools and libraries that people use see of the server.

#[path = "wire/harness.rs"]
mod harness;

use harness::*;
use redis::{Commands, Connection, ErrorKind, ServerErrorKind, Value};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

// ---- the redis crate ----

fn connect(server: &Server, protocol: &str) -> Connection {
    let url = format!("redis+unix://{}?protocol={protocol}", server.socket().display());
    redis::Client::open(url).unwrap().get_connection().unwrap()
}

#[test]
fn library_on_both_protocols() {
    let server = Server::start(&[]);
    for protocol in ["resp2", "resp3"] {
        let mut connection = connect(&server, protocol);
        let _: () = redis::cmd("FLUSHALL").query(&mut connection).unwrap();
        strings(&mut connection);
        hashes(&mut connection);
        pipelines(&mut connection);
        scans(&mut connection);
        errors(&mut connection);
        let info: String = redis::cmd("CLIENT").arg("INFO").query(&mut connection).unwrap();
        assert!(info.contains(" lib-name=redis-rs lib-ver="), "{info}");
        assert!(info.contains(&format!(" resp={}", &protocol[4..])), "{info}");
    }
}

fn strings(connection: &mut Connection) {
    let options = redis::SetOptions::default()
        .conditional_set(redis::ExistenceCheck::NX)
        .with_expiration(redis::SetExpiry::EX(100));
    assert_eq!(connection.set_options("k", "value", options.clone()), Ok(Some("OK".to_owned())));
    assert_eq!(connection.set_options("k", "other", options), Ok(None::<String>));
    assert_eq!(connection.get("k"), Ok("value".to_owned()));
    assert_eq!(connection.get("missing"), Ok(None::<String>));
    let ttl: i64 = connection.ttl("k").unwrap();
    assert!((90..=100).contains(&ttl), "{ttl}");
    assert_eq!(connection.persist("k"), Ok(true));
    assert_eq!(connection.expire("k", 50), Ok(true));
    let binary: Vec<u8> = (0..=255).collect();
    let () = connection.set("binary", &binary).unwrap();
    assert_eq!(connection.get("binary"), Ok(binary));
    assert_eq!(connection.incr("n", 5), Ok(5));
    assert_eq!(connection.incr("f", 1.5), Ok(1.5));
    assert_eq!(connection.mget(&["n", "missing", "k"]), Ok((5, None::<i32>, "value".to_owned())));
    assert_eq!(connection.del(&["n", "f", "missing"]), Ok(2));
}

fn hashes(connection: &mut Connection) {
    let () = connection.hset_multiple("h", &[("a", 1), ("b", 2)]).unwrap();
    assert_eq!(connection.hincr("h", "a", 9), Ok(10));
    let all: HashMap<String, i32> = connection.hgetall("h").unwrap();
    assert_eq!(all, HashMap::from([("a".into(), 10), ("b".into(), 2)]));
    assert_eq!(connection.hexists("h", "a"), Ok(true));
    assert_eq!(connection.hget("h", "missing"), Ok(None::<i32>));
    let pairs: Vec<(String, i32)> = connection.hscan("h").unwrap().map(|pair| pair.unwrap()).collect();
    assert_eq!(pairs.into_iter().collect::<HashMap<_, _>>(), all);
}

fn pipelines(connection: &mut Connection) {
    let mut pipeline = redis::pipe();
    for i in 0..1000 {
        pipeline.set(format!("p:{i}"), i).ignore().get(format!("p:{i}"));
    }
    let values: Vec<i32> = pipeline.query(connection).unwrap();
    assert!(values.into_iter().eq(0..1000));
}

fn scans(connection: &mut Connection) {
    let mut keys: Vec<String> = connection.scan_match("p:*").unwrap().map(|key| key.unwrap()).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 1000);
}

fn errors(connection: &mut Connection) {
    let wrong_type = connection.incr::<_, _, i64>("h", 1).unwrap_err();
    assert_eq!(wrong_type.code(), Some("WRONGTYPE"));
    let not_a_number = connection.incr::<_, _, i64>("k", 1).unwrap_err();
    assert_eq!(not_a_number.kind(), ErrorKind::Server(ServerErrorKind::ResponseError));
    assert_eq!(not_a_number.detail(), Some("value is not an integer or out of range"));
    let unknown = redis::cmd("NOSUCH").query::<Value>(connection).unwrap_err();
    assert!(unknown.to_string().contains("unknown command 'NOSUCH'"), "{unknown}");
}

#[test]
fn library_with_a_password() {
    let server = Server::start(&["--requirepass", "secret"]);
    let open = |password: &str| {
        let url = format!("redis+unix://{}?protocol=resp3&db=3&pass={password}", server.socket().display());
        redis::Client::open(url).unwrap().get_connection()
    };
    assert_eq!(open("wrong").err().unwrap().code(), Some("WRONGPASS"));
    let mut connection = open("secret").unwrap();
    let () = redis::cmd("CLIENT").arg("SETNAME").arg("me").query(&mut connection).unwrap();
    let info: HashMap<String, Value> = redis::cmd("HELLO").query(&mut connection).unwrap();
    assert_eq!(info["proto"], Value::Int(3));
    let info: String = redis::cmd("CLIENT").arg("INFO").query(&mut connection).unwrap();
    assert!(info.contains(" name=me ") && info.contains(" db=3 "), "{info}");
}

// ---- redis-cli and redis-benchmark ----

/// A tool that talks to this server; None if it is not installed.
fn tool(server: &Server, name: &str, arguments: &[&str]) -> Option<Command> {
    if Command::new(name).arg("--version").output().is_err() {
        println!("skipped: there is no {name}");
        return None;
    }
    let mut command = Command::new(name);
    command.arg("-s").arg(server.socket()).args(arguments).stdin(Stdio::null());
    Some(command)
}

/// What redis-cli prints, which has to end well.
fn cli(server: &Server, arguments: &[&str]) -> Option<String> {
    cli_fed(server, arguments, b"")
}

/// As [`cli`], with this as its input.
fn cli_fed(server: &Server, arguments: &[&str], input: &[u8]) -> Option<String> {
    let mut command = tool(server, "redis-cli", arguments)?;
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    Some(text)
}

#[test]
fn cli_commands() {
    let server = Server::start(&[]);
    if cli(&server, &["PING"]).is_none() {
        return;
    }
    let cases: [(&[&str], &str); 8] = [
        (&["SET", "k", "a b"], "OK\n"),
        (&["GET", "k"], "a b\n"),
        (&["--no-raw", "GET", "k"], "\"a b\"\n"),
        (&["HSET", "h", "f", "1"], "1\n"),
        (&["--csv", "HGETALL", "h"], "\"f\",\"1\"\n"),
        (&["-3", "--no-raw", "HGETALL", "h"], "1# \"f\" => \"1\"\n"),
        (&["--json", "HGETALL", "h"], "{\"f\":\"1\"}\n"),
        (&["-n", "5", "DBSIZE"], "0\n"),
    ];
    for (arguments, expected) in cases {
        assert_eq!(cli(&server, arguments).unwrap(), expected, "{arguments:?}");
    }
    let typed = b"SET typed \"x\\ny\"\nGET typed\nSELECT 2\nINCR n\nGET\nhelp get\n";
    let answers = cli_fed(&server, &[], typed).unwrap();
    assert!(answers.starts_with("OK\nx\ny\nOK\n1\nERR wrong number of arguments for 'get' command\n"), "{answers}");
    assert!(answers.contains("summary:"), "{answers}");
}

#[test]
fn cli_mass_insertion() {
    let server = Server::start(&[]);
    let requests: Vec<u8> =
        (0..20_000).flat_map(|i| encode(&[b"SET", format!("key:{i}").as_bytes(), &[b'x'; 50]])).collect();
    let Some(text) = cli_fed(&server, &["--pipe"], &requests) else { return };
    assert!(text.ends_with("errors: 0, replies: 20000\n"), "{text}");
    assert_eq!(cli(&server, &["DBSIZE"]).unwrap(), "20000\n");
    let scanned = cli(&server, &["--scan", "--pattern", "key:1999?"]).unwrap();
    let mut keys: Vec<&str> = scanned.lines().collect();
    keys.sort();
    assert_eq!(keys, (19990..20000).map(|i| format!("key:{i}")).collect::<Vec<_>>());
}

#[test]
fn cli_looks_for_large_keys() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    client.ask_args(&[b"SET", b"large", &[b'x'; 5000]]);
    client.check("SET small 1 => +OK\nHSET h a 1 b 2 c 3 => :3");
    let Some(text) = cli(&server, &["--bigkeys"]) else { return };
    assert!(text.contains("Biggest string found '\"large\"' has 5000 bytes"), "{text}");
    assert!(text.contains("Biggest   hash found '\"h\"' has 3 fields"), "{text}");
    let text = cli(&server, &["--memkeys"]).unwrap();
    assert!(text.contains("Biggest string found '\"large\"'"), "{text}");
}

/// The first so many lines that redis-cli prints in a mode that does not end by itself.
fn first_lines(server: &Server, arguments: &[&str], count: usize) -> Option<Vec<String>> {
    let mut command = tool(server, "redis-cli", arguments)?;
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().take(count).map(|line| line.unwrap()).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    Some(lines)
}

#[test]
fn cli_watches_the_server() {
    let server = Server::start(&[]);
    server.connect().check("MSET a 1 b 2 c 3 => +OK");
    let Some(lines) = first_lines(&server, &["--stat", "-i", "0.05"], 4) else { return };
    for line in &lines[2..] {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert!(words.len() >= 7 && words[0] == "3" && words[1].ends_with(['K', 'M']), "{line}");
    }
    // Without a terminal it prints min, max, average and count after each interval.
    let lines = first_lines(&server, &["--latency", "--raw", "-i", "0.05"], 2).unwrap();
    assert!(lines[0].split_whitespace().count() >= 4, "{lines:?}");
}

/// What redis-benchmark prints, without the lines of progress.
fn benchmark(server: &Server, arguments: &[&str]) -> Option<String> {
    let output = tool(server, "redis-benchmark", arguments)?.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).replace('\r', "\n");
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    Some(text)
}

#[test]
fn benchmark_of_commands() {
    let server = Server::start(&[]);
    let arguments = ["-n", "2000", "-q", "-P", "16", "-t", "ping,set,get,incr,hset,mset"];
    let Some(text) = benchmark(&server, &arguments) else { return };
    assert!(!text.contains("rror"), "{text}");
    for name in ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "HSET", "MSET (10 keys)"] {
        let figure = text.lines().find(|line| line.starts_with(&format!("{name}: ")) && line.contains("per second"));
        assert!(figure.is_some(), "{name}: {text}");
    }
}
