//! Commands about the connection.

use super::harness::*;
use std::time::{Duration, Instant};

#[test]
fn ping_echo_select() {
    let (_server, mut client) = server_and_client();
    client.check(
        "PING => +PONG
         PING hello => $5 hello
         PING a b => -ERR_wrong_number_of_arguments_for_'ping'_command
         ECHO hello => $5 hello
         SELECT 3 => +OK
         SET k v => +OK
         SELECT 16 => -ERR_DB_index_is_out_of_range
         SELECT -1 => -ERR_DB_index_is_out_of_range
         SELECT x => -ERR_value_is_not_an_integer_or_out_of_range
         GET k => $1 v
         SELECT 0 => +OK
         GET k => $-1",
    );
}

#[test]
fn quit_ends_the_connection() {
    let (server, mut client) = server_and_client();
    assert_eq!(client.until_closed(b"QUIT\r\nSET k v\r\n"), "+OK\r\n");
    server.connect().check("GET k => $-1");
}

#[test]
fn passwords() {
    let server = Server::start(&["--requirepass", "secret"]);
    let mut client = server.connect();
    client.check(
        "GET k => -NOAUTH_Authentication_required.
         HELLO 3 => -NOAUTH_HELLO_must_be_called_with_the_client_already_authenticated,_otherwise_the_HELLO_<proto>_AUTH_<user>_<pass>_option_can_be_used_to_authenticate_the_client_and_select_the_RESP_protocol_version_at_the_same_time
         AUTH wrong => -WRONGPASS_invalid_username-password_pair_or_user_is_disabled.
         AUTH nobody secret => -WRONGPASS_invalid_username-password_pair_or_user_is_disabled.
         AUTH default secret more => -ERR_syntax_error
         AUTH secret => +OK
         GET k => $-1
         RESET => +RESET
         GET k => -NOAUTH_Authentication_required.
         AUTH default secret => +OK
         AUTH wrong => -WRONGPASS_invalid_username-password_pair_or_user_is_disabled.
         GET k => $-1",
    );
    assert!(client.ask("INFO stats").contains("acl_access_denied_auth:3\r\n"));
    // Who is in stays in; who comes later needs the new password.
    client.check("CONFIG SET requirepass other => +OK");
    client.check("PING => +PONG");
    server.connect().check("AUTH secret => -WRONGPASS_invalid_username-password_pair_or_user_is_disabled.");
    client.ask_args(&[b"CONFIG", b"SET", b"requirepass", b""]);
    server.connect().check(
        "PING => +PONG
         AUTH x => -ERR_AUTH_<password>_called_without_any_password_configured_for_the_default_user._Are_you_sure_your_configuration_is_correct?
         AUTH default x => +OK",
    );
}

#[test]
fn hello() {
    let (_server, mut client) = server_and_client();
    let number = client.ask("CLIENT ID").trim_start_matches(':').trim_end().to_owned();
    let map = |header: &str, proto: u8| {
        format!(
            "{header} $6 server $5 redis $7 version $5 7.2.4 $5 proto :{proto} $2 id :{number} $4 mode $10 standalone $4 role $6 master $7 modules *0"
        )
    };
    client.check(&format!(
        "HELLO => {}
         HELLO 3 AUTH default any SETNAME me => {}
         CLIENT GETNAME => $2 me
         GET k => _
         HELLO => {}
         HELLO 2 => {}
         GET k => $-1
         HELLO 1 => -NOPROTO_unsupported_protocol_version
         HELLO x => -ERR_Protocol_version_is_not_an_integer_or_out_of_range
         HELLO 3 AUTH default => -ERR_Syntax_error_in_HELLO_option_'AUTH'
         HELLO 3 what => -ERR_Syntax_error_in_HELLO_option_'what'
         HELLO 3 AUTH nobody x => -WRONGPASS_invalid_username-password_pair_or_user_is_disabled.",
        map("*14", 2),
        map("%7", 3),
        map("%7", 3),
        map("*14", 2),
    ));
    assert_eq!(
        client.ask_args(&[b"HELLO", b"3", b"SETNAME", b"a b"]),
        "-ERR Client names cannot contain spaces, newlines or special characters.\r\n"
    );
    client.check("GET k => $-1");
}

#[test]
fn reset_makes_as_new() {
    let (_server, mut client) = server_and_client();
    client.check(
        "CLIENT SETINFO lib-name lib => +OK
         SELECT 5 => +OK
         CLIENT SETNAME me => +OK
         CLIENT NO-TOUCH on => +OK
         HELLO 3
         RESET => +RESET
         CLIENT GETNAME => $-1",
    );
    let info = client.ask("CLIENT INFO");
    for field in [" db=0 ", " flags=U ", " resp=2 ", " lib-name=lib "] {
        assert!(info.contains(field), "{field:?} in {info}");
    }
}

