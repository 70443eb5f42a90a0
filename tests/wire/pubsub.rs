//! Publishing and subscribing.

use super::harness::*;

#[test]
fn messages_reach_channels_and_patterns() {
    let (server, mut publisher) = server_and_client();
    let mut listener = server.connect();
    listener.check(
        "SUBSCRIBE a => *3 $9 subscribe $1 a :1
         SUBSCRIBE b => *3 $9 subscribe $1 b :2
         PSUBSCRIBE a* => *3 $10 psubscribe $2 a* :3
         GET k => -ERR_Can't_execute_'get':_only_(P|S)SUBSCRIBE_/_(P|S)UNSUBSCRIBE_/_PING_/_QUIT_/_RESET_are_allowed_in_this_context
         PING hi => *2 $4 pong $2 hi",
    );
    publisher.check(
        "PUBLISH a hello => :2
         PUBLISH ab hello => :1
         PUBLISH c hello => :0
         PUBSUB CHANNELS => *2 $1 a $1 b
         PUBSUB CHANNELS b* => *1 $1 b
         PUBSUB NUMSUB a b c => *6 $1 a :1 $1 b :1 $1 c :0
         PUBSUB NUMPAT => :1",
    );
    assert_eq!(listener.reply(), "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$5\r\nhello\r\n");
    assert_eq!(listener.reply(), "*4\r\n$8\r\npmessage\r\n$2\r\na*\r\n$1\r\na\r\n$5\r\nhello\r\n");
    assert_eq!(listener.reply(), "*4\r\n$8\r\npmessage\r\n$2\r\na*\r\n$2\r\nab\r\n$5\r\nhello\r\n");
    listener.check(
        "UNSUBSCRIBE a => *3 $11 unsubscribe $1 a :2
         UNSUBSCRIBE => *3 $11 unsubscribe $1 b :1
         UNSUBSCRIBE => *3 $11 unsubscribe $-1 :1
         PUNSUBSCRIBE => *3 $12 punsubscribe $2 a* :0
         GET k => $-1",
    );
}

#[test]
fn resp3_has_pushes_beside_replies() {
    let (server, mut publisher) = server_and_client();
    let mut listener = server.connect();
    listener.ask("HELLO 3");
    listener.check(
        "SUBSCRIBE a => >3 $9 subscribe $1 a :1
         SET k v => +OK
         PING => +PONG",
    );
    publisher.check("PUBLISH a hello => :1");
    assert_eq!(listener.reply(), ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$5\r\nhello\r\n");
}

#[test]
fn shard_channels_are_a_space_of_their_own() {
    let (server, mut publisher) = server_and_client();
    let mut listener = server.connect();
    listener.check("SSUBSCRIBE a => *3 $10 ssubscribe $1 a :1");
    publisher.check(
        "PUBLISH a hello => :0
         SPUBLISH a hello => :1
         PUBSUB SHARDCHANNELS => *1 $1 a
         PUBSUB SHARDNUMSUB a => *2 $1 a :1",
    );
    assert_eq!(listener.reply(), "*3\r\n$8\r\nsmessage\r\n$1\r\na\r\n$5\r\nhello\r\n");
}

/// What a command sends to its own client follows the reply, wanted or not.
#[test]
fn messages_to_oneself() {
    let (_server, mut client) = server_and_client();
    client.ask("HELLO 3");
    client.check(
        "CONFIG SET notify-keyspace-events K$
         SUBSCRIBE a => >3 $9 subscribe $1 a :1
         PUBLISH a one => :1",
    );
    let message = |text: &str| format!(">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$3\r\n{text}\r\n");
    assert_eq!(client.reply(), message("one"));
    client.send(b"CLIENT REPLY SKIP\r\nPUBLISH a two\r\nPING\r\n");
    assert_eq!((client.reply(), client.reply()), (message("two"), "+PONG\r\n".to_owned()));
    client.check("MULTI => +OK\n PUBLISH a six => +QUEUED\n PING => +QUEUED\n EXEC => *2 :1 +PONG");
    assert_eq!(client.reply(), message("six"));
    client.check("SUBSCRIBE __keyspace@0__:k\n SET k v => +OK");
    assert!(client.reply().ends_with("set\r\n"));
    client.send(b"CLIENT REPLY OFF\r\nMULTI\r\nPUBLISH a ten\r\nSET k v\r\nEXEC\r\nCLIENT REPLY ON\r\n");
    assert_eq!(client.reply(), message("ten"));
    assert!(client.reply().ends_with("set\r\n"));
    assert_eq!(client.reply(), "+OK\r\n");
}

#[test]
fn keyspace_events_are_published() {
    let (server, mut client) = server_and_client();
    client.check("CONFIG SET notify-keyspace-events KEA => +OK");
    let mut listener = server.connect();
    listener.check("PSUBSCRIBE __key*__:* => *3 $10 psubscribe $10 __key*__:* :1");
    client.check("SET k v => +OK");
    assert_eq!(
        listener.reply(),
        "*4\r\n$8\r\npmessage\r\n$10\r\n__key*__:*\r\n$16\r\n__keyspace@0__:k\r\n$3\r\nset\r\n"
    );
    assert_eq!(
        listener.reply(),
        "*4\r\n$8\r\npmessage\r\n$10\r\n__key*__:*\r\n$18\r\n__keyevent@0__:set\r\n$1\r\nk\r\n"
    );
}

#[test]
fn a_closed_client_listens_no_more() {
    let (server, mut publisher) = server_and_client();
    let mut listener = server.connect();
    listener.check("SUBSCRIBE a => *3 $9 subscribe $1 a :1");
    drop(listener);
    wait_until("nobody listens", || publisher.ask("PUBLISH a hello") == ":0\r\n");
    publisher.check("PUBSUB CHANNELS => *0");
}
