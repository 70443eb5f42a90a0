//! CLIENT TRACKING: which changes a client is told of, and how.

use crate::harness::*;

fn resp3(server: &Server) -> Client {
    let mut client = server.connect();
    client.ask("HELLO 3");
    client
}

fn invalidated(keys: &[&str]) -> String {
    let keys: Vec<String> = keys.iter().map(|key| format!("${}\r\n{key}\r\n", key.len())).collect();
    format!(">2\r\n$10\r\ninvalidate\r\n*{}\r\n{}", keys.len(), keys.concat())
}

#[test]
fn keys_that_were_read() {
    let (server, mut other) = server_and_client();
    let mut client = resp3(&server);
    client.check("CLIENT TRACKING on => +OK\n MGET a b => *2 _ _\n GET c => _");
    other.check("SET a 1\n SET a 2\n INCR z");
    assert_eq!(client.reply(), invalidated(&["a"]));
    // Its own changes follow the reply; what was not read anew is not told again.
    client.check("SET b 1 => +OK");
    assert_eq!(client.reply(), invalidated(&["b"]));
    client.check("MULTI\n GET b\n SET c 1\n PING\n EXEC => *3 $1 1 +OK +PONG");
    assert_eq!(client.reply(), invalidated(&["c"]));
    client.check("PING => +PONG");
    // Time changes keys as well, and so does emptying a database.
    other.check("SET e 1 PX 10");
    client.check("GET e");
    assert_eq!(client.reply(), invalidated(&["e"]));
    client.check("GET a");
    other.check("FLUSHALL");
    assert_eq!(client.reply(), ">2\r\n$10\r\ninvalidate\r\n_\r\n");
    assert!(other.ask("CLIENT LIST").contains(" flags=tU ") && other.info("tracking_total_keys") == "0");
    client.check("GET a\n CLIENT TRACKING off => +OK");
    other.check("SET a 1");
    client.check("PING => +PONG\n CLIENT GETREDIR => :-1");
    // What a command that writes reads is not tracked.
    client.check("CLIENT TRACKING on NOLOOP => +OK\n GETSET a 2\n GET k\n SET k 1 => +OK");
    other.check("SET a 3");
    client.check("PING => +PONG\n GET k\n CONFIG SET tracking-table-max-keys 1 => +OK\n GET l");
    assert_eq!(other.info("tracking_total_keys"), "1");
    let told = client.reply();
    assert!(told == invalidated(&["k"]) || told == invalidated(&["l"]), "{told}");
}

#[test]
fn keys_with_prefixes() {
    let (server, mut other) = server_and_client();
    let (mut all, mut some) = (resp3(&server), resp3(&server));
    all.check("CLIENT TRACKING on BCAST NOLOOP => +OK");
    some.check(
        "CLIENT TRACKING on BCAST PREFIX a: PREFIX b: => +OK
         CLIENT TRACKING on BCAST PREFIX a:1 => -ERR_Prefix_'a:1'_overlaps_with_an_existing_prefix_'a:'._Prefixes_for_a_single_client_must_not_overlap.
         CLIENT TRACKING on BCAST PREFIX a: => -ERR_Prefix_'a:'_overlaps_with_an_existing_prefix_'a:'._Prefixes_for_a_single_client_must_not_overlap.
         CLIENT TRACKING on BCAST PREFIX c PREFIX cc => -ERR_Prefix_'c'_overlaps_with_another_provided_prefix_'cc'._Prefixes_for_a_single_client_must_not_overlap.
         CLIENT TRACKINGINFO => %3 $5 flags ~2 $2 on $5 bcast $8 redirect :0 $8 prefixes *2 $2 a: $2 b:",
    );
    other.check("MSET a:1 1 c 1 b:1 1 a:2 1 => +OK");
    assert_eq!(all.reply(), invalidated(&["a:1", "c", "b:1", "a:2"]));
    assert_eq!(some.reply(), invalidated(&["a:1", "a:2"]));
    assert_eq!(some.reply(), invalidated(&["b:1"]));
    all.check("SET own 1 => +OK\n PING => +PONG");
    assert_eq!(other.info("tracking_total_prefixes"), "3");
    drop((all, some));
    wait_until("nobody tracks", || {
        other.info("tracking_total_prefixes") == "0" && other.info("tracking_clients") == "0"
    });
}

