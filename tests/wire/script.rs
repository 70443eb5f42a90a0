//! EVAL and its kin, SCRIPT, and what scripts see: replies are those of Redis 7.2.4 to the byte.

use crate::harness::*;

/// Runs a script with one key, `k`, and one argument, `a`; the reply is shown as in [`check`].
fn eval(client: &mut Client, script: &str) -> String {
    shown(client.ask_args(&[b"EVAL", script.as_bytes(), b"1", b"k", b"a"]))
}

fn shown(reply: String) -> String {
    reply.strip_suffix("\r\n").unwrap_or(&reply).replace(' ', "_").replace("\r\n", " ")
}

/// Each script with its reply; a `~` at its end stands for ` script: <its SHA-1>, on @user_script:1.`
fn check_all(client: &mut Client, cases: &[(&str, &str)]) {
    for (script, expected) in cases {
        let sha = shown(client.ask_args(&[b"EVAL", b"return redis.sha1hex(ARGV[1])", b"0", script.as_bytes()]));
        let position = format!("_script:_{},_on_@user_script:1.", sha.trim_start_matches("$40 "));
        assert_eq!(
            eval(client, script),
            expected.strip_suffix('~').map_or(expected.to_string(), |text| text.to_owned() + &position),
            "{script}"
        );
    }
}

#[test]
fn values_become_replies() {
    let cases = [
        ("return 3.99", ":3"),
        ("return -3.99", ":-3"),
        ("return 1e30", ":-9223372036854775808"),
        ("return 'a'", "$1 a"),
        ("return true", ":1"),
        ("return false", "$-1"),
        ("return", "$-1"),
        ("return {}", "*0"),
        ("return {1,nil,3}", "*1 :1"),
        ("return {1,2,{3,'a',{ok='b'},{err='c'}}}", "*3 :1 :2 *4 :3 $1 a +b -c"),
        ("return {1,function() end,2}", "*3 :1 $-1 :2"),
        ("return {ok='a\\r\\nb'}", "+a__b"),
        ("return {err='x y'}", "-x_y"),
        ("return {err=3,1}", "*1 :1"),
        ("return {double=3.5}", "$3 3.5"),
        ("return {map={a=1}}", "*2 $1 a :1"),
        ("return {set={a=true}}", "*1 $1 a"),
        ("return {big_number='1\\r\\n23'}", "$5 1__23"),
        ("return {verbatim_string={format='txt',string='hello'}}", "$5 hello"),
        ("return setmetatable({},{__index=function(t,k) return 1 end})", "*0"),
        ("return {KEYS[1],ARGV[1],#KEYS,#ARGV}", "*4 $1 k $1 a :1 :1"),
        ("return redis.status_reply('FINE')", "+FINE"),
        ("return redis.error_reply('CODE text')", "-CODE_text"),
        ("return redis.error_reply('-CODE text')", "-CODE_text"),
        ("return redis.error_reply('text')", "-ERR_text"),
        ("return redis.error_reply()", "-ERR_wrong_number_or_type_of_arguments"),
    ];
    let (_server, mut client) = server_and_client();
    check_all(&mut client, &cases);
    client.ask("HELLO 3");
    let cases = [
        ("return true", ":1"),
        ("return false", "_"),
        ("redis.setresp(3) return {true,false}", "*2 #t #f"),
        ("return {double=3.5}", ",3.5"),
        ("return {map={a=1}}", "%1 $1 a :1"),
        ("return {set={a=true}}", "~1 $1 a"),
        ("return {big_number='123'}", "(123"),
        ("return {verbatim_string={format='markdown',string='hello'}}", "=9 mar:hello"),
    ];
    check_all(&mut client, &cases);
}

