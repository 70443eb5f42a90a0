//! Sets.

use super::harness::*;
use std::collections::BTreeSet;

#[test]
fn add_ask_and_remove() {
    let (_server, mut client) = server_and_client();
    client.check(
        "SADD s a b a => :2
         SADD s b c => :1
         SADD s a => :0
         SCARD s => :3
         SCARD none => :0
         SISMEMBER s a => :1
         SISMEMBER s d => :0
         SISMEMBER none a => :0
         SMISMEMBER s a d c => *3 :1 :0 :1
         SMISMEMBER none a b => *2 :0 :0
         SMEMBERS s => *3 $1 a $1 b $1 c
         SMEMBERS none => *0
         SREM s b b x => :1
         SREM none a => :0
         SREM s a c d => :2
         EXISTS s => :0
         SADD s => -ERR_wrong_number_of_arguments_for_'sadd'_command
         SET string x => +OK
         SADD string a => -WRONGTYPE_Operation_against_a_key_holding_the_wrong_kind_of_value
         SREM string a => -WRONGTYPE_Operation_against_a_key_holding_the_wrong_kind_of_value
         SCARD string => -WRONGTYPE_Operation_against_a_key_holding_the_wrong_kind_of_value
         SMISMEMBER string a => -WRONGTYPE_Operation_against_a_key_holding_the_wrong_kind_of_value
         GET string => $1 x
         SADD numbers 3 -1 2 => :3
         TYPE numbers => +set
         SMEMBERS numbers => *3 $2 -1 $1 2 $1 3",
    );
}

#[test]
fn moves() {
    let (_server, mut client) = server_and_client();
    client.check(
        "SADD a 1 x => :2
         SADD b 2 => :1
         SMOVE a b 9 => :0
         SMOVE a a 1 => :1
         SMOVE a a 9 => :0
         SMOVE a b 1 => :1
         SMEMBERS a => *1 $1 x
         SMEMBERS b => *2 $1 1 $1 2
         SMOVE a c x => :1
         EXISTS a => :0
         SMEMBERS c => *1 $1 x
         SADD d x => :1
         SMOVE c d x => :1
         EXISTS c => :0
         SMEMBERS d => *1 $1 x
         SET string x => +OK
         SMOVE none string x => :0
         SMOVE string d x => -WRONGTYPE_Operation_against_a_key_holding_the_wrong_kind_of_value
         SMOVE d string x => -WRONGTYPE_Operation_against_a_key_holding_the_wrong_kind_of_value
         SMOVE d string y => -WRONGTYPE_Operation_against_a_key_holding_the_wrong_kind_of_value
         SMEMBERS d => *1 $1 x",
    );
}

#[test]
fn unions_intersections_and_differences() {
    let (_server, mut client) = server_and_client();
    client.check(
        "SADD a 1 2 3 => :3
         SADD b 2 3 4 => :3
         SADD c 3 x => :2
         SET string x => +OK
         SINTER a b => *2 $1 2 $1 3
         SINTER a b c => *1 $1 3
         SINTER a none => *0
         SINTER a string => -WRONGTYPE_Operation_against_a_key_holding_the_wrong_kind_of_value
         SINTER none string => -WRONGTYPE_Operation_against_a_key_holding_the_wrong_kind_of_value
         SUNION a none => *3 $1 1 $1 2 $1 3
         SUNION none => *0
         SUNION a string => -WRONGTYPE_Operation_against_a_key_holding_the_wrong_kind_of_value
         SDIFF a b => *1 $1 1
         SDIFF a none => *3 $1 1 $1 2 $1 3
         SDIFF none a => *0
         SDIFF a b a => *0
         SDIFF none string => -WRONGTYPE_Operation_against_a_key_holding_the_wrong_kind_of_value
         SINTERCARD 2 a b => :2
         SINTERCARD 2 a b LIMIT 1 => :1
         SINTERCARD 2 a b LIMIT 0 => :2
         SINTERCARD 2 a none => :0
         SINTERCARD 0 a => -ERR_numkeys_should_be_greater_than_0
         SINTERCARD x a => -ERR_numkeys_should_be_greater_than_0
         SINTERCARD 3 a b => -ERR_Number_of_keys_can't_be_greater_than_number_of_args
         SINTERCARD 1 a b => -ERR_syntax_error
         SINTERCARD 1 a LIMIT => -ERR_syntax_error
         SINTERCARD 1 a LIMIT -1 => -ERR_LIMIT_can't_be_negative
         SINTERCARD 1 a LIMIT x => -ERR_LIMIT_can't_be_negative
         SINTERSTORE to a b => :2
         SMEMBERS to => *2 $1 2 $1 3
         SUNIONSTORE to a b => :4
         SMEMBERS to => *4 $1 1 $1 2 $1 3 $1 4
         SDIFFSTORE to to a => :1
         SMEMBERS to => *1 $1 4
         EXPIRE to 100 => :1
         SUNIONSTORE to a => :3
         TTL to => :-1
         SUNIONSTORE string a => :3
         TYPE string => +set
         SET string x => +OK
         SDIFFSTORE to a string => -WRONGTYPE_Operation_against_a_key_holding_the_wrong_kind_of_value
         SCARD to => :3
         SINTERSTORE to a none => :0
         EXISTS to => :0
         SDIFFSTORE string none a => :0
         EXISTS string => :0",
    );
}

