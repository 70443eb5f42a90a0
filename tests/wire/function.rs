//! FCALL and FUNCTION.

use crate::harness::*;

const LIBRARY: &str = "#!lua name=mylib
local calls = 0
redis.register_function('set_it', function(keys, args)
    calls = calls + 1
    return redis.call('SET', keys[1], args[1])
end)
redis.register_function{
    function_name = 'calls',
    description = 'How often set_it was called',
    flags = {'no-writes', 'allow-stale'},
    callback = function() return calls end
}";

fn load(client: &mut Client, code: &str) -> String {
    client.ask_args(&[b"FUNCTION", b"LOAD", code.as_bytes()])
}

/// A library of one function `f` with this body.
fn library(name: &str, body: &str) -> String {
    format!("#!lua name={name}\nredis.register_function('f', function(keys, args) {body} end)")
}

#[test]
fn calling() {
    let (_server, mut client) = server_and_client();
    assert_eq!(load(&mut client, LIBRARY), "$5\r\nmylib\r\n");
    client.check(
        "FCALL set_it 1 a 5 => +OK
         FCALL SET_IT 1 b 6 => +OK
         GET a => $1 5
         FCALL_RO calls 0 => :2
         FCALL_RO set_it 1 a 6 => -ERR_Can_not_execute_a_script_with_write_flag_using_*_ro_command.
         FCALL none 0 => -ERR_Function_not_found
         FCALL calls x => -ERR_Bad_number_of_keys_provided
         FCALL calls 1 => -ERR_Number_of_keys_can't_be_greater_than_number_of_args
         FCALL calls -1 => -ERR_Number_of_keys_can't_be_negative
         COMMAND GETKEYS FCALL set_it 2 a b c => *2 $1 a $1 b
         FUNCTION KILL => -NOTBUSY_No_scripts_in_execution_right_now.",
    );
    assert_eq!(load(&mut client, &library("other", "return redis.call('nosuch')")), "$5\r\nother\r\n");
    client.check("FCALL f 0 => -ERR_Unknown_Redis_command_called_from_script_script:_f,_on_@user_function:2.");
}

#[test]
fn listing() {
    let (_server, mut client) = server_and_client();
    load(&mut client, LIBRARY);
    let functions = "$9 functions *2 *6 $4 name $6 set_it $11 description $-1 $5 flags *0 *6 $4 name $5 calls $11 description $27 How_often_set_it_was_called $5 flags *2 +no-writes +allow-stale";
    client.check(&format!(
        "FUNCTION LIST => *1 *6 $12 library_name $5 mylib $6 engine $3 LUA {functions}
         FUNCTION LIST LIBRARYNAME my* => *1 *6 $12 library_name $5 mylib $6 engine $3 LUA {functions}
         FUNCTION LIST LIBRARYNAME x* => *0
         FUNCTION LIST LIBRARYNAME => -ERR_library_name_argument_was_not_given
         FUNCTION LIST WITHCODE WITHCODE => -ERR_Unknown_argument_WITHCODE
         FUNCTION STATS => *4 $14 running_script $-1 $7 engines *2 $3 LUA *4 $15 libraries_count :1 $15 functions_count :2"
    ));
    let reply = client.ask("FUNCTION LIST WITHCODE");
    assert!(reply.ends_with(&format!("$12\r\nlibrary_code\r\n${}\r\n{LIBRARY}\r\n", LIBRARY.len())), "{reply}");
    client.ask("HELLO 3");
    client.check(
        "FUNCTION LIST LIBRARYNAME x* => *0
         FUNCTION STATS => %2 $14 running_script _ $7 engines %1 $3 LUA %2 $15 libraries_count :1 $15 functions_count :2
         FUNCTION DELETE x => -ERR_Library_not_found
         FUNCTION DELETE mylib => +OK
         FUNCTION LIST => *0",
    );
}