#[test]
fn replies_become_values() {
    let (_server, mut client) = server_and_client();
    client.check("SET s text\n RPUSH list a b\n HSET hash f v\n SADD set m\n ZADD zset 1.5 m");
    let cases = [
        ("return type(redis.call('get','s'))", "$6 string"),
        ("return redis.call('get','none') == false", ":1"),
        ("return redis.call('set','x',1).ok", "$2 OK"),
        ("return type(redis.call('incr','x'))", "$6 number"),
        ("return redis.call('lrange','list',0,-1)", "*2 $1 a $1 b"),
        ("return redis.pcall('incr','s').err", "$43 ERR_value_is_not_an_integer_or_out_of_range"),
        ("redis.setresp(3) return redis.call('hgetall','hash').map.f", "$1 v"),
        ("redis.setresp(3) return redis.call('smembers','set').set.m", ":1"),
        ("redis.setresp(3) return tostring(redis.call('zscore','zset','m').double)", "$3 1.5"),
        ("redis.setresp(3) return redis.call('get','none') == nil", ":1"),
        ("redis.setresp(3) return redis.call('zrange','zset',0,-1,'withscores')", "*1 *2 $1 m $3 1.5"),
        // Numbers on their way into a command.
        ("redis.call('set','n',2^53-1) return redis.call('get','n')", "$16 9007199254740991"),
        ("redis.call('set','n',0.1) return redis.call('get','n')", "$3 0.1"),
        ("redis.call('set','n',1e20) return redis.call('get','n')", "$5 1e+20"),
        ("redis.call('set','n',-1/0) return redis.call('get','n')", "$4 -inf"),
        ("return #redis.call('ping',string.rep('x',100000))", ":100000"),
    ];
    check_all(&mut client, &cases);
}

#[test]
fn errors_say_where_they_were_raised() {
    let (_server, mut client) = server_and_client();
    client.check("SET s text");
    let cases = [
        ("return redis.call('incr','s')", "-ERR_value_is_not_an_integer_or_out_of_range~"),
        ("return redis.pcall('incr','s')", "-ERR_value_is_not_an_integer_or_out_of_range"),
        ("return redis.call('lpush','s','x')", "-WRONGTYPE_Operation_against_a_key_holding_the_wrong_kind_of_value~"),
        ("error('x')", "-ERR_user_script:1:_x~"),
        ("error('x',0)", "-ERR_x~"),
        ("error({err='MY x'})", "-MY_x~"),
        ("error({3})", "-ERR_unknown_error~"),
        ("error()", "-ERR_nil~"),
        ("local a = nil; return a.b", "-ERR_user_script:1:_attempt_to_index_local_'a'_(a_nil_value)~"),
        ("string.rep()", "-ERR_user_script:1:_bad_argument_#1_to_'rep'_(string_expected,_got_no_value)~"),
        ("for _ in pairs(nil) do end", "-ERR_user_script:1:_bad_argument_#1_to_'pairs'_(table_expected,_got_nil)~"),
        ("table.sort({3,1,'a'})", "-ERR_attempt_to_compare_string_with_number~"),
        ("local function f() return f() + 1 end return f()", "-ERR_user_script:1:_stack_overflow~"),
        ("return redis.call()", "-ERR_Please_specify_at_least_one_argument_for_this_redis_lib_call~"),
        ("return redis.call('get',{})", "-ERR_Lua_redis_lib_command_arguments_must_be_strings_or_integers~"),
        ("return redis.call('nosuch')", "-ERR_Unknown_Redis_command_called_from_script~"),
        ("return redis.call('object','nosuch')", "-ERR_Unknown_Redis_command_called_from_script~"),
        ("return redis.call('get')", "-ERR_Wrong_number_of_args_calling_Redis_command_from_script~"),
        ("return redis.call('multi')", "-ERR_This_Redis_command_is_not_allowed_from_script~"),
        ("return redis.call('eval','return 1',0)", "-ERR_This_Redis_command_is_not_allowed_from_script~"),
        (
            "return redis.call('xread','block',0,'streams','s','$')",
            "-ERR_xread_command_is_not_allowed_with_BLOCK_option_from_scripts~",
        ),
        ("return redis.call('blpop','none',0)", "$-1"),
        ("return redis.sha1hex()", "-ERR_wrong_number_of_arguments~"),
        ("return redis.log(9,'x')", "-ERR_Invalid_debug_level.~"),
        ("return redis.setresp(4)", "-ERR_RESP_version_must_be_2_or_3.~"),
        (
            "return redis.set_repl(9)",
            "-ERR_Invalid_replication_flags._Use_REPL_AOF,_REPL_REPLICA,_REPL_ALL_or_REPL_NONE.~",
        ),
        ("x y", "-ERR_Error_compiling_script_(new_function):_user_script:1:_'='_expected_near_'y'"),
        (
            "return {pcall(function() return redis.call('incr','s') end)}",
            "*2 $-1 $43 ERR_value_is_not_an_integer_or_out_of_range",
        ),
        ("return {pcall(cjson.decode,'x')}", "*2 $-1 $53 Expected_value_but_found_invalid_token_at_character_1"),
        (
            "return {xpcall(function() redis.call('incr','s') end, function(e) return e.err end)}",
            "*2 $-1 $43 ERR_value_is_not_an_integer_or_out_of_range",
        ),
        (
            "return {coroutine.resume(coroutine.create(function() redis.call('incr','s') end))}",
            "*2 $-1 -ERR_value_is_not_an_integer_or_out_of_range",
        ),
    ];
    check_all(&mut client, &cases);
    assert_eq!(
        eval(&mut client, "\n\n\nerror('x')").split("_script:_").next(),
        Some("-ERR_user_script:4:_x"),
        "lines are counted"
    );
}