#[test]
fn another_connection_is_told() {
    let (server, mut other) = server_and_client();
    let (mut client, mut listener) = (server.connect(), server.connect());
    let number = listener.ask("CLIENT ID")[1..].trim_end().to_owned();
    listener.ask("SUBSCRIBE __redis__:invalidate");
    client.check(&format!(
        "CLIENT TRACKING on REDIRECT {number} => +OK\n GET k\n CLIENT GETREDIR => :{number}\n CLIENT TRACKING on REDIRECT 99999 => -ERR_The_client_ID_you_want_redirect_to_does_not_exist"
    ));
    other.check("SET k 1");
    assert_eq!(listener.reply(), "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*1\r\n$1\r\nk\r\n");
    other.check("FLUSHDB");
    assert_eq!(listener.reply(), "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n$-1\r\n");
    client.ask("HELLO 3");
    client.check("GET k");
    drop(listener);
    wait_until("it is gone", || !other.ask("CLIENT LIST").contains(&format!("id={number} ")));
    other.check("SET k 1");
    assert_eq!(client.reply(), format!(">2\r\n$21\r\ntracking-redir-broken\r\n:{number}\r\n"));
    client.check(&format!(
        "CLIENT TRACKINGINFO => %3 $5 flags ~2 $2 on $15 broken_redirect $8 redirect :{number} $8 prefixes *0"
    ));
}

#[test]
fn opting_in_and_out() {
    let (server, mut other) = server_and_client();
    let mut client = resp3(&server);
    client.check(
        "CLIENT CACHING yes => -ERR_CLIENT_CACHING_can_be_called_only_when_the_client_is_in_tracking_mode_with_OPTIN_or_OPTOUT_mode_enabled
         CLIENT TRACKING on OPTIN OPTOUT => -ERR_You_can't_specify_both_OPTIN_mode_and_OPTOUT_mode
         CLIENT TRACKING on OPTIN BCAST => -ERR_OPTIN_and_OPTOUT_are_not_compatible_with_BCAST
         CLIENT TRACKING on PREFIX a => -ERR_PREFIX_option_requires_BCAST_mode_to_be_enabled
         CLIENT TRACKING on OPTIN => +OK
         CLIENT TRACKING on BCAST => -ERR_You_can't_switch_BCAST_mode_on/off_before_disabling_tracking_for_this_client,_and_then_re-enabling_it_with_a_different_mode.
         CLIENT TRACKING on OPTOUT => -ERR_You_can't_switch_OPTIN/OPTOUT_mode_before_disabling_tracking_for_this_client,_and_then_re-enabling_it_with_a_different_mode.
         CLIENT CACHING no => -ERR_CLIENT_CACHING_NO_is_only_valid_when_tracking_is_enabled_in_OPTOUT_mode.
         CLIENT CACHING yes => +OK
         CLIENT TRACKINGINFO => %3 $5 flags ~3 $2 on $5 optin $11 caching-yes $8 redirect :0 $8 prefixes *0
         GET a
         GET b
         CLIENT CACHING yes
         MULTI
         GET c
         GET d
         EXEC",
    );
    other.check("MSET a 1 b 1 c 1 d 1");
    assert_eq!([client.reply(), client.reply(), client.reply()], ["a", "c", "d"].map(|key| invalidated(&[key])));
    client.check(
        "CLIENT TRACKING off\n CLIENT TRACKING on OPTOUT => +OK\n GET a\n CLIENT CACHING no => +OK\n GET b\n GET c",
    );
    other.check("MSET a 1 b 1 c 1 d 1");
    assert_eq!([client.reply(), client.reply()], ["a", "c"].map(|key| invalidated(&[key])));
    client.check("PING => +PONG");
}

/// Without a prefix it is all keys, whatever prefixes there are.
#[test]
fn all_keys_after_some() {
    let (server, mut client) = server_and_client();
    let mut other = server.connect();
    client.ask("HELLO 3");
    client.check(
        "CLIENT TRACKING on BCAST PREFIX a => +OK
         CLIENT TRACKING on BCAST => +OK",
    );
    other.check("SET zzz 1 => +OK");
    assert!(client.reply().contains("zzz"));
}