#[test]
fn what_is_refused_changes_nothing() {
    let (_server, mut client) = server_and_client();
    load(&mut client, &library("mine", "return 1"));
    let names = "ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one character long";
    let registering = "ERR Error registering functions: ";
    let register = |arguments: &str| format!("#!lua name=other\nredis.register_function{arguments}");
    let cases: Vec<(String, String)> = vec![
        ("x".into(), "ERR Missing library metadata".into()),
        ("#!lua name=a".into(), "ERR Invalid library metadata".into()),
        ("#!lua\nx".into(), "ERR Library name was not given".into()),
        ("#!lua name=a name=b\nx".into(), "ERR Invalid metadata value, name argument was given multiple times".into()),
        ("#!lua name=a b=c\nx".into(), "ERR Invalid metadata value given: b=c".into()),
        ("#!lua name=a-b\nx".into(), names.into()),
        ("#!python name=a\nx".into(), "ERR Engine 'python' not found".into()),
        ("#!lua name=a\nx y".into(), "ERR Error compiling function: user_function:2: '=' expected near 'y'".into()),
        ("#!lua name=a\nreturn 1".into(), "ERR No functions registered".into()),
        (library("mine", "return 2"), "ERR Library 'mine' already exists".into()),
        (library("other", "return 2"), "ERR Function f already exists".into()),
        (
            "#!lua name=a\nreturn math".into(),
            format!("{registering}ERR user_function:2: Script attempted to access nonexistent global variable 'math'"),
        ),
        (
            "#!lua name=a\nredis.call('ping')".into(),
            format!("{registering}ERR user_function:2: Script attempted to access nonexistent global variable 'call'"),
        ),
        ("#!lua name=a\nx = 1".into(), format!("{registering}ERR user_function:2: Attempt to modify a readonly table")),
        (register("()"), format!("{registering}ERR wrong number of arguments to redis.register_function")),
        (
            register("('g')"),
            format!(
                "{registering}ERR calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments)."
            ),
        ),
        (
            register("('g', 1)"),
            format!("{registering}ERR second argument to redis.register_function must be a function"),
        ),
        (
            register("(nil, function() end)"),
            format!("{registering}ERR first argument to redis.register_function must be a string"),
        ),
        (register("('g h', function() end)"), format!("{registering}{names}")),
        (
            register("{function_name='g'}"),
            format!("{registering}ERR redis.register_function must get a callback argument"),
        ),
        (
            register("{callback=function() end}"),
            format!("{registering}ERR redis.register_function must get a function name argument"),
        ),
        (register("{x=1}"), format!("{registering}ERR unknown argument given to redis.register_function")),
        (register("{flags={'x'}}"), format!("{registering}ERR unknown flag given")),
        (
            register("{flags=1}"),
            format!(
                "{registering}ERR flags argument to redis.register_function must be a table representing function flags"
            ),
        ),
    ];
    for (code, error) in cases {
        assert_eq!(load(&mut client, &code), format!("-{error}\r\n"), "{code}");
    }
    let reply = client.ask_args(&[b"FUNCTION", b"LOAD", b"x", b"y"]);
    assert_eq!(reply, "-ERR Unknown option given: x\r\n");
    client.check("FCALL f 0 => :1");
    let replaced = client.ask_args(&[b"FUNCTION", b"LOAD", b"REPLACE", library("mine", "return 3").as_bytes()]);
    assert_eq!(replaced, "$4\r\nmine\r\n");
    client.check("FCALL f 0 => :3\n FUNCTION STATS => *4 $14 running_script $-1 $7 engines *2 $3 LUA *4 $15 libraries_count :1 $15 functions_count :1");
}

#[test]
fn loading_has_a_moment() {
    let (_server, mut client) = server_and_client();
    let reply = load(&mut client, "#!lua name=a\nwhile true do end");
    assert_eq!(reply, "-ERR Error registering functions: ERR FUNCTION LOAD timeout\r\n");
    assert_eq!(load(&mut client, LIBRARY), "$5\r\nmylib\r\n");
}

#[test]
fn registering_and_calling_are_worlds_apart() {
    let (_server, mut client) = server_and_client();
    let code = "#!lua name=a
local lib = redis
lib.register_function('f1', function() lib.math = math end)
lib.register_function('f2', function() lib.register_function('f3', function() end) end)
lib.register_function('f4', function() return redis.register_function == nil end)
lib.register_function('f5', function() return lib.call end)";
    load(&mut client, code);
    client.check(
        "FCALL f1 0 => -ERR_user_function:3:_Attempt_to_modify_a_readonly_table_script:_f1,_on_@user_function:3.
         FCALL f2 0 => -ERR_redis.register_function_can_only_be_called_on_FUNCTION_LOAD_command_script:_f2,_on_@user_function:4.
         FCALL f4 0 => :1
         FCALL f5 0 => -ERR_user_function:6:_Script_attempted_to_access_nonexistent_global_variable_'call'_script:_f5,_on_@user_function:6.",
    );
}