#[test]
fn the_sandbox_holds() {
    const READONLY: &str = "-ERR_user_script:1:_Attempt_to_modify_a_readonly_table~";
    const READONLY_ARGUMENT: &str = "-ERR_Attempt_to_modify_a_readonly_table~";
    let (_server, mut client) = server_and_client();
    let mut cases = vec![
        ("foo = 1", READONLY),
        ("_G.foo = 1", READONLY),
        ("redis = 1", READONLY),
        ("redis.call = 1", READONLY),
        ("string.x = 1", READONLY),
        ("cjson.encode = 1", READONLY),
        ("getmetatable(_G).__index = {}", READONLY),
        ("getmetatable('').__index = {}", READONLY),
        ("setmetatable(_G, {})", READONLY_ARGUMENT),
        ("setmetatable(redis, {})", READONLY_ARGUMENT),
        ("rawset(_G, 'a', 1)", READONLY_ARGUMENT),
        ("rawset(redis, 'a', 1)", READONLY_ARGUMENT),
        ("table.insert(redis, 1)", READONLY_ARGUMENT),
        ("table.insert(_G, 1)", READONLY_ARGUMENT),
        ("table.remove(redis)", READONLY_ARGUMENT),
        ("table.sort(cjson)", READONLY_ARGUMENT),
        ("local t = {2, 1} table.insert(t, 3) table.insert(t, 1, 0) table.sort(t) return table.remove(t)", ":3"),
        ("for k in pairs(redis) do end local f, s = pairs(redis) s.x = 1", READONLY),
        ("return getmetatable(redis) == nil", ":1"),
        ("return rawget(_G, 'redis') == redis", ":1"),
        ("return next(redis) ~= nil", ":1"),
        ("return redis.nosuch", "$-1"),
        ("return loadstring(string.dump(function() return 1 end)) == nil", ":1"),
        ("return load(function() return nil end)()", "$-1"),
        ("return loadstring('return 5')()", ":5"),
        ("return type(os.clock()) .. type(os.time)", "$9 numbernil"),
    ];
    let missing: Vec<(String, String)> =
        ["foo", "print", "dofile", "loadfile", "require", "io", "package", "debug", "newproxy", "setfenv", "module"]
            .iter()
            .map(|name| {
                let error = "Script_attempted_to_access_nonexistent_global_variable";
                (format!("return {name}"), format!("-ERR_user_script:1:_{error}_'{name}'~"))
            })
            .collect();
    cases.extend(missing.iter().map(|(script, error)| (&script[..], &error[..])));
    check_all(&mut client, &cases);
    // Nothing that a script did is left for the next.
    client.ask_args(&[b"EVAL", b"pcall(function() leak = 1 end) pcall(rawset, redis, 'leak', 1)", b"0"]);
    assert_eq!(eval(&mut client, "return redis.leak"), "$-1");
}