#[test]
fn replies_in_resp3() {
    let (_server, mut client) = server_and_client();
    client.check(
        "HELLO 3
         SADD s a b => :2
         SMEMBERS s => ~2 $1 a $1 b
         SMEMBERS none => ~0
         SMISMEMBER s a c => *2 :1 :0
         SISMEMBER s a => :1
         SINTER s s => ~2 $1 a $1 b
         SINTER s none => ~0
         SUNION s none => ~2 $1 a $1 b
         SDIFF s none => ~2 $1 a $1 b
         SDIFF s s => ~0
         SRANDMEMBER none => _
         SRANDMEMBER none 1 => *0
         SRANDMEMBER s 5 => *2 $1 a $1 b
         SPOP none => _
         SPOP none 1 => ~0
         SPOP s 0 => ~0
         SPOP s 5 => ~2 $1 a $1 b
         EXISTS s => :0",
    );
}

#[test]
fn encodings() {
    let server = Server::start(&[
        "--set-max-intset-entries",
        "4",
        "--set-max-listpack-entries",
        "3",
        "--set-max-listpack-value",
        "5",
    ]);
    let mut client = server.connect();
    client.check(
        "SADD numbers 1 2 3 4 => :4
         OBJECT ENCODING numbers => $6 intset
         SADD numbers 5 => :1
         OBJECT ENCODING numbers => $9 hashtable
         SREM numbers 2 3 4 5 => :4
         OBJECT ENCODING numbers => $9 hashtable
         SADD few 1 2 => :2
         SADD few a => :1
         OBJECT ENCODING few => $8 listpack
         SMEMBERS few => *3 $1 1 $1 2 $1 a
         SADD few b => :1
         OBJECT ENCODING few => $9 hashtable
         SADD more 1 2 3 => :3
         SADD more a => :1
         OBJECT ENCODING more => $9 hashtable
         SADD text 12345 => :1
         SADD text abcde => :1
         OBJECT ENCODING text => $8 listpack
         SADD text abcdef => :1
         OBJECT ENCODING text => $9 hashtable
         SADD long -12345 => :1
         SADD long a => :1
         OBJECT ENCODING long => $9 hashtable
         SADD first abcdef => :1
         OBJECT ENCODING first => $9 hashtable
         SADD same 1 1 1 1 1 => :1
         OBJECT ENCODING same => $9 hashtable
         SADD again 1 => :1
         SADD again 1 1 1 1 1 => :0
         OBJECT ENCODING again => $9 hashtable
         SUNIONSTORE to numbers again => :1
         OBJECT ENCODING to => $6 intset
         SINTERSTORE to few more => :3
         OBJECT ENCODING to => $8 listpack
         SREM few a => :1
         SINTERSTORE to few more => :2
         OBJECT ENCODING to => $6 intset
         SMOVE more to a => :1
         OBJECT ENCODING to => $8 listpack",
    );
    (0..20).for_each(|i| drop(client.ask(&format!("SADD big m{i}"))));
    client.check(
        "SPOP big 15
         OBJECT ENCODING big => $9 hashtable
         SPOP big 2
         OBJECT ENCODING big => $9 hashtable",
    );
    (0..20).for_each(|i| drop(client.ask(&format!("SADD big m{i}"))));
    client.check(
        "SPOP big 17
         SCARD big => :3
         OBJECT ENCODING big => $8 listpack",
    );
}