#[test]
fn dump_and_restore() {
    let (_server, mut client) = server_and_client();
    load(&mut client, &library("mine", "return 1"));
    client.send(b"FUNCTION DUMP\r\n");
    let reply = client.reply_bytes();
    let start = reply.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    let payload = &reply[start..reply.len() - 2];
    let restore = |client: &mut Client, policy: &[u8]| {
        let request: Vec<&[u8]> =
            [&b"FUNCTION"[..], b"RESTORE", payload, policy].into_iter().filter(|word| !word.is_empty()).collect();
        client.ask_args(&request)
    };
    assert_eq!(restore(&mut client, b""), "-ERR Library mine already exists\r\n");
    client.check("FUNCTION FLUSH => +OK\n FUNCTION LIST => *0");
    load(&mut client, &library("other", "return 2"));
    assert_eq!(restore(&mut client, b"append"), "-ERR Function f already exists\r\n");
    client.check("FCALL f 0 => :2");
    assert_eq!(restore(&mut client, b"FLUSH"), "+OK\r\n");
    client.check("FCALL f 0 => :1");
    client.ask_args(&[b"FUNCTION", b"LOAD", b"REPLACE", library("mine", "return 3").as_bytes()]);
    client.check("FCALL f 0 => :3");
    assert_eq!(restore(&mut client, b"replace"), "+OK\r\n");
    client.check("FCALL f 0 => :1");
    assert_eq!(
        restore(&mut client, b"x"),
        "-ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.\r\n"
    );
    client.check(
        "FUNCTION RESTORE bad => -ERR_DUMP_payload_version_or_checksum_are_wrong
         FUNCTION FLUSH x => -ERR_FUNCTION_FLUSH_only_supports_SYNC|ASYNC_option
         FCALL f 0 => :1",
    );
    client.check("SET a 1");
    client.send(b"DUMP a\r\n");
    let dumped = client.reply_bytes();
    let start = dumped.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    let reply = client.ask_args(&[b"FUNCTION", b"RESTORE", &dumped[start..dumped.len() - 2]]);
    assert_eq!(reply, "-ERR given type is not a function\r\n");
}

#[test]
fn they_survive_what_the_data_does() {
    let (server, mut client) = server_and_client();
    load(&mut client, LIBRARY);
    client.check(
        "FLUSHALL => +OK
         FCALL calls 0 => :0
         DEBUG RELOAD => +OK
         FCALL calls 0 => :0
         CONFIG SET appendonly yes => +OK",
    );
    client.wait_for_child();
    client.check(
        "FUNCTION FLUSH => +OK
         DEBUG LOADAOF => +OK
         FUNCTION LIST => *0",
    );
    load(&mut client, LIBRARY);
    client.check("CONFIG SET aof-use-rdb-preamble no => +OK\n BGREWRITEAOF");
    client.wait_for_child();
    client.check("DEBUG LOADAOF => +OK\n FCALL calls 0 => :0");
    let dir = server.kill();
    let server = Server::start_in(dir, &["--appendonly", "yes"]);
    server.connect().check("FCALL calls 0 => :0");
}

#[test]
fn libraries_that_redis_saved() {
    let (server, _) = server_and_client();
    let dir = server.kill();
    let Some(redis) = Redis::start(&dir, &[]) else { return };
    let mut other = redis.connect();
    load(&mut other, LIBRARY);
    other.check("FCALL set_it 1 a 2 => +OK\n SAVE => +OK");
    drop(redis);
    let server = Server::start_in(dir, &[]);
    server.connect().check("GET a => $1 2\n FCALL set_it 1 a 3 => +OK\n FCALL calls 0 => :1");
}

#[test]
fn a_function_that_takes_long() {
    let (server, mut client) = server_and_client();
    load(&mut client, &library("mine", "while true do end"));
    let mut other = server.connect();
    other.check("CONFIG SET lua-time-limit 1 => +OK");
    client.send(b"FCALL f 1 k a\r\n");
    wait_until("it takes too long", || other.ask("PING").starts_with("-BUSY"));
    let stats = other.ask("FUNCTION STATS");
    let expected = "*4\r\n$14\r\nrunning_script\r\n*6\r\n$4\r\nname\r\n$1\r\nf\r\n$7\r\ncommand\r\n*5\r\n$5\r\nFCALL\r\n$1\r\nf\r\n$1\r\n1\r\n$1\r\nk\r\n$1\r\na\r\n$11\r\nduration_ms\r\n:";
    assert!(stats.starts_with(expected), "{stats}");
    other.check(
        "SCRIPT KILL => -BUSY_Redis_is_busy_running_a_script._You_can_only_call_FUNCTION_KILL_or_SHUTDOWN_NOSAVE.
         FUNCTION KILL => +OK",
    );
    assert_eq!(client.reply(), "-ERR Script killed by user with FUNCTION KILL. script: f, on @user_function:2.\r\n");
    client.check("PING => +PONG");
}
