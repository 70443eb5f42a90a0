//! The protocol's limits and errors, and the loop: fairness, slow readers, limits of clients.

use super::harness::*;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};

/// One field of INFO.
fn info(client: &mut Client, field: &str) -> String {
    let all = client.ask("INFO everything");
    let line = all.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {field} in {all}")).to_owned()
}

// ---- protocol errors ----

#[test]
fn protocol_errors_close_the_connection() {
    let server = Server::start(&[]);
    let digits = "1".repeat(64 * 1024);
    let cases = [
        ("*x\r\n", "invalid multibulk length"),
        ("*\r\n", "invalid multibulk length"),
        ("*+1\r\n", "invalid multibulk length"),
        ("*01\r\n", "invalid multibulk length"),
        ("*2147483648\r\n", "invalid multibulk length"),
        ("*20000000000000000000\r\n", "invalid multibulk length"),
        ("*1\r\nPING\r\n", "expected '$', got 'P'"),
        ("*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n", "expected '$', got 'f'"),
        // Line ends in errors are shown as blanks.
        ("*1\r\n\r\n", "expected '$', got ' '"),
        ("*1\r\n$-10\r\n", "invalid bulk length"),
        ("*1\r\n$x\r\n", "invalid bulk length"),
        ("*1\r\n$2000000000\r\n", "invalid bulk length"),
        ("SET \"x\r\n", "unbalanced quotes in request"),
        ("SET 'x'y\r\n", "unbalanced quotes in request"),
        (&format!("*{digits}"), "too big mbulk count string"),
        (&format!("*1\r\n${digits}"), "too big bulk count string"),
        (&format!("{digits}1"), "too big inline request"),
    ];
    for (request, error) in cases {
        let error = format!("-ERR Protocol error: {error}\r\n");
        let shown = &request[..request.len().min(40)];
        assert_eq!(server.connect().until_closed(request.as_bytes()), error, "{shown:?}");
        if !request.ends_with('\n') {
            continue;
        }
        // What came before is answered; what comes after is not.
        let around = format!("PING\r\n{request}PING\r\n");
        let answer = server.connect().until_closed(around.as_bytes());
        assert_eq!(answer, format!("+PONG\r\n{error}"), "{shown:?}");
    }
}

#[test]
fn requests_for_nothing_are_passed_over() {
    let (_server, mut client) = server_and_client();
    client.send(b"\r\n\n*0\r\n*-10\r\n   \r\nPING\r\n");
    assert_eq!(client.reply(), "+PONG\r\n");
}

#[test]
fn requests_in_single_bytes() {
    let (_server, mut client) = server_and_client();
    for byte in b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$6\r\n\r\n$1\r\n\r\nGET k\r\n" {
        client.send(&[*byte]);
    }
    assert_eq!(client.reply(), "+OK\r\n");
    assert_eq!(client.reply(), "$6\r\n\r\n$1\r\n\r\n");
}

#[test]
fn limits_before_authentication() {
    let server = Server::start(&["--requirepass", "secret"]);
    let error = |text: &str| format!("-ERR Protocol error: {text}\r\n");
    let too_many = server.connect().until_closed(b"*11\r\n");
    assert_eq!(too_many, error("unauthenticated multibulk length"));
    let too_long = server.connect().until_closed(b"*2\r\n$4\r\nAUTH\r\n$16385\r\n");
    assert_eq!(too_long, error("unauthenticated bulk length"));
    // Authentication lifts them for what follows in the same breath.
    let mut client = server.connect();
    let long = vec![b'x'; 20_000];
    client.send(&[encode(&[b"AUTH", b"secret"]), encode(&[b"SET", b"k", &long])].concat());
    assert_eq!(client.reply() + &client.reply(), "+OK\r\n+OK\r\n");
}

