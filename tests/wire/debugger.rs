//! SCRIPT DEBUG: what the debugger says is what Redis's says, to the byte, but for its help.

use crate::harness::*;

const MODES: [&str; 2] = ["YES", "SYNC"];

/// Begins a session, with one key, `k`, and one argument, `v`.
fn start(client: &mut Client, mode: &str, script: &str) {
    assert_eq!(client.ask(&format!("SCRIPT DEBUG {mode}")), "+OK\r\n");
    client.send(&encode(&[b"EVAL", script.as_bytes(), b"1", b"k", b"v"]));
}

/// The lines that a session says next.
fn said(client: &mut Client) -> Vec<String> {
    let reply = client.reply();
    let mut lines = reply.split_terminator("\r\n");
    assert!(lines.next().is_some_and(|head| head.starts_with('*')), "{reply:?}");
    lines.map(|line| line.strip_prefix('+').unwrap_or_else(|| panic!("{reply:?}")).to_owned()).collect()
}

/// Runs a whole session in both modes. Each line of `dialog` that begins with `>` is a request, the others are what
/// is said; what follows the session is the reply, where `|` stands for `\r\n`.
fn check_session(script: &str, dialog: &str, reply: &str) {
    let server = Server::start(&[]);
    for mode in MODES {
        let mut client = server.connect();
        start(&mut client, mode, script);
        let mut expected = Vec::new();
        let mut request = "EVAL";
        for line in dialog.lines().map(|line| line.strip_prefix("        ").unwrap_or(line)).filter(|l| !l.is_empty()) {
            match line.strip_prefix("> ") {
                Some(next) => {
                    assert_eq!(said(&mut client), std::mem::take(&mut expected), "{mode} {request}");
                    client.send(&encode(&next.split(' ').map(str::as_bytes).collect::<Vec<_>>()));
                    request = next;
                }
                None => expected.push(line.to_owned()),
            }
        }
        assert_eq!(said(&mut client), expected, "{mode} {request}");
        assert_eq!(client.until_closed(b""), reply.replace('|', "\r\n") + "\r\n", "{mode}");
        server.connect().ask("FLUSHALL");
    }
}