/// The bulk strings of a flat reply.
fn bulks(reply: &str) -> Vec<&str> {
    reply.split("\r\n").filter(|line| line.starts_with('m')).collect()
}

#[test]
fn random_members() {
    let (_server, mut client) = server_and_client();
    client.check(
        "SRANDMEMBER none => $-1
         SRANDMEMBER none 3 => *0
         SPOP none => $-1
         SPOP none 3 => *0
         SADD s m => :1
         SRANDMEMBER s => $1 m
         SRANDMEMBER s 0 => *0
         SRANDMEMBER s 7 => *1 $1 m
         SRANDMEMBER s -3 => *3 $1 m $1 m $1 m
         SRANDMEMBER s x => -ERR_value_is_not_an_integer_or_out_of_range
         SRANDMEMBER s 1 1 => -ERR_syntax_error
         SRANDMEMBER s -9223372036854775808 => -ERR_value_is_out_of_range,_value_must_between_-9223372036854775807_and_9223372036854775807
         SPOP s x => -ERR_value_is_out_of_range,_must_be_positive
         SPOP s -1 => -ERR_value_is_out_of_range,_must_be_positive
         SPOP s 1 1 => -ERR_syntax_error
         SPOP s 0 => *0
         SPOP s => $1 m
         EXISTS s => :0",
    );
    for members in [100, 1000] {
        let all: BTreeSet<String> = (0..members).map(|i| format!("m{i}")).collect();
        for count in [1, members / 10, members / 2, members * 9 / 10, members - 1, members] {
            all.iter().for_each(|member| drop(client.ask(&format!("SADD big {member}"))));
            let reply = client.ask(&format!("SRANDMEMBER big {count}"));
            let picked: BTreeSet<&str> = bulks(&reply).into_iter().collect();
            assert!(picked.len() == count && picked.iter().all(|&member| all.contains(member)));

            let reply = client.ask(&format!("SPOP big {count}"));
            let popped: BTreeSet<&str> = bulks(&reply).into_iter().collect();
            let reply = client.ask("SMEMBERS big");
            let left: BTreeSet<&str> = bulks(&reply).into_iter().collect();
            assert_eq!((popped.len(), left.len()), (count, members - count));
            assert!(popped.union(&left).copied().eq(all.iter()));
        }
        all.iter().for_each(|member| drop(client.ask(&format!("SADD big {member}"))));
        assert_eq!(bulks(&client.ask("SRANDMEMBER big -3000")).len(), 3000);
        let mut popped = BTreeSet::new();
        (0..members).for_each(|_| assert!(popped.insert(client.ask("SPOP big"))));
        assert_eq!(client.ask("EXISTS big"), ":0\r\n");
    }
}

#[test]
fn scans() {
    let (_server, mut client) = server_and_client();
    client.check(
        "SADD s a1 a2 b1 => :3
         SSCAN s 0 => *2 $1 0 *3 $2 a1 $2 a2 $2 b1
         SSCAN s 0 COUNT 1 => *2 $1 0 *3 $2 a1 $2 a2 $2 b1
         SSCAN s 0 MATCH b* => *2 $1 0 *1 $2 b1
         SADD numbers 12 22 => :2
         SSCAN numbers 0 MATCH 1* => *2 $1 0 *1 $2 12
         SSCAN none 0 => *2 $1 0 *0
         SSCAN none 0 BAD => *2 $1 0 *0
         SSCAN s x => -ERR_invalid_cursor
         SSCAN s 0 BAD 1 => -ERR_syntax_error
         SSCAN s 0 COUNT 0 => -ERR_syntax_error",
    );
    for i in 0..2000 {
        client.ask(&format!("SADD big m{i}"));
    }
    let (mut cursor, mut seen) = ("0".to_string(), BTreeSet::new());
    for i in 0.. {
        let reply = client.ask(&format!("SSCAN big {cursor} COUNT 20"));
        cursor = reply.split("\r\n").nth(2).unwrap().to_string();
        seen.extend(bulks(&reply).into_iter().map(str::to_string));
        if cursor == "0" {
            break;
        }
        // Growing meanwhile must hide nothing.
        (0..50).for_each(|j| drop(client.ask(&format!("SADD big x{i}-{j}"))));
    }
    assert!((0..2000).all(|i| seen.contains(&format!("m{i}"))));
}
