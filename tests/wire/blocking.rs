//! Commands that wait for keys, of all types. What they take is in the module of the type.

use crate::harness::*;
use std::time::{Duration, Instant};

/// Clients that send a command and wait, one after the other.
struct Waiting<'a> {
    server: &'a Server,
    control: Client,
    count: usize,
}

impl<'a> Waiting<'a> {
    fn new(server: &'a Server) -> Waiting<'a> {
        Waiting { server, control: server.connect(), count: 0 }
    }

    /// Waits until so many clients wait.
    fn until(&mut self, count: usize) {
        self.count = count;
        let expected = format!("blocked_clients:{count}\r\n");
        wait_until("clients wait", || self.control.ask("INFO clients").contains(&expected));
    }

    fn add(&mut self, command: &str) -> Client {
        let client = self.server.connect();
        self.add_to(client, command)
    }

    fn add_to(&mut self, mut client: Client, command: &str) -> Client {
        client.send(&encode(&command.split(' ').map(str::as_bytes).collect::<Vec<_>>()));
        self.until(self.count + 1);
        client
    }
}

/// A reply as [`check`] writes it.
fn shown(reply: String) -> String {
    reply.trim_end_matches("\r\n").replace(' ', "_").replace("\r\n", " ")
}

fn number(client: &mut Client) -> String {
    client.ask("CLIENT ID").trim_start_matches(':').trim_end().to_owned()
}

/// Commands that wait, what gives them something, and what they get.
const COMMANDS: [(&str, &str, &str); 9] = [
    ("BLPOP k 0", "RPUSH k 1 2", "*2 $1 k $1 1"),
    ("BRPOP k 0", "RPUSH k 1 2", "*2 $1 k $1 2"),
    ("BLMOVE k k2 LEFT RIGHT 0", "RPUSH k 1 2", "$1 1"),
    ("BRPOPLPUSH k k2 0", "RPUSH k 1 2", "$1 2"),
    ("BLMPOP 0 1 k LEFT COUNT 2", "RPUSH k 1 2", "*2 $1 k *2 $1 1 $1 2"),
    ("BZPOPMIN k 0", "ZADD k 1 a 2 b", "*3 $1 k $1 a $1 1"),
    ("BZPOPMAX k 0", "ZADD k 1 a 2 b", "*3 $1 k $1 b $1 2"),
    ("BZMPOP 0 1 k MIN COUNT 2", "ZADD k 1 a 2 b", "*2 $1 k *2 *2 $1 a $1 1 *2 $1 b $1 2"),
    ("XREAD BLOCK 0 STREAMS k $", "XADD k 1-1 a b", "*1 *2 $1 k *1 *2 $3 1-1 *2 $1 a $1 b"),
];

#[test]
fn waiting_and_getting() {
    let server = Server::start(&[]);
    let mut waiting = Waiting::new(&server);
    let mut other = server.connect();
    for (command, gives, gets) in COMMANDS {
        let mut client = waiting.add(command);
        other.ask(gives);
        assert_eq!(shown(client.reply()), gets, "{command}");
        waiting.until(0);
        other.ask("FLUSHALL");
    }
}

#[test]
fn resp3() {
    let server = Server::start(&[]);
    let mut waiting = Waiting::new(&server);
    let mut other = server.connect();
    for (command, gives, gets) in [
        ("BZPOPMIN k 0", "ZADD k 1.5 a", "*3 $1 k $1 a ,1.5"),
        ("BZMPOP 0 1 k MIN", "ZADD k 1.5 a", "*2 $1 k *1 *2 $1 a ,1.5"),
        ("XREAD BLOCK 0 STREAMS k $", "XADD k 1-1 a b", "%1 $1 k *1 *2 $3 1-1 *2 $1 a $1 b"),
        ("BLPOP k 0.001", "PING", "_"),
        ("BLMOVE k k2 LEFT LEFT 0.001", "PING", "_"),
        ("XREAD BLOCK 1 STREAMS k $", "PING", "_"),
    ] {
        let mut client = server.connect();
        client.ask("HELLO 3");
        if gives == "PING" {
            assert_eq!(shown(client.ask(command)), gets, "{command}");
            continue;
        }
        let mut client = waiting.add_to(client, command);
        other.ask(gives);
        assert_eq!(shown(client.reply()), gets, "{command}");
        waiting.until(0);
        other.ask("FLUSHALL");
    }
}

#[test]
fn timeouts() {
    let (_server, mut client) = server_and_client();
    for (command, least_ms) in [
        ("BLPOP k 0.05", 50),
        ("BRPOP k j 0.0001", 1),
        ("BLMOVE k k2 LEFT RIGHT 0.03", 30),
        ("BRPOPLPUSH k k2 3e-2", 30),
        ("BLMPOP 0.03 1 k LEFT", 30),
        ("BZPOPMIN k .03", 30),
        ("BZPOPMAX k 0x0.1p0", 62),
        ("BZMPOP 0.03 1 k MIN", 30),
        ("XREAD BLOCK 30 STREAMS k $", 30),
    ] {
        let start = Instant::now();
        assert_eq!(client.ask(command), "*-1\r\n", "{command}");
        assert!(start.elapsed() >= Duration::from_millis(least_ms - 1), "{command} took {:?}", start.elapsed());
    }
    client.check(
        "BLPOP k -1 => -ERR_timeout_is_negative
         BLPOP k -0.1 => -ERR_timeout_is_negative
         BLPOP k x => -ERR_timeout_is_not_a_float_or_out_of_range
         BLPOP k nan => -ERR_timeout_is_not_a_float_or_out_of_range
         BLPOP k 1e300 => -ERR_timeout_is_out_of_range
         BLPOP k 9223372036854775 => -ERR_timeout_is_out_of_range
         XREAD BLOCK 1.5 STREAMS k $ => -ERR_timeout_is_not_an_integer_or_out_of_range
         XREAD BLOCK -1 STREAMS k $ => -ERR_timeout_is_negative",
    );
}

#[test]
fn first_come_first_served() {
    let server = Server::start(&[]);
    let mut waiting = Waiting::new(&server);
    let mut other = server.connect();
    let mut clients: Vec<Client> =
        ["BLPOP k 0", "BRPOP k 0", "BLPOP j k 0", "BLPOP k k 0"].map(|command| waiting.add(command)).into();
    other.check("RPUSH k 1 2 3 => :3");
    for (client, gets) in clients.iter_mut().zip(["1", "3", "2"]) {
        assert_eq!(shown(client.reply()), format!("*2 $1 k $1 {gets}"));
    }
    // Who was served waits anew at the end of the queue.
    let again = clients.remove(0);
    waiting.until(1);
    let mut again = waiting.add_to(again, "BLPOP k 0");
    other.check("RPUSH k 4 => :1");
    assert_eq!(shown(clients[2].reply()), "*2 $1 k $1 4");
    other.check("RPUSH k 5 => :1");
    assert_eq!(shown(again.reply()), "*2 $1 k $1 5");
    waiting.until(0);
}

#[test]
fn several_keys() {
    let server = Server::start(&[]);
    let mut waiting = Waiting::new(&server);
    let mut other = server.connect();
    // The command runs again as a whole: its first key with anything is taken.
    let mut client = waiting.add("BLPOP a b c 0");
    other.check("MULTI\n RPUSH c 1\n RPUSH b 2\n EXEC => *2 :1 :1");
    assert_eq!(shown(client.reply()), "*2 $1 b $1 2");
    other.check("FLUSHALL");
    waiting.until(0);
    // Keys are served in the order in which they became ready.
    let (mut first, mut second) = (waiting.add("BLPOP a b 0"), waiting.add("BLPOP b 0"));
    other.check("MULTI\n RPUSH b 1\n RPUSH a 2\n EXEC => *2 :1 :1");
    assert_eq!(shown(first.reply()), "*2 $1 a $1 2");
    assert_eq!(shown(second.reply()), "*2 $1 b $1 1");
    waiting.until(0);
    let mut streams = waiting.add("XREAD COUNT 1 BLOCK 0 STREAMS s t s $ $ 7");
    other.check("XADD t 1-1 a b");
    assert_eq!(shown(streams.reply()), "*1 *2 $1 t *1 *2 $3 1-1 *2 $1 a $1 b");
}

#[test]
fn moves_that_feed_moves() {
    let server = Server::start(&[]);
    let mut waiting = Waiting::new(&server);
    let mut other = server.connect();
    let mut first = waiting.add("BLMOVE a b LEFT RIGHT 0");
    let mut second = waiting.add("BLMOVE b c LEFT RIGHT 0");
    let mut third = waiting.add("BLPOP c 0");
    other.check("RPUSH a x => :1\n EXISTS a b c => :0");
    assert_eq!(shown(first.reply()), "$1 x");
    assert_eq!(shown(second.reply()), "$1 x");
    assert_eq!(shown(third.reply()), "*2 $1 c $1 x");
    waiting.until(0);
    let (mut there, mut back) = (waiting.add("BRPOPLPUSH a b 0"), waiting.add("BRPOPLPUSH b a 0"));
    other.check("RPUSH a x => :1\n LRANGE a 0 -1 => *1 $1 x\n EXISTS b => :0");
    assert_eq!(shown(there.reply()), "$1 x");
    assert_eq!(shown(back.reply()), "$1 x");
    waiting.until(0);
    let mut itself = waiting.add("BRPOPLPUSH d d 0");
    other.check("RPUSH d x => :1\n LRANGE d 0 -1 => *1 $1 x");
    assert_eq!(shown(itself.reply()), "$1 x");
    waiting.until(0);
    // A destination of the wrong type is found when there is something to move.
    let mut stuck = waiting.add("BLMOVE e f LEFT LEFT 0");
    other.check("SET f x => +OK\n RPUSH e 1 => :1\n LRANGE e 0 -1 => *1 $1 1");
    assert!(stuck.reply().starts_with("-WRONGTYPE "));
}

#[test]
fn what_does_not_end_waiting() {
    let server = Server::start(&[]);
    let mut waiting = Waiting::new(&server);
    let mut other = server.connect();
    for (command, gives, gets) in COMMANDS {
        let mut client = waiting.add(command);
        other.check(
            "SET k x => +OK
             DEL k => :1
             SADD k x => :1
             RENAME k l => +OK
             RENAME l k => +OK
             DEL k => :1
             MULTI => +OK
             RPUSH k 1 => +QUEUED
             DEL k => +QUEUED
             ZADD k 1 x => +QUEUED
             FLUSHDB => +QUEUED
             EXEC => *4 :1 :1 :1 +OK
             FLUSHALL => +OK",
        );
        assert!(other.ask("INFO clients").contains("blocked_clients:1\r\n"), "{command}");
        other.ask(gives);
        assert_eq!(shown(client.reply()), gets, "{command}");
        waiting.until(0);
        other.ask("FLUSHALL");
    }
}

/// A key comes in other ways than by being written.
#[test]
fn ways_for_a_key_to_come() {
    let server = Server::start(&[]);
    let mut waiting = Waiting::new(&server);
    let mut other = server.connect();
    for way in [
        "RENAME from k => +OK",
        "RENAMENX from k => :1",
        "COPY from k => :1",
        "SORT from BY nosort STORE k => :1",
        "LMOVE from k LEFT LEFT => $1 x",
        "RPOPLPUSH from k => $1 x",
        "SELECT 1 \n RPUSH k x \n SWAPDB 0 1 => +OK\n SELECT 0",
        "SELECT 1 \n RPUSH k x \n MOVE k 0 => :1\n SELECT 0",
    ] {
        other.check("RPUSH from x => :1");
        let mut client = waiting.add("BLPOP k 0");
        other.check(way);
        assert_eq!(shown(client.reply()), "*2 $1 k $1 x", "{way}");
        waiting.until(0);
        other.check("FLUSHALL => +OK");
    }
    other.check("RPUSH from x => :1");
    other.send(&encode(&[b"DUMP", b"from"]));
    let dump = other.reply_bytes();
    let start = dump.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    let mut client = waiting.add("BLPOP k 0");
    other.ask_args(&[b"RESTORE", b"k", b"0", &dump[start..dump.len() - 2]]);
    assert_eq!(shown(client.reply()), "*2 $1 k $1 x");
}

#[test]
fn unblocking() {
    let server = Server::start(&[]);
    let mut waiting = Waiting::new(&server);
    let mut other = server.connect();
    for (command, ..) in COMMANDS {
        for (how, reply) in
            [("", "*-1"), (" TIMEOUT", "*-1"), (" ERROR", "-UNBLOCKED_client_unblocked_via_CLIENT_UNBLOCK")]
        {
            let mut client = server.connect();
            let id = number(&mut client);
            let mut client = waiting.add_to(client, command);
            other.check(&format!("CLIENT UNBLOCK {id}{how} => :1"));
            assert_eq!(shown(client.reply()), reply, "{command}");
            other.check(&format!("CLIENT UNBLOCK {id}{how} => :0"));
            waiting.until(0);
            client.check("PING => +PONG");
        }
    }
    other.check(
        "CLIENT UNBLOCK 999999 => :0
         CLIENT UNBLOCK x => -ERR_value_is_not_an_integer_or_out_of_range
         CLIENT UNBLOCK 1 NO => -ERR_CLIENT_UNBLOCK_reason_should_be_TIMEOUT_or_ERROR
         CLIENT UNBLOCK 1 ERROR 2 => -ERR_unknown_subcommand_or_wrong_number_of_arguments_for_'UNBLOCK'._Try_CLIENT_HELP.",
    );
    // What it waited for is for others now.
    other.check("RPUSH k 1 => :1\n LLEN k => :1");
}

#[test]
fn requests_behind_one_that_waits() {
    let server = Server::start(&[]);
    let mut waiting = Waiting::new(&server);
    let mut other = server.connect();
    let mut client = server.connect();
    client.send(b"PING\r\nBLPOP a 0\r\nSET x 1\r\nBLPOP b 0\r\nGET x\r\nGE");
    assert_eq!(client.reply(), "+PONG\r\n");
    waiting.until(1);
    client.send(b"T x\r\n");
    other.check("GET x => $-1\n RPUSH b 2 => :1\n GET x => $-1\n LPOP b => $1 2\n RPUSH a 1 => :1");
    assert_eq!(shown(client.reply()), "*2 $1 a $1 1");
    assert_eq!(client.reply(), "+OK\r\n");
    other.check("RPUSH b 3 => :1");
    assert_eq!(shown(client.reply()), "*2 $1 b $1 3");
    assert_eq!(client.reply(), "$1\r\n1\r\n");
    assert_eq!(client.reply(), "$1\r\n1\r\n");
    // A whole buffer of them, and nothing further from the client.
    let mut many = b"BLPOP a 0\r\n".to_vec();
    many.extend(b"INCR n\r\n".repeat(8_000));
    let mut sender = server.connect();
    sender.send(&many);
    waiting.until(1);
    other.check("EXISTS n => :0\n RPUSH a 1 => :1");
    assert_eq!(shown(sender.reply()), "*2 $1 a $1 1");
    for n in 1..=8_000 {
        assert_eq!(sender.line(), format!(":{n}"));
    }
}

#[test]
fn within_a_transaction_nothing_waits() {
    let (_server, mut client) = server_and_client();
    client.check(
        "XGROUP CREATE s g $ MKSTREAM => +OK
         MULTI => +OK
         BLPOP k 0 => +QUEUED
         BLMOVE k k2 LEFT RIGHT 0 => +QUEUED
         BRPOPLPUSH k k2 0 => +QUEUED
         BLMPOP 0 1 k LEFT => +QUEUED
         BZPOPMIN k 0 => +QUEUED
         BZMPOP 0 1 k MIN => +QUEUED
         XREAD BLOCK 0 STREAMS s $ => +QUEUED
         XREADGROUP GROUP g c BLOCK 0 STREAMS s > => +QUEUED
         RPUSH k 1 2 => +QUEUED
         BLPOP k 0 => +QUEUED
         EXEC => *10 *-1 $-1 $-1 *-1 *-1 *-1 *-1 *-1 :2 *2 $1 k $1 1
         INFO clients",
    );
    assert!(client.ask("INFO clients").contains("blocked_clients:0\r\n"));
}

#[test]
fn a_client_that_closes_takes_nothing() {
    let server = Server::start(&[]);
    let mut waiting = Waiting::new(&server);
    let mut other = server.connect();
    let gone = waiting.add("BLPOP k 0");
    let mut half_gone = waiting.add("BLPOP k 0");
    let mut next = waiting.add("BLPOP k 0");
    drop(gone);
    waiting.until(2);
    half_gone.half_close();
    waiting.until(1);
    other.check("RPUSH k 1 => :1\n EXISTS k => :0");
    assert_eq!(shown(next.reply()), "*2 $1 k $1 1");
    waiting.until(0);
    let mut killed = server.connect();
    let id = number(&mut killed);
    let _killed = waiting.add_to(killed, "BLPOP k 0");
    other.check(&format!("CLIENT KILL ID {id} => :1\n RPUSH k 1 => :1\n LLEN k => :1"));
}

#[test]
fn what_others_see_of_a_client_that_waits() {
    let server = Server::start(&[]);
    let mut waiting = Waiting::new(&server);
    let mut other = server.connect();
    let mut client = server.connect();
    let id = number(&mut client);
    let mut client = waiting.add_to(client, "BLPOP k 100");
    let mut group = {
        other.check("XGROUP CREATE s g $ MKSTREAM => +OK");
        waiting.add("XREADGROUP GROUP g c BLOCK 0 STREAMS s >")
    };
    let list = other.ask(&format!("CLIENT LIST ID {id}"));
    assert!(list.contains(" flags=bU ") && list.contains(" cmd=blpop "), "{list}");
    let info = other.ask("INFO clients");
    for field in
        ["blocked_clients:2", "clients_in_timeout_table:1", "total_blocking_keys:2", "total_blocking_keys_on_nokey:1"]
    {
        assert!(info.contains(&format!("{field}\r\n")), "{field} in {info}");
    }
    // A command counts when it is done.
    assert!(!other.ask("INFO commandstats").contains("cmdstat_blpop"));
    other.check("RPUSH k 1 => :1\n XADD s 1-1 a b");
    assert_eq!(shown(client.reply()), "*2 $1 k $1 1");
    assert_eq!(shown(group.reply()), "*1 *2 $1 s *1 *2 $3 1-1 *2 $1 a $1 b");
    assert!(other.ask("INFO commandstats").contains("cmdstat_blpop:calls=1,"));
    assert!(other.ask(&format!("CLIENT LIST ID {id}")).contains(" flags=U "));
}

#[test]
fn a_pause() {
    let server = Server::start(&[]);
    let mut waiting = Waiting::new(&server);
    let mut other = server.connect();
    let mut client = waiting.add("BLPOP k 0");
    let mut timed_out = waiting.add("BLPOP k2 0.2");
    other.check("CLIENT PAUSE 100000 WRITE => +OK");
    // Its time-out is not held up, what it would write is.
    assert_eq!(timed_out.reply(), "*-1\r\n");
    waiting.until(1);
    let mut writer = waiting.add("RPUSH k 1");
    other.check("EXISTS k => :0\n CLIENT UNPAUSE => +OK");
    assert_eq!(writer.reply(), ":1\r\n");
    assert_eq!(shown(client.reply()), "*2 $1 k $1 1");
}

/// Those that wait in a group are told when there is nothing left to wait for.
#[test]
fn a_group_that_goes() {
    let server = Server::start(&[]);
    let mut waiting = Waiting::new(&server);
    let mut other = server.connect();
    let no_group = "-NOGROUP_No_such_key_'s'_or_consumer_group_'g'_in_XREADGROUP_with_GROUP_option";
    let wrong_type = "-WRONGTYPE_Operation_against_a_key_holding_the_wrong_kind_of_value";
    for (goes, reply) in [
        ("XGROUP DESTROY s g", no_group),
        ("DEL s", no_group),
        ("UNLINK s", no_group),
        ("RENAME s t", no_group),
        ("FLUSHALL", no_group),
        ("FLUSHDB ASYNC", no_group),
        ("SWAPDB 0 1", no_group),
        ("MOVE s 2", no_group),
        ("PEXPIREAT s 1", no_group),
        ("PEXPIRE s 10", no_group),
        ("SET s x", wrong_type),
        ("RENAME str s", wrong_type),
        ("COPY str s REPLACE", wrong_type),
    ] {
        other.check(
            "FLUSHALL => +OK
             SET str x => +OK
             XGROUP CREATE s g $ MKSTREAM => +OK",
        );
        let mut client = waiting.add("XREADGROUP GROUP g c BLOCK 0 STREAMS s >");
        other.ask(goes);
        assert_eq!(shown(client.reply()), reply, "{goes}");
        waiting.until(0);
    }
    // Within a transaction it may come back before anyone looks.
    other.check("FLUSHALL\n XGROUP CREATE s g $ MKSTREAM => +OK");
    let mut client = waiting.add("XREADGROUP GROUP g c BLOCK 0 STREAMS s >");
    other.check("MULTI\n DEL s\n XGROUP CREATE s g 0 MKSTREAM\n EXEC => *2 :1 +OK");
    assert!(other.ask("INFO clients").contains("blocked_clients:1\r\n"));
    other.check("XADD s 1-1 a b => $3 1-1");
    assert_eq!(shown(client.reply()), "*1 *2 $1 s *1 *2 $3 1-1 *2 $1 a $1 b");
}

/// A pause may hold back a command that had its turn; it waits no longer for that.
#[test]
fn a_command_that_a_pause_held_back_keeps_its_deadline() {
    let server = Server::start(&[]);
    let mut waiting = Waiting::new(&server);
    let mut other = server.connect();
    let mut first = waiting.add("BLPOP k 0");
    let began = Instant::now();
    let mut second = waiting.add("BLPOP k 0.4");
    other.check("MULTI\n RPUSH k 1\n CLIENT PAUSE 100000 WRITE\n EXEC => *2 :1 +OK");
    wait_until("the time of the second is over", || began.elapsed() > Duration::from_millis(500));
    other.check("CLIENT UNPAUSE => +OK");
    assert_eq!(shown(first.reply()), "*2 $1 k $1 1");
    // Had it begun anew, it would wait longer than this one.
    other.check("BLPOP none 0.2 => *-1");
    assert!(other.ask("INFO clients").contains("blocked_clients:0\r\n"));
    assert_eq!(second.reply(), "*-1\r\n");
}

#[test]
fn a_reply_that_is_not_wanted() {
    let server = Server::start(&[]);
    let mut waiting = Waiting::new(&server);
    let mut other = server.connect();
    let mut client = server.connect();
    client.send(b"CLIENT REPLY SKIP\r\nWAIT 1 1\r\nPING\r\n");
    assert_eq!(client.reply(), "+PONG\r\n");
    client.send(b"CLIENT REPLY SKIP\r\nBLPOP k 0\r\nPING\r\n");
    waiting.until(1);
    other.check("RPUSH k 1 => :1");
    assert_eq!(client.reply(), "+PONG\r\n");
    client.send(b"CLIENT REPLY OFF\r\nBLPOP k 0.01\r\nCLIENT REPLY ON\r\n");
    assert_eq!(client.reply(), "+OK\r\n");
}

#[test]
fn a_key_that_expired_within_the_transaction_serves_nobody() {
    let (server, mut client) = server_and_client();
    let mut waiting = server.connect();
    waiting.send(b"BRPOP k 0\r\n");
    wait_until("it waits", || client.info("blocked_clients") == "1");
    client.check("MULTI => +OK\n RPUSH k v => +QUEUED\n PEXPIRE k 20 => +QUEUED\n DEBUG SLEEP 0.05 => +QUEUED");
    client.check("EXEC => *3 :1 :1 +OK");
    assert_eq!(client.info("blocked_clients"), "1");
    client.check("RPUSH k w => :1");
    assert_eq!(waiting.reply(), "*2\r\n$1\r\nk\r\n$1\r\nw\r\n");
}

/// What a client that waits sends further is read meanwhile, however much it is.
#[test]
fn those_who_wait_are_read() {
    let (server, mut control) = server_and_client();
    let pings = b"PING\r\n".repeat(100_000);
    let mut gone = server.connect();
    gone.send(&encode(&[b"BLPOP", b"q", b"0"]));
    gone.send(&pings);
    drop(gone);
    // That it is gone shows only behind what it sent.
    wait_until("nobody waits", || control.info("blocked_clients") == "0");
    control.check("RPUSH q job => :1\n LLEN q => :1\n DEL q => :1");

    let mut client = server.connect();
    client.send(&encode(&[b"BLPOP", b"q", b"0"]));
    client.send(&pings);
    control.check("RPUSH q job => :1");
    assert_eq!(client.reply(), "*2\r\n$1\r\nq\r\n$3\r\njob\r\n");
    (0..100_000).for_each(|_| assert_eq!(client.reply(), "+PONG\r\n"));

    control.check("CONFIG SET client-query-buffer-limit 1mb => +OK");
    client.send(&encode(&[b"BLPOP", b"q", b"0"]));
    client.send_as_far_as_possible(&b"PING\r\n".repeat(400_000));
    assert_eq!(client.until_closed(b""), "");

    let mut client = server.connect();
    control.check("CLIENT PAUSE 100000 WRITE => +OK");
    client.send(&encode(&[b"SET", b"long", &vec![b'x'; 1_000_000]])[..500_000]);
    client.check("");
    client.send(&encode(&[b"SET", b"long", &vec![b'x'; 1_000_000]])[500_000..]);
    client.send(&encode(&[b"SET", b"longer", &vec![b'y'; 900_000]]));
    control.check("CLIENT UNPAUSE => +OK");
    assert_eq!([client.reply(), client.reply()], ["+OK\r\n", "+OK\r\n"]);
    control.check("STRLEN long => :1000000\n STRLEN longer => :900000");
}