#[test]
fn query_buffer_limit() {
    let server = Server::start(&["--client-query-buffer-limit", "1mb"]);
    let mut stream = UnixStream::connect(server.socket()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    // The server closes while this is being sent.
    let _ = stream.write_all(&encode(&[b"ECHO", &vec![b'x'; 4_000_000]]));
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert_eq!(answer, b"");
    assert!(server.log().contains("Closing client that reached max query buffer length"));
}

// ---- the loop ----

#[test]
fn a_client_with_much_input_does_not_starve_others() {
    const REQUESTS: usize = 500_000;
    let server = Server::start(&[]);
    let mut busy = server.connect();
    let mut other = server.connect();
    let mut seen = Vec::new();
    std::thread::scope(|scope| {
        let requests = encode(&[b"INCR", b"n"]).repeat(REQUESTS);
        scope.spawn(move || busy.until_closed(&[&requests[..], b"QUIT\r\n"].concat()));
        wait_until("all requests ran", || {
            seen.push(other.ask("GET n"));
            seen.last().unwrap() == &format!("$6\r\n{REQUESTS}\r\n")
        });
    });
    seen.dedup();
    // The other one was served in between, not only before and after.
    assert!(seen.len() > 4, "{seen:?}");
}

#[test]
fn a_slow_reader_gets_every_byte_as_it_was() {
    let (server, mut client) = server_and_client();
    let value = |n: usize| -> Vec<u8> { (0..1 << 20).map(|i| (i * 7 + i / 251 + n * 13) as u8).collect() };
    let (mut requests, mut expected) = (Vec::new(), Vec::new());
    for n in 0..8 {
        let key = format!("v{n}");
        assert_eq!(client.ask_args(&[b"SET", key.as_bytes(), &value(n)]), "+OK\r\n");
        requests.extend(encode(&[b"GET", key.as_bytes()]));
        requests.extend(b"PING\r\n");
        expected.extend([b"$1048576\r\n", &value(n)[..], b"\r\n+PONG\r\n"].concat());
    }
    let mut slow = UnixStream::connect(server.socket()).unwrap();
    slow.set_read_timeout(Some(DEADLINE)).unwrap();
    slow.write_all(&requests).unwrap();
    let mut got = vec![0; 1];
    slow.read_exact(&mut got).unwrap();
    // All were run by now: what happens to the values does not change the replies any more.
    client
        .check("SETRANGE v3 0 zzz => :1048576\nAPPEND v4 x => :1048577\nSETBIT v5 7 1\nDEL v6 => :1\nFLUSHALL => +OK");
    let mut piece = vec![0; 10_007];
    while got.len() < expected.len() {
        let count = slow.read(&mut piece).unwrap();
        assert!(count > 0, "closed after {} bytes", got.len());
        got.extend_from_slice(&piece[..count]);
        assert_eq!(client.ask("PING"), "+PONG\r\n");
    }
    assert!(got == expected);
}

#[test]
fn output_buffer_limit() {
    let (server, mut client) = server_and_client();
    client.ask_args(&[b"SET", b"k", &[b'x'; 20_000]]);
    client.ask_args(&[b"CONFIG", b"SET", b"client-output-buffer-limit", b"normal 500000 0 0"]);
    let answer = server.connect().until_closed(&b"GET k\r\n".repeat(3000));
    assert!(answer.len() < 3000 * 20_000, "{} bytes", answer.len());
    assert!(server.log().contains("closed for overcoming of output buffer limits."));
}

#[test]
fn too_many_clients() {
    let server = Server::start(&["--maxclients", "2"]);
    let mut first = server.connect();
    wait_until("only one is connected", || {
        first.send(b"INFO clients\r\n");
        let reply = first.reply();
        if reply.starts_with("-ERR max") {
            first = server.connect();
        }
        reply.contains("connected_clients:1\r\n")
    });
    let mut second = server.connect();
    second.check("PING => +PONG");
    assert_eq!(server.connect().until_closed(b""), "-ERR max number of clients reached\r\n");
    assert_eq!(info(&mut first, "rejected_connections"), "1");
    drop(second);
    wait_until("there is room again", || info(&mut first, "connected_clients") == "1");
    server.connect().check("PING => +PONG");
}

#[test]
fn idle_clients_are_closed() {
    let server = Server::start(&["--timeout", "1"]);
    let (mut idle, mut active) = (server.connect(), server.connect());
    let began = Instant::now();
    std::thread::scope(|scope| {
        let idle = scope.spawn(move || assert_eq!(idle.until_closed(b"PING\r\n"), "+PONG\r\n"));
        wait_until("the idle client is closed", || {
            active.check("PING => +PONG");
            idle.is_finished()
        });
    });
    assert!(began.elapsed() >= Duration::from_secs(1));
    active.check("PING => +PONG");
}

#[test]
fn an_idle_server_wakes_no_more_often_than_its_hz() {
    let (_server, mut client) = server_and_client();
    // A key that is due much later is no reason to wake.
    client.check("SET k v EX 1000 => +OK");
    let cycles = |client: &mut Client| info(client, "eventloop_cycles").parse::<u64>().unwrap();
    let (began, before) = (Instant::now(), cycles(&mut client));
    wait_until("a second is over", || began.elapsed() > Duration::from_secs(1));
    let woken = cycles(&mut client) - before;
    let allowed = 10.0 * began.elapsed().as_secs_f64() + 3.0;
    assert!(woken as f64 <= allowed, "{woken} turns, {allowed} allowed");
}

#[test]
fn signals_end_the_server() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::start(&["--pidfile", "pid"]);
        assert_eq!(std::fs::read_to_string(server.dir.join("pid")).unwrap(), format!("{}\n", server.pid()));
        let mut client = server.connect();
        client.check("SET k v => +OK");
        Command::new("kill").args(["-s", signal, &server.pid().to_string()]).status().unwrap();
        assert_eq!(server.wait().code(), Some(0));
        assert!(!server.socket().exists() && !server.dir.join("pid").exists());
        let log = server.log();
        assert!(log.contains(&format!("Received SIG{signal} scheduling shutdown...")), "{log}");
        assert!(log.ends_with("bye bye...\n"), "{log}");
    }
}

