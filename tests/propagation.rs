//! What commands are repeated as by the append-only file, and that this gives the same data again.

#[path = "wire/harness.rs"]
mod harness;

use harness::*;

/// The requests in a server's append-only file, words separated by spaces.
fn requests(server: &Server) -> Vec<String> {
    let text = std::fs::read_to_string(server.dir.join("appendonlydir/appendonly.aof.1.incr.aof")).unwrap();
    // Each word comes after its length.
    let words = |request: &str| request.split("\r\n").skip(2).step_by(2).collect::<Vec<_>>().join(" ");
    text.split('*').skip(1).map(words).collect()
}

/// What changes is written so that repeating it gives the same; what belongs together is written as a
/// transaction, what stands alone is not.
#[test]
fn what_is_written() {
    let server = Server::start(&["--appendonly", "yes", "--stream-node-max-entries", "2"]);
    let mut client = server.connect();
    let mut seen = 0;
    let mut check = |client: &mut Client, command: &str, expected: &[&str]| {
        let reply = client.ask(command);
        let all = requests(&server);
        // Times and ids made from them are told apart by their length.
        let masked = |word: &str| {
            let is_time = word.len() >= 13 && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
            if is_time { "TIME".to_owned() } else { word.to_owned() }
        };
        let new: Vec<String> =
            all[seen..].iter().map(|request| request.split(' ').map(masked).collect::<Vec<_>>().join(" ")).collect();
        seen = all.len();
        assert_eq!(new, expected, "{command}, which replied {reply}");
    };
    check(&mut client, "XADD s 1-1 a b", &["SELECT 0", "XADD s 1-1 a b"]);
    // A time that means the same to everybody stays as it is.
    check(&mut client, "SET k v pxat 33000000000000", &["SET k v pxat TIME"]);
    check(&mut client, "SET k v XX GET PXAT 33000000000000", &["SET k v XX PXAT TIME"]);
    check(&mut client, "SET k v GET EXAT 33000000000", &["SET k v PXAT TIME"]);
    check(&mut client, "SET k v PX 100000", &["SET k v PXAT TIME"]);
    check(&mut client, "XADD s 2-* a b", &["XADD s 2-0 a b"]);
    check(
        &mut client,
        "XADD s NOMKSTREAM MAXLEN ~ 2 LIMIT 100 3-1 a b",
        &["XADD s NOMKSTREAM MAXLEN = 3 LIMIT 100 3-1 a b"],
    );
    check(&mut client, "XADD s MINID ~ 3 4-1 a b", &["XADD s MINID = 3-1 4-1 a b"]);
    check(&mut client, "XADD s MINID ~ 4 5-1 a b", &["XADD s MINID = 3-1 5-1 a b"]);
    // All went: the threshold is the greatest id.
    check(&mut client, "XTRIM s MINID ~ 9", &["XTRIM s MINID = TIME"]);
    check(&mut client, "XTRIM s MAXLEN ~ 1", &[]);
    check(&mut client, "XADD s MAXLEN 1 6-1 a b", &["XADD s MAXLEN 1 6-1 a b"]);
    check(&mut client, "XADD s * a b", &["XADD s TIME a b"]);
    check(&mut client, "XADD none NOMKSTREAM 1-1 a b", &[]);
    check(&mut client, "XDEL s 6-1 6-2", &["XDEL s 6-1 6-2"]);
    check(&mut client, "XDEL s 6-1", &[]);
    check(&mut client, "XGROUP CREATE s g 0", &["XGROUP CREATE s g 0"]);
    check(&mut client, "XGROUP CREATECONSUMER s g c", &["XGROUP CREATECONSUMER s g c"]);
    check(&mut client, "XGROUP CREATECONSUMER s g c", &[]);
    // A consumer that gets something is made by that.
    check(
        &mut client,
        "XREADGROUP GROUP g new STREAMS s >",
        &["XCLAIM s g new 0 TIME TIME TIME RETRYCOUNT 1 FORCE JUSTID LASTID TIME"],
    );
    check(&mut client, "XREADGROUP GROUP g new STREAMS s >", &[]);
    check(&mut client, "XREADGROUP GROUP g new STREAMS s 0", &[]);
    check(&mut client, "XREADGROUP GROUP g idle STREAMS s >", &["XGROUP CREATECONSUMER s g idle"]);
    check(&mut client, "DEL s", &["DEL s"]);
    check(&mut client, "XADD s 1-1 a b", &["XADD s 1-1 a b"]);
    check(&mut client, "XADD s 2-1 a b", &["XADD s 2-1 a b"]);
    check(&mut client, "XADD s 3-1 a b", &["XADD s 3-1 a b"]);
    check(&mut client, "XGROUP CREATE s g 0", &["XGROUP CREATE s g 0"]);
    check(
        &mut client,
        "XREADGROUP GROUP g c COUNT 2 STREAMS s >",
        &[
            "MULTI",
            "XCLAIM s g c 0 1-1 TIME TIME RETRYCOUNT 1 FORCE JUSTID LASTID 1-1",
            "XCLAIM s g c 0 2-1 TIME TIME RETRYCOUNT 1 FORCE JUSTID LASTID 2-1",
            "EXEC",
        ],
    );
    check(
        &mut client,
        "XREADGROUP GROUP g d NOACK STREAMS s >",
        &["MULTI", "XGROUP CREATECONSUMER s g d", "XGROUP SETID s g 3-1 ENTRIESREAD 3", "EXEC"],
    );
    check(
        &mut client,
        "XCLAIM s g d 0 1-1 RETRYCOUNT 7",
        &["XCLAIM s g d 0 1-1 TIME TIME RETRYCOUNT 7 FORCE JUSTID LASTID 3-1"],
    );
    check(&mut client, "XCLAIM s g e 99999999 1-1", &["XGROUP CREATECONSUMER s g e"]);
    check(&mut client, "XDEL s 2-1", &["XDEL s 2-1"]);
    check(
        &mut client,
        "XAUTOCLAIM s g e 0 0",
        &[
            "MULTI",
            "XCLAIM s g e 0 1-1 TIME TIME RETRYCOUNT 8 FORCE JUSTID LASTID 3-1",
            "XCLAIM s g e 0 2-1 TIME TIME RETRYCOUNT 1 FORCE JUSTID LASTID 3-1",
            "EXEC",
        ],
    );
    check(&mut client, "XACK s g 1-1 7-7", &["XACK s g 1-1 7-7"]);
    check(&mut client, "XACK s g 1-1", &[]);
    check(&mut client, "XGROUP DELCONSUMER s g e", &["XGROUP DELCONSUMER s g e"]);
    check(&mut client, "XGROUP DESTROY s none", &[]);
    // Transactions.
    check(&mut client, "MULTI", &[]);
    check(&mut client, "SET a 1", &[]);
    check(&mut client, "GET a", &[]);
    check(&mut client, "EXEC", &["SET a 1"]);
    check(&mut client, "MULTI", &[]);
    check(&mut client, "GET a", &[]);
    check(&mut client, "EXEC", &[]);
    check(&mut client, "MULTI", &[]);
    check(&mut client, "SET a 2", &[]);
    check(&mut client, "INCR s", &[]);
    check(&mut client, "SELECT 1", &[]);
    check(&mut client, "XADD t * a b", &[]);
    check(&mut client, "BLPOP none 0", &[]);
    check(&mut client, "EXEC", &["MULTI", "SET a 2", "SELECT 1", "XADD t TIME a b", "EXEC"]);
    check(&mut client, "SELECT 0", &[]);
    // Those who wait, and what they take when it comes.
    for (waits, comes, expected) in [
        ("BLPOP l 0", "RPUSH l 1", vec!["SELECT 0", "RPUSH l 1", "LPOP l"]),
        ("BRPOP l 0", "RPUSH l 1 2", vec!["RPUSH l 1 2", "RPOP l"]),
        ("BLMPOP 0 1 m RIGHT COUNT 2", "RPUSH m 1 2 3", vec!["RPUSH m 1 2 3", "RPOP m 2"]),
        ("BLMOVE m l LEFT RIGHT 0", "GET a", vec!["LMOVE m l LEFT RIGHT"]),
        ("BRPOPLPUSH m l 0", "RPUSH m 4", vec!["RPUSH m 4", "RPOPLPUSH m l"]),
        ("BZPOPMIN z 0", "ZADD z 1 a", vec!["ZADD z 1 a", "ZPOPMIN z"]),
        ("BZMPOP 0 1 z MAX COUNT 2", "ZADD z 1 a", vec!["ZADD z 1 a", "ZPOPMAX z 1"]),
        (
            "XREADGROUP GROUP g c BLOCK 0 STREAMS s >",
            "XADD s 4-1 a b",
            vec!["XADD s 4-1 a b", "XCLAIM s g c 0 4-1 TIME TIME RETRYCOUNT 1 FORCE JUSTID LASTID 4-1"],
        ),
        ("XREAD BLOCK 0 STREAMS s $", "XADD s 5-1 a b", vec!["XADD s 5-1 a b"]),
    ] {
        let mut waiting = server.connect();
        waiting.send(&encode(&waits.split(' ').map(str::as_bytes).collect::<Vec<_>>()));
        if comes == "GET a" {
            waiting.reply();
        } else {
            wait_until("it waits", || client.ask("INFO clients").contains("blocked_clients:1\r\n"));
        }
        check(&mut client, comes, &expected);
    }
    let before = client.ask("DEBUG DIGEST");
    assert_eq!(client.ask("DEBUG LOADAOF"), "+OK\r\n");
    assert_eq!(client.ask("DEBUG DIGEST"), before);
}