#[test]
fn steps() {
    let script = "local a = 1\nlocal b = {1,2,x='y'}\nlocal r = redis.call('set', KEYS[1], ARGV[1])\n\
                  local function f(n)\n  local z = n * 2\n  return z\nend\n\n-- comment\nlocal c = f(21)\n\
                  redis.debug('hello', a, b, nil, true)\nfor i = 1, 2 do\n  a = a + i\nend\nreturn {a, b, r, c}\n";
    let dialog = "
        * Stopped at 1, stop reason = step over
        -> 1   local a = 1
        > list
        -> 1   local a = 1
           2   local b = {1,2,x='y'}
           3   local r = redis.call('set', KEYS[1], ARGV[1])
           4   local function f(n)
           5     local z = n * 2
           6     return z
        > list 8 1
           7   end
           8   
           9   -- comment
        > print
        No local variables in the current context.
        > step
        * Stopped at 2, stop reason = step over
        -> 2   local b = {1,2,x='y'}
        > S
        * Stopped at 3, stop reason = step over
        -> 3   local r = redis.call('set', KEYS[1], ARGV[1])
        > print
        <value> a = 1
        <value> b = {[1]=1; [2]=2; [\"x\"]=\"y\"}
        > p b
        <value> {[1]=1; [2]=2; [\"x\"]=\"y\"}
        > next
        <redis> set k v
        <reply> \"+OK\"
        * Stopped at 7, stop reason = step over
        -> 7   end
        > n
        * Stopped at 10, stop reason = step over
        -> 10  local c = f(21)
        > s
        * Stopped at 5, stop reason = step over
        -> 5     local z = n * 2
        > s
        * Stopped at 6, stop reason = step over
        -> 6     return z
        > p
        <value> n = 21
        <value> z = 42
        > p a
        <value> 1
        > p nosuch
        No such variable.
        > trace
        In f:
        -> 6     return z
        From top level:
           10  local c = f(21)
        > s
        * Stopped at 11, stop reason = step over
        -> 11  redis.debug('hello', a, b, nil, true)
        > s
        <debug> line 11: \"hello\", 1, {[1]=1; [2]=2; [\"x\"]=\"y\"}, nil, true
        * Stopped at 12, stop reason = step over
        -> 12  for i = 1, 2 do
        > bogus
        <error> Unknown Redis Lua debugger command or wrong number of arguments.
        > continue
        <endsession>
";
    check_session(script, dialog, "*4|:4|*2|:1|:2|+OK|:42");
}

#[test]
fn breakpoints() {
    let script = "local a = 1\nlocal b = 2\nlocal x = redis.breakpoint()\nlocal c = 3\nreturn {x, c}";
    let dialog = "
        * Stopped at 1, stop reason = step over
        -> 1   local a = 1
        > break
        No breakpoints set. Use 'b <line>' to add one.
        > b 2 1
        -> 1   local a = 1
          #2   local b = 2
           3   local x = redis.breakpoint()
        ->#1   local a = 1
          #2   local b = 2
        > b
        2 breakpoints set:
          #2   local b = 2
        ->#1   local a = 1
        > b 2 6 x -1 -4
        Wrong line number.
        Wrong line number.
        Invalid argument:'x'
        Breakpoint removed.
        No breakpoint in the specified line.
        > c
        * Stopped at 2, stop reason = break point
        ->#2   local b = 2
        > w
           1   local a = 1
        ->#2   local b = 2
           3   local x = redis.breakpoint()
           4   local c = 3
           5   return {x, c}
        > b 0
        All breakpoints removed.
        > c
        * Stopped at 4, stop reason = redis.breakpoint() called
        -> 4   local c = 3
        > p x
        <value> true
        > c
        <endsession>
";
    check_session(script, dialog, "*2|:1|:3");
    let many = "b ".to_owned() + &(1..=65).map(|line| line.to_string()).collect::<Vec<_>>().join(" ");
    let server = Server::start(&[]);
    let mut client = server.connect();
    start(&mut client, "YES", &("\n".repeat(70) + "return 1"));
    said(&mut client);
    client.send(&encode(&many.split(' ').map(str::as_bytes).collect::<Vec<_>>()));
    assert_eq!(said(&mut client).last().unwrap(), "Too many breakpoints set.");
}

#[test]
fn values_and_code() {
    let script = "local t = {1, {2, {3}}, k={v=1}}\nlocal s = 'a\\0b\"c\\r\\n\\255'\nlocal deep = {}\ndeep.t = deep\n\
                  return redis.status_reply('FINE')";
    let max = "<max recursion level reached! Nested table?>";
    let deep = format!("{}{{[{max}]={max}}}{}", "{[\"t\"]=".repeat(9), "}".repeat(9));
    let dialog = format!(
        "
        * Stopped at 1, stop reason = step over
        -> 1   local t = {{1, {{2, {{3}}}}, k={{v=1}}}}
        > b 5
           4   deep.t = deep
          #5   return redis.status_reply('FINE')
        > c
        * Stopped at 5, stop reason = break point
        ->#5   return redis.status_reply('FINE')
        > p t
        <value> {{[1]=1; [2]={{2; {{3}}}}; [\"k\"]={{[\"v\"]=1}}}}
        > p s
        <value> \"a\\x00b\\\"c\\r\\n\\xff\"
        > m 0
        <value> replies are unlimited.
        > p deep
        <value> {deep}
        > p KEYS
        <value> {{\"k\"}}
        > p ARGV
        <value> {{\"v\"}}
        > e 1+1
        <retval> 2
        > eval local x = 5 return x, 6
        <retval> 5
        > e 2^53
        <retval> 9.0072e+15
        > e 1/0
        <retval> inf
        > e 0/0
        <retval> -nan
        > e nil
        <retval> nil
        > e t
        <error> ldb_eval:1: Script attempted to access nonexistent global variable 't'
        > e error(\"boom\")
        <error> ldb_eval:1: boom
        > e error({{err=\"boom\"}})
        <error> boom
        > e error({{1}})
        <error> {{1}}
        > e error()
        <error> nil
        > e redis.call(\"nosuch\")
        <error> ERR Unknown Redis command called from script
        > e (
        <error> ldb_eval:1: unexpected symbol near '<eof>'
        > e redis.breakpoint()
        <retval> true
        > e redis.debug(1,\"a\")
        <debug> line 1: 1, \"a\"
        <retval> nil
        > e
        <retval> nil
        > c
        <endsession>
"
    );
    check_session(script, &dialog, "+FINE");
}

#[test]
fn commands_and_replies() {
    let script = "redis.setresp(3)\nredis.pcall('lpush','x')\nreturn 1";
    let dialog = "
        * Stopped at 1, stop reason = step over
        -> 1   redis.setresp(3)
        > r set n 7
        <redis> set n 7
        <reply> \"+OK\"
        > redis incr n
        <redis> incr n
        <reply> 8
        > r get n
        <redis> get n
        <reply> \"8\"
        > r get nosuch
        <redis> get nosuch
        <reply> NULL
        > r mget n nosuch
        <redis> mget n nosuch
        <reply> [\"8\",NULL]
        > r lpush n x
        <redis> lpush n x
        <error> -WRONGTYPE Operation against a key holding the wrong kind of value
        <reply> \"-WRONGTYPE Operation against a key holding the wrong kind of value\"
        > r nosuch
        <redis> nosuch
        <error> Unknown Redis command called from script
        > r get
        <redis> get
        <error> Wrong number of args calling Redis command from script
        > r config get maxmemory
        <redis> config get maxmemory
        <error> This Redis command is not allowed from script
        > r
        <error> Unknown Redis Lua debugger command or wrong number of arguments.
        > r rpush l 1 2 3 4 5 6 7 8 9 10
        <redis> rpush l 1 2 3 4 5 6 7 8 ... (1 more)
        <reply> 10
        > s
        * Stopped at 2, stop reason = step over
        -> 2   redis.pcall('lpush','x')
        > s
        <redis> lpush x
        <error> Wrong number of args calling Redis command from script
        * Stopped at 3, stop reason = step over
        -> 3   return 1
        > r hset h f v
        <redis> hset h f v
        <reply> 1
        > r hgetall h
        <redis> hgetall h
        <reply> {\"f\" => \"v\"}
        > r get nosuch
        <redis> get nosuch
        <reply> (null)
        > r smembers nosuch
        <redis> smembers nosuch
        <reply> ~()
        > r zadd z incr 1.5 m
        <redis> zadd z incr 1.5 m
        <reply> (double) 1.5
        > c
        <endsession>
";
    check_session(script, dialog, ":1");
}

#[test]
fn long_values_are_cut() {
    let (many, fewer) = ("x".repeat(247), "x".repeat(91));
    let dialog = format!(
        "
        * Stopped at 1, stop reason = step over
        -> 1   local s = string.rep('x', 500)
        > maxlen
        <value> replies are truncated at 256 bytes.
        > s
        * Stopped at 2, stop reason = step over
        -> 2   return 1
        > p s
        <value> \"{many} ...
        <hint> The above reply was trimmed. Use 'maxlen 0' to disable trimming.
        > p s
        <value> \"{many} ...
        > m 100
        <value> replies are truncated at 100 bytes.
        > p s
        <value> \"{fewer} ...
        > m 10
        <value> replies are truncated at 60 bytes.
        > m 0
        <value> replies are unlimited.
        > p s
        <value> \"{}\"
        > c
        <endsession>
",
        "x".repeat(500)
    );
    check_session("local s = string.rep('x', 500)\nreturn 1", &dialog, ":1");
}

#[test]
fn how_sessions_end() {
    let sha = "244be37c1f8ed45e054c1ef51e526094b2ba2725";
    let script = "redis.call('set','ab','1')\nredis.call('incr','ab')\nreturn 5";
    let dialog = "
        * Stopped at 1, stop reason = step over
        -> 1   redis.call('set','ab','1')
        > s
        <redis> set ab 1
        <reply> \"+OK\"
        * Stopped at 2, stop reason = step over
        -> 2   redis.call('incr','ab')
        > abort
        <endsession>
";
    let aborted = format!("-ERR script aborted for user request script: {sha}, on @user_script:2.");
    check_session(script, dialog, &aborted);
    let refused = "-ERR Error compiling script (new function): user_script:1: unexpected symbol near '='";
    check_session("local a = = 1", "\n        <endsession>\n", refused);
    let dialog = "
        * Stopped at 1, stop reason = step over
        -> 1   redis.call('set','ab','1')
        > b 3
           2   local ok, e = pcall(function()
          #3    redis.call('incr','ab')
           4    return 1
        > c
        * Stopped at 3, stop reason = break point
        ->#3    redis.call('incr','ab')
        > a
        <endsession>
";
    let script = "redis.call('set','ab','1')\nlocal ok, e = pcall(function()\n redis.call('incr','ab')\n return 1\nend)\n\
                  return e";
    check_session(script, dialog, "$35|ERR script aborted for user request");
    let server = Server::start(&[]);
    for broken in ["step\r\n", "*1\r\n:1\r\n", "*1\r\n$100000\r\n"] {
        let mut client = server.connect();
        start(&mut client, "YES", "return 1");
        said(&mut client);
        let end = client.until_closed(broken.as_bytes());
        assert!(end.starts_with("*1\r\n+<endsession>\r\n-ERR protocol error script: "), "{end:?}");
    }
}

#[test]
fn a_loop_without_end_is_stopped() {
    let server = Server::start(&["--busy-reply-threshold", "50"]);
    for mode in MODES {
        let mut client = server.connect();
        start(&mut client, mode, "local n = 0\nwhile true do n = n + 1 end");
        said(&mut client);
        client.send(&encode(&[b"c"]));
        assert_eq!(said(&mut client)[0], "* Stopped at 2, stop reason = timeout reached, infinite loop?");
        client.send(&encode(&[b"s"]));
        assert_eq!(said(&mut client)[0], "* Stopped at 2, stop reason = step over");
        // Without its client it has not much longer to live.
        client.send(&encode(&[b"c"]));
        drop(client);
        assert_eq!(server.connect().ask("PING"), "+PONG\r\n");
    }
}

#[test]
fn a_script_that_catches_everything_ends_without_its_client() {
    let server = Server::start(&["--busy-reply-threshold", "50"]);
    for mode in MODES {
        let mut client = server.connect();
        start(&mut client, mode, "while true do\n pcall(function() while true do end end)\nend");
        said(&mut client);
        client.send(&encode(&[b"c"]));
        drop(client);
        assert_eq!(server.connect().ask("PING"), "+PONG\r\n");
    }
}

#[test]
fn replies_before_a_session_come_first() {
    let server = Server::start(&[]);
    for mode in MODES {
        let mut client = server.connect();
        client.ask(&format!("SCRIPT DEBUG {mode}"));
        client.send(b"PING\r\nEVAL return(1) 0\r\n");
        assert_eq!(client.reply(), "+PONG\r\n", "{mode}");
        assert_eq!(said(&mut client)[0], "* Stopped at 1, stop reason = step over", "{mode}");
        client.send(&encode(&[b"c"]));
        assert_eq!(client.until_closed(b""), "*1\r\n+<endsession>\r\n:1\r\n", "{mode}");
    }
}

#[test]
fn a_forked_session_changes_nothing() {
    let server = Server::start(&["--appendonly", "yes"]);
    let (mut client, mut other) = (server.connect(), server.connect());
    start(&mut client, "YES", "redis.call('set', KEYS[1], ARGV[1])\nreturn redis.call('get', KEYS[1])");
    said(&mut client);
    assert_eq!(other.ask("SET other 1"), "+OK\r\n");
    client.send(&encode(&[b"s"]));
    assert_eq!(said(&mut client)[..2], ["<redis> set k v", "<reply> \"+OK\""]);
    assert_eq!(other.ask("GET k"), "$-1\r\n");
    client.send(&encode(&[b"r", b"get", b"other"]));
    assert_eq!(said(&mut client)[1], "<reply> NULL");
    assert_eq!(other.ask("CLIENT LIST").matches("id=").count(), 1);
    client.send(&encode(&[b"c"]));
    assert_eq!(said(&mut client), ["<endsession>"]);
    assert_eq!(client.until_closed(b""), "$1\r\nv\r\n");
    assert_eq!(other.ask("DBSIZE"), ":1\r\n");
    assert_eq!(other.ask("DEBUG LOADAOF"), "+OK\r\n");
    assert_eq!(other.ask("DBSIZE"), ":1\r\n");
    // Its process is no longer there.
    let children = format!("/proc/{0}/task/{0}/children", server.pid());
    wait_until("the session is gone", || std::fs::read_to_string(&children).is_ok_and(|list| list.trim().is_empty()));
}

#[test]
fn sessions_end_with_the_server() {
    let mut server = Server::start(&[]);
    let mut client = server.connect();
    start(&mut client, "YES", "return 1");
    said(&mut client);
    server.connect().send(b"SHUTDOWN NOSAVE\r\n");
    server.wait();
    assert_eq!(client.until_closed(b""), "");
}

#[test]
fn a_session_in_sync_keeps_its_changes() {
    let server = Server::start(&[]);
    let (mut client, mut other) = (server.connect(), server.connect());
    start(&mut client, "SYNC", "redis.call('set', 'a', 1)\nredis.call('set', 'b', 2)\nreturn 1");
    said(&mut client);
    // Everybody waits; once the client is gone, the script runs to its end.
    other.send(b"MGET a b\r\n");
    drop(client);
    assert_eq!(other.reply(), "*2\r\n$1\r\n1\r\n$1\r\n2\r\n");
}

#[test]
fn when_scripts_are_debugged() {
    let server = Server::start(&[]);
    for mode in MODES {
        let mut client = server.connect();
        client.send(format!("PING\r\nSCRIPT DEBUG {mode}\r\nMULTI\r\nSCRIPT DEBUG {mode}\r\nEXEC\r\n").as_bytes());
        let outside = "-ERR SCRIPT DEBUG must be called outside a pipeline\r\n";
        for reply in ["+PONG\r\n", outside, "+OK\r\n", "+QUEUED\r\n", &format!("*1\r\n{outside}")] {
            assert_eq!(client.reply(), reply);
        }
        client.check("SCRIPT DEBUG maybe => -ERR_Use_SCRIPT_DEBUG_YES/SYNC/NO");
        client.check("EVAL return(1) 0 => :1");
        client.ask(&format!("SCRIPT DEBUG {mode}"));
        let sha = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db";
        client.check(&format!("EVALSHA {sha} 0 => -ERR_Please_use_EVAL_instead_of_EVALSHA_for_debugging"));
        client.check("SCRIPT DEBUG no => +OK\nEVAL return(1) 0 => :1");
        client.ask(&format!("SCRIPT DEBUG {mode}"));
        // A session there would be that of the others' commands as well.
        client.check("MULTI => +OK\nEVAL return(1) 0 => +QUEUED\nSET a 1 => +QUEUED");
        assert_eq!(client.ask("EXEC"), "*2\r\n-ERR Can't debug a script within a transaction\r\n+OK\r\n");
        let mut client = server.connect();
        client.ask(&format!("SCRIPT DEBUG {mode}"));
        client.send(b"EVAL return(1) x\r\n");
        assert_eq!(said(&mut client), ["<endsession>"]);
        assert_eq!(client.until_closed(b""), "-ERR value is not an integer or out of range\r\n");
        let mut client = server.connect();
        client.ask("HELLO 3");
        start(&mut client, mode, "return {1, {map={a=1}}, false}");
        said(&mut client);
        client.send(&encode(&[b"help"]));
        assert_eq!(said(&mut client)[0], "Redis Lua debugger help:");
        client.send(&encode(&[b"c"]));
        said(&mut client);
        assert_eq!(client.until_closed(b""), "*3\r\n:1\r\n%1\r\n$1\r\na\r\n:1\r\n_\r\n");
    }
}