#[test]
fn the_cache() {
    let (_server, mut client) = server_and_client();
    client.check(
        "EVALSHA a27e7e8a43702b7046d4f6a7ccf5b60cef6b9bd9 0 => -NOSCRIPT_No_matching_script._Please_use_EVAL.
         EVALSHA short 0 => -NOSCRIPT_No_matching_script._Please_use_EVAL.
         SCRIPT FLUSH SYNC x => -ERR_unknown_subcommand_or_wrong_number_of_arguments_for_'FLUSH'._Try_SCRIPT_HELP.
         SCRIPT FLUSH x => -ERR_SCRIPT_FLUSH_only_support_SYNC|ASYNC_option
         SCRIPT KILL => -NOTBUSY_No_scripts_in_execution_right_now.
         SCRIPT DEBUG NO => +OK
         SCRIPT DEBUG x => -ERR_Use_SCRIPT_DEBUG_YES/SYNC/NO",
    );
    assert_eq!(client.ask_args(&[b"EVAL", b"return 1+1", b"0"]), ":2\r\n");
    client.check(
        "SCRIPT EXISTS a27e7e8a43702b7046d4f6a7ccf5b60cef6b9bd9 x => *2 :1 :0
         EVALSHA A27E7E8A43702B7046D4F6A7CCF5B60CEF6B9BD9 0 => :2
         EVALSHA_RO a27e7e8a43702b7046d4f6a7ccf5b60cef6b9bd9 0 => :2
         EVALSHA a27e7e8a43702b7046d4f6a7ccf5b60cef6b9bd9 x => -ERR_value_is_not_an_integer_or_out_of_range
         EVALSHA a27e7e8a43702b7046d4f6a7ccf5b60cef6b9bd9 1 => -ERR_Number_of_keys_can't_be_greater_than_number_of_args
         EVALSHA a27e7e8a43702b7046d4f6a7ccf5b60cef6b9bd9 -1 => -ERR_Number_of_keys_can't_be_negative",
    );
    assert_eq!(client.info("number_of_cached_scripts"), "1");
    assert!(client.info("used_memory_lua").parse::<usize>().unwrap() > 10_000);
    client.check(
        "SCRIPT FLUSH ASYNC => +OK
         EVALSHA a27e7e8a43702b7046d4f6a7ccf5b60cef6b9bd9 0 => -NOSCRIPT_No_matching_script._Please_use_EVAL.",
    );
    // What SCRIPT LOAD brought stays, however many scripts EVAL brings.
    let loaded = client.ask_args(&[b"SCRIPT", b"LOAD", b"return 'kept'"]);
    let sha = loaded.lines().nth(1).unwrap().to_owned();
    for n in 0..600 {
        assert_eq!(client.ask_args(&[b"EVAL", format!("return {n}").as_bytes(), b"0"]), format!(":{n}\r\n"));
    }
    assert_eq!(client.ask(&format!("EVALSHA {sha} 0")), "$4\r\nkept\r\n");
    assert_eq!(client.info("number_of_cached_scripts"), "501");
}