/// Streams with all that belongs to them, but for times and what is only counted.
#[test]
fn streams_after_a_restart() {
    let arguments = ["--appendonly", "yes", "--stream-node-max-entries", "3"];
    let server = Server::start(&arguments);
    let mut client = server.connect();
    client.check(
        "XADD s * a 1
         XADD s * a 2 b 3
         XADD s MAXLEN ~ 1 LIMIT 5 * c 4
         XADD s 99999999999999-1 d 5
         XADD s 99999999999999-* d 6
         XADD s 99999999999999-7 d 7
         XGROUP CREATE s g 0
         XGROUP CREATE s late $ ENTRIESREAD 2
         XREADGROUP GROUP g alice COUNT 2 STREAMS s >
         XREADGROUP GROUP g bob COUNT 1 STREAMS s >
         XREADGROUP GROUP g carol NOACK COUNT 1 STREAMS s >
         XREADGROUP GROUP g dave STREAMS s 0
         XADD s * e 8
         XADD s * e 9
         XAUTOCLAIM s g bob 0 0 COUNT 1
         XDEL s 99999999999999-1
         XGROUP DELCONSUMER s g carol
         XADD empty MAXLEN 0 5-5 a b
         XADD trimmed 1-1 a b
         XADD trimmed 2-1 a b
         XADD trimmed 3-1 a b
         XADD trimmed 4-1 a b
         XTRIM trimmed MINID ~ 4
         XADD all 1-1 a b
         XTRIM all MINID ~ 4
         XADD copied 1-1 a b
         XSETID copied 7-7 ENTRIESADDED 9 MAXDELETEDID 3-3
         COPY s copy
         XGROUP CREATE made g $ MKSTREAM",
    );
    let all = |client: &mut Client| {
        let mut all = vec![client.ask("DEBUG DIGEST")];
        for key in ["s", "empty", "trimmed", "all", "copied", "copy", "made"] {
            for command in ["XRANGE KEY - +", "XINFO GROUPS KEY", "XPENDING KEY g", "XLEN KEY", "XINFO STREAM KEY"] {
                all.push(format!("{command}: {}", client.ask(&command.replace("KEY", key))));
            }
        }
        all
    };
    let before = all(&mut client);
    drop(client);
    let server = Server::start_in(server.kill(), &arguments);
    let mut client = server.connect();
    assert_eq!(all(&mut client), before);
    assert_eq!(client.ask("DEBUG RELOAD"), "+OK\r\n");
    assert_eq!(all(&mut client), before);
}