#[test]
fn unix_socket_permissions() {
    for (given, mode) in [("700", 0o700), ("766", 0o766)] {
        let server = Server::start(&["--unixsocketperm", given]);
        assert_eq!(server.socket().metadata().unwrap().permissions().mode() & 0o777, mode);
    }
}

#[test]
fn replies_reach_a_client_that_has_closed_its_side() {
    let server = Server::start(&[]);
    for _ in 0..50 {
        let mut client = server.connect();
        client.send(b"SET k v\r\nGET k\r\n");
        client.half_close();
        assert_eq!(client.until_closed(b""), "+OK\r\n$1\r\nv\r\n");
    }
}

#[test]
fn a_key_is_not_mistaken_for_one_read_to_the_same_place_before() {
    let server = Server::start(&[]);
    let (mut first, mut second) = (server.connect(), server.connect());
    second.ask("SET k2 there");
    // The second request begins a pause that holds the third one back, which ends the batch early.
    first.send(b"*2\r\n$3\r\nGET\r\n$2\r\nk1\r\n*4\r\n$6\r\nCLIENT\r\n$5\r\nPAUSE\r\n$5\r\n60000\r\n$5\r\nWRITE\r\n*3\r\n$3\r\nSET\r\n$1\r\nz\r\n$1\r\n1\r\n");
    assert_eq!((first.reply(), first.reply()), ("$-1\r\n".into(), "+OK\r\n".into()));
    assert_eq!(second.ask("GET k2"), "$5\r\nthere\r\n");
    second.ask("CLIENT UNPAUSE");
    assert_eq!(first.reply(), "+OK\r\n");
}

#[test]
fn a_key_hidden_by_a_pause_can_be_made_anew() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    client.ask("DEBUG SET-ACTIVE-EXPIRE 0");
    client.ask("SET key:0 x PX 1");
    wait_until("the key expires", || client.ask("PTTL key:0") != ":0\r\n" && client.ask("EXISTS key:0") == ":0\r\n");
    client.ask("SET key:0 x PX 1");
    client.ask("CLIENT PAUSE 60000 WRITE");
    wait_until("the key is hidden", || client.ask("EXISTS key:0") == ":0\r\n");
    client.ask("DEBUG POPULATE 1");
    assert_eq!(client.ask("DBSIZE"), ":1\r\n");
    assert_eq!(client.ask("GET key:0"), "$7\r\nvalue:0\r\n");
}