#[test]
fn the_first_line_declares_flags() {
    let (_server, mut client) = server_and_client();
    let cases = [
        ("#!lua\nreturn 1", ":1"),
        ("#!lua flags=\nreturn 1", ":1"),
        ("#!lua flags=no-writes,allow-oom\nreturn 1", ":1"),
        ("#!lua 'flags=no-writes'\nreturn 1", ":1"),
        ("#!lua flags=no-writes", "-ERR_Invalid_script_shebang"),
        ("#!lua 'flags=no-writes\nreturn 1", "-ERR_Invalid_engine_in_script_shebang"),
        ("#!python\nreturn 1", "-ERR_Unexpected_engine_in_script_shebang:_#!python"),
        ("#!lua name=x\nreturn 1", "-ERR_Unknown_lua_shebang_option:_name=x"),
        ("#!lua flags=x\nreturn 1", "-ERR_Unexpected_flag_in_script_shebang:_x"),
        ("#!lua flags=no-writes,\nreturn 1", "-ERR_Unexpected_flag_in_script_shebang:_"),
    ];
    check_all(&mut client, &cases);
    let error = "-ERR_Write_commands_are_not_allowed_from_read-only_scripts.";
    for script in [
        "#!lua flags=no-writes\nreturn redis.call('set','a',1)",
        "#!lua flags=no-writes\nreturn redis.call('publish','a','b')",
    ] {
        assert!(eval(&mut client, script).starts_with(error), "{script}");
    }
    let reply = client.ask_args(&[b"EVAL_RO", b"return redis.call('set','a',1)", b"0"]);
    assert!(shown(reply).starts_with(error));
    let reply = client.ask_args(&[b"EVAL_RO", b"#!lua\nreturn 1", b"0"]);
    assert_eq!(reply, "-ERR Can not execute a script with write flag using *_ro command.\r\n");
    client.check("EXISTS a => :0");
}

#[test]
fn state_of_the_caller() {
    let (_server, mut client) = server_and_client();
    client.check("SELECT 3\n SET where three");
    let cases = [
        ("return redis.call('get','where')", "$5 three"),
        ("redis.call('select',4) redis.call('set','where','four') return redis.call('get','where')", "$4 four"),
        ("return redis.call('get','where')", "$5 three"),
    ];
    check_all(&mut client, &cases);
    client.check(
        "GET where => $5 three
         SELECT 4 => +OK
         GET where => $4 four",
    );
}

#[test]
fn in_a_transaction() {
    let (server, mut client) = server_and_client();
    let mut other = server.connect();
    client.check("MULTI\n SET a 1");
    client.ask_args(&[b"EVAL", b"redis.call('incr','a') redis.call('incr','a') return redis.call('get','a')", b"0"]);
    client.ask_args(&[b"EVAL", b"error('x')", b"0"]);
    client.check("INCR a");
    let reply = client.ask("EXEC");
    assert!(reply.starts_with("*4\r\n+OK\r\n$1\r\n3\r\n-ERR user_script:1: x script: "), "{reply}");
    assert!(reply.ends_with("\r\n:4\r\n"), "{reply}");
    client.check("WATCH a");
    other.ask_args(&[b"EVAL", b"redis.call('set','a','changed')", b"0"]);
    client.check("MULTI\n PING\n EXEC => *-1\n GET a => $7 changed");
}

#[test]
fn waiters_are_served_after_the_script() {
    let (server, mut client) = server_and_client();
    let mut waiter = server.connect();
    waiter.send(b"BRPOP list 0\r\n");
    wait_until("it waits", || client.info("blocked_clients") == "1");
    client.ask_args(&[b"EVAL", b"redis.call('lpush','list',1) redis.call('lpush','list',2)", b"0"]);
    assert_eq!(shown(waiter.reply()), "*2 $4 list $1 1");
}

#[test]
fn statistics_count_each_error_once() {
    let (_server, mut client) = server_and_client();
    let count = |client: &mut Client, script: &[u8], error: &str, of_eval: &str| {
        client.check("CONFIG RESETSTAT");
        client.ask_args(&[b"EVAL", script, b"0"]);
        let info = client.ask("INFO everything");
        let line = |start: &str| info.lines().find(|line| line.starts_with(start)).unwrap_or_default().to_owned();
        assert_eq!(line(&format!("errorstat_{error}")), format!("errorstat_{error}:count=1"));
        assert_eq!(line("total_error_replies"), "total_error_replies:1");
        assert!(line("cmdstat_eval:").ends_with(of_eval), "{}", line("cmdstat_eval:"));
    };
    count(&mut client, b"return redis.call('select',99)", "ERR", "failed_calls=1");
    count(&mut client, b"redis.pcall('select',99) return 1", "ERR", "failed_calls=0");
    count(&mut client, b"return redis.pcall('select',99)", "ERR", "failed_calls=1");
    count(&mut client, b"return redis.error_reply('MINE x')", "MINE", "failed_calls=1");
    count(&mut client, b"return redis.call('nosuch')", "ERR", "failed_calls=1");
}