#[test]
fn names() {
    let (_server, mut client) = server_and_client();
    client.check(
        "CLIENT GETNAME => $-1
         CLIENT SETNAME me => +OK
         CLIENT GETNAME => $2 me
         CLIENT SETINFO lib-name redis-py => +OK
         CLIENT SETINFO LIB-VER 1.2.3 => +OK
         CLIENT SETINFO other x => -ERR_Unrecognized_option_'other'",
    );
    assert!(client.ask("CLIENT INFO").contains(" name=me "));
    assert!(client.ask("CLIENT INFO").contains(" lib-name=redis-py lib-ver=1.2.3\n"));
    assert_eq!(
        client.ask_args(&[b"CLIENT", b"SETINFO", b"lib-ver", b"1 2"]),
        "-ERR lib-ver cannot contain spaces, newlines or special characters.\r\n"
    );
    client.ask_args(&[b"CLIENT", b"SETNAME", b""]);
    client.check("CLIENT GETNAME => $-1");
}

#[test]
fn client_list() {
    let (server, mut client) = server_and_client();
    let mut other = server.connect();
    other.ask("HELLO 3 SETNAME other");
    let other_id = other.ask("CLIENT ID").trim_start_matches(':').trim_end().to_owned();

    let list = client.ask("CLIENT LIST");
    let lines: Vec<&str> = list.lines().skip(1).filter(|line| !line.is_empty()).collect();
    let fields: Vec<&str> = lines[0].split(' ').map(|field| field.split_once('=').unwrap().0).collect();
    assert_eq!(
        fields.join(" "),
        "id addr laddr fd name age idle flags db sub psub ssub multi qbuf qbuf-free argv-mem multi-mem rbs rbp obl oll omem tot-mem events cmd user redir resp lib-name lib-ver"
    );
    let mine = " flags=U db=0 sub=0 psub=0 ssub=0 multi=-1 qbuf=26 qbuf-free=0 argv-mem=10 multi-mem=0 ";
    assert!(lines[0].contains(mine), "{}", lines[0]);
    assert!(
        lines[0].contains(" obl=0 oll=0 omem=0 ")
            && lines[0].contains(" events=r cmd=client|list user=default redir=-1 resp=2 ")
    );
    assert!(lines[1].contains(" name=other ") && lines[1].contains(" cmd=client|id ") && lines[1].contains(" resp=3 "));

    let of_one = client.ask(&format!("CLIENT LIST ID {other_id} 999999"));
    assert!(of_one.contains(" name=other ") && of_one.matches("id=").count() == 1, "{of_one}");
    assert_eq!(client.ask("CLIENT LIST TYPE normal").matches("id=").count(), 2);
    assert!(other.ask("CLIENT LIST").starts_with("=") && other.ask("CLIENT INFO").contains("\r\ntxt:id="));
    assert_eq!(client.ask("CLIENT LIST TYPE replica"), "$0\r\n\r\n");
    client.check(
        "CLIENT LIST TYPE what => -ERR_Unknown_client_type_'what'
         CLIENT LIST ID => -ERR_syntax_error
         CLIENT LIST ID x => -ERR_Invalid_client_ID
         CLIENT LIST what => -ERR_syntax_error",
    );
}

#[test]
fn client_kill() {
    let (server, mut client) = server_and_client();
    client.check(
        "CLIENT KILL 1.1.1.1:1 => -ERR_No_such_client
         CLIENT KILL ID 0 => -ERR_client-id_should_be_greater_than_0
         CLIENT KILL ID x => -ERR_client-id_should_be_greater_than_0
         CLIENT KILL ID 10 what => -ERR_syntax_error
         CLIENT KILL TYPE what => -ERR_Unknown_client_type_'what'
         CLIENT KILL USER what => -ERR_No_such_user_'what'
         CLIENT KILL SKIPME what => -ERR_syntax_error
         CLIENT KILL ID 999999 => :0
         CLIENT KILL TYPE pubsub SKIPME no => :0",
    );
    let mut victim = server.connect();
    let id = victim.ask("CLIENT ID").trim_start_matches(':').trim_end().to_owned();
    assert_eq!(client.ask(&format!("CLIENT KILL TYPE normal ID {id} USER default")), ":1\r\n");
    assert_eq!(victim.until_closed(b""), "");
    let mut others = [server.connect(), server.connect()];
    others.iter_mut().for_each(|other| drop(other.ask("PING")));
    client.check("CLIENT KILL SKIPME yes => :2");
    others.iter_mut().for_each(|other| assert_eq!(other.until_closed(b""), ""));
    // Who kills itself still gets the reply, and nothing after it.
    assert_eq!(client.until_closed(b"CLIENT KILL SKIPME no\r\nPING\r\n"), ":1\r\n");
}

