//! Servers that follow each other, and what only pretends to be one of them.

use crate::harness::*;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;

/// A port that nobody listens on, below those that the system gives to connections.
pub fn free_port() -> u16 {
    loop {
        let port = 10_000 + (fast_random() % 20_000) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Random enough for ports.
pub fn fast_random() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

/// A server that others can follow.
pub struct Node {
    pub server: Server,
    pub port: u16,
}

impl Node {
    pub fn start(arguments: &[&str]) -> Node {
        let port = free_port();
        let port_text = port.to_string();
        let common = ["--port", &port_text, "--repl-diskless-sync-delay", "0"];
        let server = Server::start(&[&common[..], arguments].concat());
        Node { server, port }
    }

    /// The same again in the same place.
    pub fn restart(self, arguments: &[&str]) -> Node {
        let port = self.port;
        Node::start_in(self.server.terminate(), port, arguments)
    }

    pub fn restart_after_a_crash(self, arguments: &[&str]) -> Node {
        let port = self.port;
        Node::start_in(self.server.kill(), port, arguments)
    }

    pub fn start_in(dir: PathBuf, port: u16, arguments: &[&str]) -> Node {
        let port_text = port.to_string();
        let common = ["--port", &port_text, "--repl-diskless-sync-delay", "0"];
        Node { server: Server::start_in(dir, &[&common[..], arguments].concat()), port }
    }

    pub fn follow(&self, primary: &Node) {
        assert_eq!(self.connect().ask(&format!("REPLICAOF 127.0.0.1 {}", primary.port)), "+OK\r\n");
    }

    pub fn connect(&self) -> Client {
        self.server.connect()
    }

    pub fn info(&self, field: &str) -> String {
        self.connect().info(field)
    }

    pub fn digest(&self) -> String {
        self.connect().ask("DEBUG DIGEST")
    }

    pub fn wait_for_link(&self) {
        wait_until("the link is up", || self.connect().ask("INFO replication").contains("master_link_status:up"));
    }
}

/// Waits until the replicas have the data of the primary, where keys may still be expiring.
pub fn wait_until_equal(primary: &Node, replicas: &[&Node]) {
    wait_for_sync(primary, replicas);
    for replica in replicas {
        wait_until("the data are the same", || replica.digest() == primary.digest());
    }
}

/// Waits until the replicas have applied all that the primary has done.
pub fn wait_for_sync(primary: &Node, replicas: &[&Node]) {
    for replica in replicas {
        replica.wait_for_link();
    }
    wait_until("the replicas are known to be there", || {
        primary.connect().ask("INFO replication").matches("state=online").count()
            >= replicas.iter().filter(|replica| follows(replica, primary)).count()
    });
    wait_until("the offsets are the same", || {
        let offset = primary.info("master_repl_offset");
        replicas.iter().all(|replica| replica.info("slave_repl_offset") == offset)
    });
}

/// Whether a replica follows this primary itself.
fn follows(replica: &Node, primary: &Node) -> bool {
    replica.info("master_port") == primary.port.to_string()
}

/// Writes of every type, some of them random or relative to the time.
pub fn write_some(client: &mut Client, round: usize) {
    for i in 0..20 {
        let n = round * 20 + i;
        for command in [
            format!("SET s{i} {n}"),
            format!("SET e{i} {n} PX 1000000"),
            format!("APPEND a{} xy", i % 3),
            format!("RPUSH l{i} {n} {}", n + 1),
            format!("LPOP l{}", (i + 3) % 20),
            format!("SADD t{i} {n} m{}", n % 7),
            format!("SPOP t{}", (i + 1) % 20),
            format!("HSET h{i} f{} {n}", n % 9),
            format!("ZADD z{i} {n}.5 m{}", n % 30),
            format!("XADD x{} MAXLEN ~ 50 * i {n}", i % 3),
            format!("PFADD p {n}"),
            format!("SELECT {}", i % 2),
            format!("GETEX s{i} EX 99999"),
        ] {
            client.ask(&command);
        }
        client.ask("MULTI");
        client.ask("INCR m1");
        client.ask("INCR m2");
        client.ask("EXEC");
    }
    client.ask("SELECT 0");
}

/// A raw connection that was served as a replica is: it has got its data set and is online.
pub fn pretend_replica(primary: &Node) -> Client {
    let mut replica = primary.connect();
    replica.check("REPLCONF capa eof capa psync2 => +OK\nREPLCONF version 7.2.4 => +OK");
    replica.send(b"PSYNC ? -1\r\n");
    assert!(replica.line().starts_with("+FULLRESYNC "));
    let mut header = replica.line();
    while header.is_empty() {
        header = replica.line();
    }
    let mark = header.strip_prefix("$EOF:").expect("a data set of unknown length").to_owned();
    replica.read_until_ends_with(mark.as_bytes());
    replica.send(b"REPLCONF ACK 0\r\n");
    replica
}

/// The next command of the stream but for PING, which may come at any time.
pub fn next_command(replica: &mut Client) -> String {
    loop {
        let request = replica.reply();
        let words: Vec<&str> = request.lines().filter(|line| !line.starts_with(['*', '$'])).collect();
        if words != ["PING"] {
            return words.join(" ");
        }
    }
}

/// What says that it is a primary.
pub struct PretendPrimary(TcpListener);

/// A replica's connection to it, which has asked for the stream.
pub struct Request {
    stream: BufReader<TcpStream>,
    /// The arguments of its PSYNC.
    pub from: String,
}

impl PretendPrimary {
    pub fn new() -> PretendPrimary {
        PretendPrimary(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    pub fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// The next replica that asks for something.
    pub fn request(&self) -> Request {
        let (stream, _) = self.0.accept().unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut request = Request { stream: BufReader::new(stream), from: String::new() };
        loop {
            let words = request.read();
            match words.first().map(String::as_str) {
                Some("PING") => request.send(b"+PONG\r\n"),
                Some("PSYNC") => {
                    request.from = words[1..].join(" ");
                    return request;
                }
                Some(_) => request.send(b"+OK\r\n"),
                None => panic!("the replica went away"),
            }
        }
    }
}

impl Request {
    /// The words of a command; none at the end.
    fn read(&mut self) -> Vec<String> {
        let Some(count) = self.number('*') else { return Vec::new() };
        let mut words = Vec::new();
        for _ in 0..count {
            let mut word = vec![0; self.number('$').unwrap() + 2];
            self.stream.read_exact(&mut word).unwrap();
            words.push(String::from_utf8_lossy(&word).trim_end().to_owned());
        }
        words
    }

    fn number(&mut self, kind: char) -> Option<usize> {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.strip_prefix(kind)?.trim_end().parse().ok()
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).unwrap();
    }
}