/// Starts a script that does not end, and waits until the server says that it is busy.
fn busy(server: &Server, runs: &mut Client, request: &[&[u8]]) -> Client {
    let mut other = server.connect();
    other.check("CONFIG SET busy-reply-threshold 1 => +OK");
    runs.send(&encode(request));
    wait_until("the script takes too long", || other.ask("PING").starts_with("-BUSY"));
    other
}

#[test]
fn a_script_that_takes_long_can_be_killed() {
    let (server, mut client) = server_and_client();
    for script in [
        "while true do end",
        "local f = function() while true do redis.call('ping') end end while true do pcall(f) end",
        "local f = coroutine.wrap(function() while true do end end) while true do pcall(f) end",
    ] {
        let mut other = busy(&server, &mut client, &[b"EVAL", script.as_bytes(), b"0"]);
        client.send(b"PING\r\n");
        other.check(
            "GET a => -BUSY_Redis_is_busy_running_a_script._You_can_only_call_SCRIPT_KILL_or_SHUTDOWN_NOSAVE.
             MULTI => +OK
             DISCARD => +OK
             FUNCTION KILL => -BUSY_Redis_is_busy_running_a_script._You_can_only_call_SCRIPT_KILL_or_SHUTDOWN_NOSAVE.
             SCRIPT KILL => +OK",
        );
        let reply = client.reply();
        assert!(reply.starts_with("-ERR Script killed by user with SCRIPT KILL. script: "), "{reply}");
        assert_eq!(client.reply(), "+PONG\r\n", "what came after it was kept");
        other.check("PING => +PONG");
    }
    assert_eq!(eval(&mut client, "return 1"), ":1");
}

#[test]
fn a_killed_script_that_does_not_end_keeps_nobody_waiting() {
    let (mut server, mut client) = server_and_client();
    let script = b"while true do pcall(coroutine.wrap(function() while true do end end)) end";
    let mut other = busy(&server, &mut client, &[b"EVAL", script, b"0"]);
    other.check("SCRIPT KILL => +OK");
    // It may have ended by now.
    other.ask("PING");
    other.send(b"SHUTDOWN NOSAVE\r\n");
    assert!(server.wait().success());
}

/// Has a script run for a while, in which others have a turn, and gives its reply.
fn with_turns_of_others(server: &Server, client: &mut Client, script: &str) -> String {
    let mut other = busy(server, client, &[b"EVAL", script.as_bytes(), b"0"]);
    for _ in 0..10 {
        other.ask("PING");
    }
    client.reply()
}

/// Time passes: what a script sees of the clock stands still.
const WAIT: &str = "local began = os.clock() while os.clock() - began < 0.3 do end ";

#[test]
fn others_do_not_change_the_data_within_a_script() {
    let (server, mut client) = server_and_client();
    client.check("DEBUG POPULATE 1000 key 1000 => +OK");
    let max = client.info("used_memory").parse::<usize>().unwrap() + 1_000_000;
    client.check(&format!("CONFIG SET maxmemory-policy allkeys-random maxmemory {max} => +OK"));
    let size = "redis.call('dbsize')";
    let script =
        format!("redis.call('set','x',string.rep('x',5000000)) local before = {size} {WAIT} return before - {size}");
    assert_eq!(with_turns_of_others(&server, &mut client, &script), ":0\r\n");
}

