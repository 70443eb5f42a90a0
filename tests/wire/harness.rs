//! Starts servers and talks to them, to the byte.
#![allow(dead_code)]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How long anything may take before a test fails: generous, for machines are busy.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// A server in a folder of its own, listening on a unix socket there. Both go when it is dropped.
pub struct Server {
    child: Child,
    pub dir: PathBuf,
    keep_dir: bool,
}

impl Server {
    /// Starts a server with these further arguments.
    pub fn start(arguments: &[&str]) -> Server {
        Server::start_in(new_folder(), arguments)
    }

    /// Starts a server in an existing folder, and waits until it has loaded what is there. The first
    /// argument may be a configuration file.
    pub fn start_in(dir: PathBuf, arguments: &[&str]) -> Server {
        let server = Server::start_loading(dir, arguments);
        server.wait_until_loaded();
        server
    }

    /// Starts a server by another command, such as one that changes what it sees of the network.
    pub fn start_through(prefix: &[String], arguments: &[&str]) -> Server {
        let server = Server::spawn(prefix, new_folder(), arguments);
        server.wait_until_loaded();
        server
    }

    fn wait_until_loaded(&self) {
        wait_until("the data set is loaded", || {
            // It has gone before the test begins to count clients.
            !self.connect().until_closed(b"PING\r\nQUIT\r\n").starts_with("-LOADING")
        });
    }

    /// As [`Self::start_in`], but only waits until it listens.
    pub fn start_loading(dir: PathBuf, arguments: &[&str]) -> Server {
        Server::spawn(&[], dir, arguments)
    }

    fn spawn(prefix: &[String], dir: PathBuf, arguments: &[&str]) -> Server {
        let is_file = arguments.first().is_some_and(|argument| !argument.starts_with('-'));
        let (file, arguments) = arguments.split_at(is_file as usize);
        let binary = env!("CARGO_BIN_EXE_rondo").to_owned();
        let mut command = prefix.iter().chain([&binary]);
        let child = Command::new(command.next().expect("there is the binary at least"))
            .args(command)
            .args(file)
            .args(["--port", "0", "--unixsocket", "sock", "--logfile", "log", "--enable-debug-command", "yes", "--dir"])
            .arg(&dir)
            .args(arguments)
            .current_dir(&dir)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let server = Server { child, dir, keep_dir: false };
        wait_until("the server listens", || server.try_connect().is_ok());
        server
    }

    fn try_connect(&self) -> std::io::Result<Client> {
        Client::connect(&self.socket())
    }

    pub fn connect(&self) -> Client {
        self.try_connect().expect("the server accepts connections")
    }