#[test]
fn nothing_runs_after_shutdown() {
    let server = Server::start(&["--appendonly", "yes"]);
    let mut client = server.connect();
    assert_eq!(client.until_closed(b"SET a 1\r\nSHUTDOWN\r\nSET a 2\r\n"), "+OK\r\n");
    let server = Server::start_in(server.terminate(), &["--appendonly", "yes"]);
    assert_eq!(server.connect().ask("GET a"), "$1\r\n1\r\n");
}

#[test]
fn who_has_not_authenticated_cannot_make_the_server_keep_replies() {
    let server = Server::start(&["--requirepass", "secret"]);
    let mut client = server.connect();
    let requests = b"GET k\r\n".repeat(100_000);
    // It does not read meanwhile, so sending ends when the server closes the connection.
    client.send_as_far_as_possible(&requests);
    wait_until("the client is gone", || {
        let mut other = server.connect();
        other.ask("AUTH secret");
        other.ask("CLIENT LIST").matches(" addr=").count() == 1
    });
}

/// A browser can be made to post commands.
#[test]
fn http_is_no_way_in() {
    let (server, mut client) = server_and_client();
    for request in
        ["POST / HTTP/1.1\r\nHost: x\r\n\r\nSET a 1\r\n", "Host: x\r\nSET a 1\r\n", "*1\r\n$4\r\npost\r\nSET a 1\r\n"]
    {
        assert_eq!(server.connect().until_closed(request.as_bytes()), "", "{request}");
    }
    client.check("EXISTS a => :0");
}

#[test]
fn errors_repeat_bytes_as_they_came() {
    let (_server, mut client) = server_and_client();
    let cases: [(&[&[u8]], &[u8]); 4] = [
        (&[b"\xff\xfe", b"\xc3\xa9"], b"-ERR unknown command '\xff\xfe', with args beginning with: '\xc3\xa9' \r\n"),
        (&[b"CLIENT", b"a\xff"], b"-ERR unknown subcommand 'a\xff'. Try CLIENT HELP.\r\n"),
        (&[b"EVAL", b"return {err='MY \xff\xf4\x8f\xbf\x80'}", b"0"], b"-MY \xff\xf4\x8f\xbf\x80\r\n"),
        (&[b"EVAL", b"return redis.pcall('\xff')", b"0"], b"-ERR Unknown Redis command called from script\r\n"),
    ];
    for (request, reply) in cases {
        client.send(&encode(request));
        assert_eq!(client.reply_bytes(), reply);
    }
}

#[test]
fn errors_and_replies_repeat_bytes_as_they_came() {
    let (_server, mut client) = server_and_client();
    let mut ask = |arguments: &[&[u8]]| {
        client.send(&encode(arguments));
        client.reply_bytes()
    };
    // No UTF-8.
    assert_eq!(ask(&[b"ACL", b"SETUSER", b"a\xff", b"on", b"nopass"]), b"+OK\r\n");
    let denied = b"User a\xff has no permissions to run the 'get' command";
    assert_eq!(
        ask(&[b"ACL", b"DRYRUN", b"a\xff", b"GET", b"k"]),
        [format!("${}\r\n", denied.len()).as_bytes(), denied, b"\r\n"].concat()
    );
    assert_eq!(ask(&[b"AUTH", b"a\xff", b""]), b"+OK\r\n");
    assert_eq!(ask(&[b"AUTH", b"default", b""]), b"+OK\r\n");
    // 128 bytes of arguments, quotes and all.
    let (long, rest) = ([0xff; 60], [b'b'; 90]);
    let shown = [b"-ERR unknown command 'zz', with args beginning with: '", &long[..], b"' '", &rest[..65], b"' \r\n"];
    assert_eq!(ask(&[b"zz", &long, &rest]), shown.concat());
    // A NUL ends what is repeated.
    assert_eq!(ask(&[b"a\0b", b"c\0d"]), b"-ERR unknown command 'a', with args beginning with: 'c' \r\n");
    assert_eq!(ask(&[b"EVAL", b"return redis.status_reply('a\\0b')", b"0"]), b"+a\r\n");
}