#[test]
fn what_its_own_script_changed_a_client_is_told_after_the_reply() {
    let (server, mut client) = server_and_client();
    client.ask("HELLO 3");
    client.check("CLIENT TRACKING on => +OK\n GET k => _");
    let reply = with_turns_of_others(&server, &mut client, &format!("redis.call('set','k',1) {WAIT}"));
    assert_eq!(reply, "_\r\n");
    assert_eq!(client.reply(), ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n");
    client.check("CLIENT TRACKING off => +OK\n CLIENT TRACKING on noloop => +OK\n GET k");
    let reply = with_turns_of_others(&server, &mut client, &format!("redis.call('set','k',2) {WAIT}"));
    assert_eq!(reply, "_\r\n");
    client.check("PING => +PONG");
}

#[test]
fn a_transaction_whose_script_is_ended_leaves_nothing() {
    let arguments = ["--appendonly", "yes"];
    let mut server = Server::start(&arguments);
    let mut client = server.connect();
    client.check("MULTI => +OK\n SET first 1 => +QUEUED");
    assert_eq!(client.ask_args(&[b"EVAL", b"redis.call('set','mid',1) while true do end", b"0"]), "+QUEUED\r\n");
    client.check("SET last 1 => +QUEUED");
    let mut other = busy(&server, &mut client, &[b"EXEC"]);
    other.send(b"SHUTDOWN NOSAVE\r\n");
    server.wait();
    let server = Server::start_in(server.kill(), &arguments);
    server.connect().check("DBSIZE => :0");
}

#[test]
fn a_command_is_not_charged_with_what_the_script_did_before() {
    let (_server, mut client) = server_and_client();
    eval(&mut client, &format!("{WAIT} redis.call('get','k')"));
    let info = client.ask("INFO commandstats");
    let us = |command: &str| {
        let (_, rest) = info.split_once(&format!("cmdstat_{command}:calls=1,usec=")).unwrap();
        rest.split(',').next().unwrap().parse::<u64>().unwrap()
    };
    assert!(us("get") < us("eval") / 2, "{info}");
}

#[test]
fn libraries_and_replies_at_their_limits() {
    let (_server, mut client) = server_and_client();
    check_all(
        &mut client,
        &[
            (
                "return struct.unpack('bc0', '\\255abc')",
                "-ERR_user_script:1:_bad_argument_#2_to_'unpack'_(data_string_too_short)~",
            ),
            ("return select('#', cmsgpack.unpack(('\\1'):rep(7000)))", ":7000"),
            (
                "cmsgpack.unpack(('\\1'):rep(100000))",
                "-ERR_user_script:1:_stack_overflow_(too_many_return_values_at_once;_use_unpack_one_or_unpack_limit_instead.)~",
            ),
            (
                "struct.unpack(('b'):rep(100000), ('\\1'):rep(100000))",
                "-ERR_user_script:1:_stack_overflow_(too_many_results)~",
            ),
            ("return redis.acl_check_cmd('set', 'k')", ":1"),
            ("return redis.acl_check_cmd('config')", ":1"),
            ("return redis.acl_check_cmd('nosuch')", "-ERR_Invalid_command_passed_to_redis.acl_check_cmd()~"),
            ("return redis.acl_check_cmd('config', 'nosuch')", "-ERR_Invalid_command_passed_to_redis.acl_check_cmd()~"),
        ],
    );
    client.ask("HELLO 3");
    client.send(&encode(&[
        b"EVAL",
        b"redis.setresp(3) return {verbatim_string={format='\\255\\254\\253',string='hi'}}",
        b"0",
    ]));
    assert_eq!(client.reply_bytes(), b"=6\r\n\xff\xfe\xfd:hi\r\n");
}

#[test]
fn a_script_that_wrote_cannot_be_killed() {
    let (mut server, mut client) = server_and_client();
    let mut other = busy(&server, &mut client, &[b"EVAL", b"redis.call('set','x',1) while true do end", b"0"]);
    let reply = other.ask("SCRIPT KILL");
    assert!(reply.starts_with("-UNKILLABLE Sorry the script already executed write commands"), "{reply}");
    other.send(b"SHUTDOWN NOSAVE\r\n");
    assert!(server.wait().success());
}

#[test]
fn the_caller_of_a_long_script_may_leave() {
    let (server, mut client) = server_and_client();
    let mut other = busy(&server, &mut client, &[b"EVAL", b"while true do end", b"0"]);
    drop(client);
    other.check("SCRIPT KILL => +OK");
    wait_until("it has ended", || other.ask("PING") == "+PONG\r\n");
    wait_until("its client is gone", || other.info("connected_clients") == "1");
}

#[test]
fn a_pause_of_writes_holds_back_what_may_write() {
    let (server, mut client) = server_and_client();
    let mut other = server.connect();
    client.check("CLIENT PAUSE 100000 WRITE => +OK");
    assert_eq!(shown(client.ask_args(&[b"EVAL", b"#!lua flags=no-writes\nreturn 1", b"0"])), ":1");
    assert_eq!(shown(client.ask_args(&[b"EVAL_RO", b"return 1", b"0"])), ":1");
    client.send(&encode(&[b"EVAL", b"return 2", b"0"]));
    other.check("CLIENT UNPAUSE => +OK");
    assert_eq!(client.reply(), ":2\r\n");
}

/// What Lua 5.1 itself gets wrong, or leaves to its host.
#[test]
fn scripts_cannot_harm_the_interpreter() {
    let (_server, mut client) = server_and_client();
    let too_many = "-ERR_user_script:1:_too_many_results_to_unpack~";
    let cases = [
        ("return select('#', unpack({}, 0, 2147483647))", too_many),
        ("return select('#', unpack({}, -2147483648, 2147483647))", too_many),
        ("return select('#', unpack({}, -2147483648))", too_many),
        ("return select('#', unpack({}, 0/0, 2147483647))", too_many),
        ("return select('#', unpack({}, 1e300, 2147483647))", too_many),
        ("return select('#', unpack({}, 1, 7000))", ":7000"),
        ("local a = {} for i = 1, 7999 do a[i] = 1 end return select('#', unpack(a))", ":7999"),
        ("local a = {} for i = 1, 8000 do a[i] = 1 end return select('#', unpack(a))", too_many),
        ("return {unpack({1, 2, 3}, 2)}", "*2 :2 :3"),
        ("table.insert({}, 1, 2, 3)", "-ERR_wrong_number_of_arguments_to_'insert'~"),
        ("return {unpack({1, 2, 3}, 5, 4)}", "*0"),
        ("local a = unpack(1)", "-ERR_user_script:1:_bad_argument_#1_to_'unpack'_(table_expected,_got_number)~"),
        ("return {collectgarbage('stop'), collectgarbage('setpause', 100000)}", "*2 :0 :0"),
        ("return collectgarbage('count') > 0", ":1"),
        ("return {cmsgpack.unpack_limit('\\1\\2\\3', 0, 1)}", "*1 :1"),
        ("return {cmsgpack.unpack_limit('\\1\\2\\3', 0)}", "*3 :1 :2 :3"),
        ("return {struct.size('i1!16i9'), struct.size('b!8i3'), struct.size('b!4i3i5d')}", "*3 :18 :6 :24"),
        (
            "return {struct.pack('I8', 1/0) == ('\\0'):rep(8), struct.pack('>I8', -(0/0)) == '\\128' .. ('\\0'):rep(7)}",
            "*2 :1 :1",
        ),
        ("return {cmsgpack.unpack_one('\\1\\2\\3', nil)}", "*2 :1 :1"),
        ("return cmsgpack.pack(1e-17) == cmsgpack.pack(0)", "$-1"),
    ];
    check_all(&mut client, &cases);
}

/// TIME within a script, in microseconds.
const NOW: &str = "local function now() local t = redis.call('TIME') return t[1] * 1000000 + t[2] end ";

#[test]
fn time_stands_still_for_a_script_until_it_takes_long() {
    let (_server, mut client) = server_and_client();
    let eval =
        |client: &mut Client, script: &str| client.ask_args(&[b"EVAL", format!("{NOW}{script}").as_bytes(), b"0"]);
    client.check("CONFIG SET busy-reply-threshold 10000 => +OK");
    let still =
        "local t = now() for i = 1, 100000 do if now() ~= t then return 'it goes on' end end return 'it stands'";
    assert_eq!(eval(&mut client, still), "$9\r\nit stands\r\n");
    // Then it may wait for it.
    client.check("CONFIG SET busy-reply-threshold 10 => +OK");
    let waits = "local t = now() while now() < t + 50000 do end return 'done'";
    assert_eq!(eval(&mut client, waits), "$4\r\ndone\r\n");
}