    /// The path of its unix socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.join("sock")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// Waits until it has ended.
    pub fn wait(&mut self) -> std::process::ExitStatus {
        let mut status = None;
        wait_until("the server ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// Kills it at once and gives its folder.
    pub fn kill(mut self) -> PathBuf {
        self.keep_dir = true;
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.dir.clone()
    }

    /// Asks it to end with SIGTERM, waits until it has, and gives its folder.
    pub fn terminate(mut self) -> PathBuf {
        self.keep_dir = true;
        let _ = Command::new("kill").arg(self.pid().to_string()).status();
        wait_until("the server ends", || matches!(self.child.try_wait(), Ok(Some(_))));
        self.dir.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !self.keep_dir {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

/// An empty folder. What is started in it removes it.
pub fn new_folder() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let dir = std::env::temp_dir().join(format!("rondo-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed)));
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

/// Redis itself, to see that both read each other's files; None if it is not installed.
pub struct Redis(Child, PathBuf);

impl Redis {
    /// Starts it in an existing folder with these further arguments.
    pub fn start(dir: &Path, arguments: &[&str]) -> Option<Redis> {
        Redis::start_binary("redis-server", dir, arguments)
    }

    /// Other servers of its kind: the paths in the environment variable RONDO_PEERS, with `:` between them.
    pub fn peers() -> Vec<String> {
        let peers = std::env::var("RONDO_PEERS").unwrap_or_default();
        let peers: Vec<String> = peers.split(':').filter(|path| !path.is_empty()).map(str::to_owned).collect();
        if peers.is_empty() {
            println!("skipped: RONDO_PEERS names no servers");
        }
        peers
    }

    pub fn start_binary(binary: &str, dir: &Path, arguments: &[&str]) -> Option<Redis> {
        let socket = dir.join("redis-sock");
        let _ = std::fs::remove_file(&socket);
        let started = Command::new(binary)
            .args(["--port", "0", "--save", "", "--enable-debug-command", "yes", "--unixsocket"])
            .arg(&socket)
            .arg("--dir")
            .arg(dir)
            .args(arguments)
            .stdout(Stdio::null())
            .spawn();
        let Ok(child) = started else {
            println!("skipped: there is no {binary}");
            return None;
        };
        wait_until("the other server answers", || {
            Client::connect(&socket).is_ok_and(|mut client| client.ask("PING") == "+PONG\r\n")
        });
        Some(Redis(child, socket))
    }

    pub fn connect(&self) -> Client {
        Client::connect(&self.1).unwrap()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether strace is there; a test that needs it is skipped otherwise.
pub fn can_trace() -> bool {
    let traced = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    let can = traced.is_ok_and(|status| status.success());
    if !can {
        println!("skipped: strace is not installed, or may not trace");
    }
    can
}

/// Waits for a condition; fails after the deadline.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < end, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A raw connection.
pub struct Client {
    stream: UnixStream,
    reader: BufReader<UnixStream>,
}

impl Client {
    /// Connects to whatever server listens on a unix socket.
    pub fn connect(socket: &Path) -> std::io::Result<Client> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        Ok(Client { reader: BufReader::new(stream.try_clone()?), stream })
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// As [`Self::send`], but it does not matter if the server closes meanwhile.
    pub fn send_as_far_as_possible(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// One line without its end.
    pub fn line(&mut self) -> String {
        let mut line = Vec::new();
        self.reader.read_until(b'\n', &mut line).unwrap();
        String::from_utf8_lossy(line.strip_suffix(b"\r\n").unwrap_or(&line)).into_owned()
    }

    /// Sends a command, words separated by spaces, and gives its reply as it came over the wire.
    pub fn ask(&mut self, command: &str) -> String {
        self.ask_args(&command.split(' ').map(str::as_bytes).collect::<Vec<_>>())
    }

    pub fn ask_args(&mut self, arguments: &[&[u8]]) -> String {
        self.send(&encode(arguments));
        self.reply()
    }

    /// The next reply, whole, as it came over the wire.
    pub fn reply(&mut self) -> String {
        String::from_utf8_lossy(&self.reply_bytes()).into_owned()
    }

    pub fn reply_bytes(&mut self) -> Vec<u8> {
        let mut reply = Vec::new();
        self.read_reply(&mut reply);
        reply
    }

    fn read_reply(&mut self, reply: &mut Vec<u8>) {
        let start = reply.len();
        self.reader.read_until(b'\n', reply).unwrap();
        let line = String::from_utf8_lossy(&reply[start..]).into_owned();
        assert!(line.ends_with("\r\n"), "the connection was closed after {line:?}");
        let number = || line[1..line.len() - 2].parse::<i64>().unwrap();
        match line.as_bytes()[0] {
            b'$' | b'=' | b'!' if number() >= 0 => {
                let at = reply.len();
                reply.resize(at + number() as usize + 2, 0);
                self.reader.read_exact(&mut reply[at..]).unwrap();
            }
            b'*' | b'~' | b'>' => (0..number()).for_each(|_| self.read_reply(reply)),
            b'%' => (0..2 * number()).for_each(|_| self.read_reply(reply)),
            _ => (),
        }
    }

    /// Tells the server that nothing more will be sent, while reading on.
    pub fn half_close(&mut self) {
        self.stream.shutdown(std::net::Shutdown::Write).unwrap();
    }

    /// Sends bytes as they are and gives all that comes back until the server closes.
    pub fn until_closed(&mut self, bytes: &[u8]) -> String {
        self.send(bytes);
        let mut all = Vec::new();
        let _ = self.reader.read_to_end(&mut all);
        String::from_utf8_lossy(&all).into_owned()
    }

    /// Reads until the bytes read end with these.
    pub fn read_until_ends_with(&mut self, end: &[u8]) {
        let (mut read, mut byte) = (Vec::new(), [0]);
        while !read.ends_with(end) {
            self.reader.read_exact(&mut byte).unwrap();
            read.push(byte[0]);
        }
    }

    /// A field of INFO.
    pub fn info(&mut self, field: &str) -> String {
        let info = self.ask("INFO everything");
        let value = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        value.unwrap_or_else(|| panic!("no {field} in INFO")).to_owned()
    }

    /// Waits until no child writes a snapshot or a rewrite, and none is to.
    pub fn wait_for_child(&mut self) {
        wait_until("no child is at work", || {
            let info = self.ask("INFO persistence");
            ["rdb_bgsave_in_progress:0\r", "aof_rewrite_in_progress:0\r", "aof_rewrite_scheduled:0\r"]
                .iter()
                .all(|line| info.contains(line))
        });
    }

    /// Runs a script of lines `command` and `=> reply` pairs; see [`check`].
    pub fn check(&mut self, script: &str) {
        check(self, script);
    }
}

pub fn encode(arguments: &[&[u8]]) -> Vec<u8> {
    let mut request = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments {
        request.extend(format!("${}\r\n", argument.len()).bytes());
        request.extend_from_slice(argument);
        request.extend(b"\r\n");
    }
    request
}

/// Runs a script: each line is a command, then `=>`, then its reply byte for byte, where a blank
/// stands for `\r\n` and `_` within it for a blank. `SET k v => +OK`, `GET k => $1 v`,
/// `GET missing => $-1`. A line without `=>` is a command whose reply does not matter.
pub fn check(client: &mut Client, script: &str) {
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.split_once("=>") {
            None => drop(client.ask(line)),
            Some((command, expected)) => {
                let reply = client.ask(command.trim_end());
                let shown = reply.strip_suffix("\r\n").unwrap_or(&reply).replace(' ', "_").replace("\r\n", " ");
                assert_eq!(shown, expected.trim(), "reply to {command}");
            }
        }
    }
}

/// A running server and a connection to it, for a test that needs no more.
pub fn server_and_client() -> (Server, Client) {
    let server = Server::start(&[]);
    let client = server.connect();
    (server, client)
}

/// Sets `prefix:0`, `prefix:1`, ... to their numbers until the server is gone or enough were set;
/// counts what was acknowledged.
pub fn write_numbers(socket: &Path, prefix: &str, count: usize, acknowledged: &AtomicUsize) {
    const PIPELINED: usize = 8;
    let mut stream = UnixStream::connect(socket).unwrap();
    let mut replies = BufReader::new(stream.try_clone().unwrap());
    for i in (0..count).step_by(PIPELINED) {
        let requests: Vec<u8> = (i..i + PIPELINED)
            .flat_map(|i| encode(&[b"SET", format!("{prefix}:{i}").as_bytes(), i.to_string().as_bytes()]))
            .collect();
        if stream.write_all(&requests).is_err() {
            return;
        }
        for _ in 0..PIPELINED {
            let mut line = String::new();
            match replies.read_line(&mut line) {
                Ok(_) if line == "+OK\r\n" => acknowledged.fetch_add(1, Relaxed),
                _ => return,
            };
        }
    }
}

/// Asserts that [`write_numbers`] set so many.
pub fn assert_numbers(client: &mut Client, prefix: &str, count: usize) {
    for i in 0..count {
        let value = i.to_string();
        let expected = format!("${}\r\n{value}\r\n", value.len());
        assert_eq!(client.ask(&format!("GET {prefix}:{i}")), expected, "{prefix}:{i} of {count}");
    }
}

// ---- snapshots ----

pub fn files_below(dir: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(dir).map_or(Vec::new(), |entries| {
        entries
            .flatten()
            .flat_map(|entry| if entry.path().is_dir() { files_below(&entry.path()) } else { vec![entry.path()] })
            .collect()
    })
}

/// A small file system mounted on a folder.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None where file systems cannot be mounted.
    pub fn mount(folder: &Path) -> Option<SmallDisk> {
        if !mount(&["-t", "tmpfs", "-o", "size=1m", "tmpfs"], folder) {
            println!("skipped: a file system cannot be mounted here");
            return None;
        }
        Some(SmallDisk(folder.to_owned()))
    }

    pub fn grow(&self) {
        assert!(mount(&["-o", "remount,size=8m"], &self.0));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn mount(arguments: &[&str], folder: &Path) -> bool {
    let status = Command::new("mount").args(arguments).arg(folder).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