#[test]
fn client_reply() {
    let (_server, mut client) = server_and_client();
    client.send(b"CLIENT REPLY OFF\r\nPING\r\nCLIENT REPLY SKIP\r\nPING\r\nWHAT\r\nCLIENT REPLY ON\r\nPING 1\r\n");
    assert_eq!(client.reply(), "+OK\r\n");
    assert_eq!(client.reply(), "$1\r\n1\r\n");
    client.send(b"CLIENT REPLY SKIP\r\nPING 2\r\nPING 3\r\nCLIENT REPLY SKIP\r\nCLIENT REPLY ON\r\nPING 4\r\n");
    assert_eq!(client.reply(), "$1\r\n3\r\n");
    assert_eq!(client.reply(), "+OK\r\n");
    assert_eq!(client.reply(), "$1\r\n4\r\n");
    client.check("CLIENT REPLY what => -ERR_syntax_error");
}

fn blocked(client: &mut Client, count: usize) {
    wait_until("clients are held", || client.ask("INFO clients").contains(&format!("blocked_clients:{count}\r\n")));
}

#[test]
fn a_pause_of_writes() {
    let (server, mut client) = server_and_client();
    let (mut first, mut second) = (server.connect(), server.connect());
    client.check(
        "SET k before => +OK
         CLIENT PAUSE 100000 WRITE => +OK",
    );
    // What comes after a held request waits as well, and all goes on in order.
    first.send(b"GET k\r\nSET k 1\r\nGET k\r\n");
    second.send(b"GET k\r\nPING\r\n");
    assert_eq!(first.reply(), "$6\r\nbefore\r\n");
    assert_eq!((second.reply(), second.reply()), ("$6\r\nbefore\r\n".into(), "+PONG\r\n".into()));
    blocked(&mut client, 1);
    first.send(b"SET k 2\r\nGET k\r\n");
    assert!(client.ask("CLIENT LIST").contains(" flags=bU "));
    client.check(
        "GET k => $6 before
         CLIENT UNPAUSE => +OK",
    );
    let replies: Vec<String> = (0..4).map(|_| first.reply()).collect();
    assert_eq!(replies, ["+OK\r\n", "$1\r\n1\r\n", "+OK\r\n", "$1\r\n2\r\n"]);
    blocked(&mut client, 0);
}

#[test]
fn a_pause_of_all_ends_by_itself() {
    let (server, mut client) = server_and_client();
    let mut other = server.connect();
    let started = Instant::now();
    // The longer time and the stricter kind hold.
    client.check(
        "CLIENT PAUSE 300 WRITE => +OK
         CLIENT PAUSE 10 ALL => +OK",
    );
    other.check("PING => +PONG");
    // The loop counts in whole milliseconds.
    assert!(started.elapsed() >= Duration::from_millis(298));
    client.check(
        "PING => +PONG
         CLIENT PAUSE x => -ERR_timeout_is_not_an_integer_or_out_of_range
         CLIENT PAUSE -1 => -ERR_timeout_is_negative
         CLIENT PAUSE 9223372036854775807 => -ERR_timeout_is_out_of_range
         CLIENT PAUSE 1 what => -ERR_CLIENT_PAUSE_mode_must_be_WRITE_or_ALL",
    );
}

#[test]
fn keys_expire_after_a_pause() {
    let (_server, mut client) = server_and_client();
    client.check(
        "SET k v PX 20 => +OK
         CLIENT PAUSE 100000 WRITE => +OK",
    );
    std::thread::sleep(Duration::from_millis(50));
    client.check("GET k => $-1");
    assert!(client.ask("INFO stats").contains("expired_keys:0\r\n"));
    client.check("CLIENT UNPAUSE => +OK");
    wait_until("the key expired", || client.ask("INFO stats").contains("expired_keys:1\r\n"));
}

#[test]
fn other_client_subcommands() {
    let (_server, mut client) = server_and_client();
    client.check(
        "CLIENT NO-EVICT on => +OK
         CLIENT NO-TOUCH ON => +OK
         CLIENT NO-TOUCH what => -ERR_syntax_error
         CLIENT UNBLOCK 1 => :0
         CLIENT UNBLOCK x => -ERR_value_is_not_an_integer_or_out_of_range
         CLIENT UNBLOCK 1 what => -ERR_CLIENT_UNBLOCK_reason_should_be_TIMEOUT_or_ERROR
         CLIENT WHAT => -ERR_unknown_subcommand_'WHAT'._Try_CLIENT_HELP.
         CLIENT => -ERR_wrong_number_of_arguments_for_'client'_command
         CLIENT ID 1 => -ERR_wrong_number_of_arguments_for_'client|id'_command",
    );
    assert!(client.ask("CLIENT INFO").contains(" flags=UeT "));
    let help = client.ask("CLIENT HELP");
    assert!(help.contains("+CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r\n"), "{help}");
}