/// Whoever waits for a key is not served by one that has expired, nor does looking for it delete it:
/// that is for a command that asks for it.
#[test]
fn a_key_that_expired_before_it_could_serve_anyone() {
    let server = Server::start(&["--appendonly", "yes"]);
    let mut client = server.connect();
    let mut waiting = server.connect();
    client.check("DEBUG SET-ACTIVE-EXPIRE 0\n SELECT 1\n RPUSH k hello\n PEXPIRE k 50 => :1");
    let due_ms: u64 = client.ask("PEXPIRETIME k")[1..].trim_end().parse().unwrap();
    waiting.check("SELECT 9 => +OK");
    waiting.send(b"BRPOP k 0\r\n");
    wait_until("it waits", || client.ask("INFO clients").contains("blocked_clients:1\r\n"));
    wait_until("the key expires", || {
        let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        time.as_millis() as u64 > due_ms + 1
    });
    client.check("SWAPDB 1 9 => +OK");
    assert!(client.ask("INFO clients").contains("blocked_clients:1\r\n"));
    assert_eq!(requests(&server).last().unwrap(), "SWAPDB 1 9");
    client.check("SELECT 9\n EXISTS k => :0");
    assert_eq!(requests(&server).split_off(3), ["SWAPDB 1 9", "SELECT 9", "DEL k"]);
}
