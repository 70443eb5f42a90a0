//! Hashes.

use super::harness::*;
use std::collections::BTreeSet;

#[test]
fn set_get_and_delete() {
    let (_server, mut client) = server_and_client();
    client.check(
        "HSET h a 1 b 2 a 3 => :2
         HSET h a 4 => :0
         HGET h a => $1 4
         HGET h c => $-1
         HGET none a => $-1
         HMGET h a c b => *3 $1 4 $-1 $1 2
         HMGET none a b => *2 $-1 $-1
         HGETALL h => *4 $1 a $1 4 $1 b $1 2
         HGETALL none => *0
         HKEYS h => *2 $1 a $1 b
         HVALS h => *2 $1 4 $1 2
         HKEYS none => *0
         HLEN h => :2
         HLEN none => :0
         HSTRLEN h a => :1
         HSTRLEN h c => :0
         HEXISTS h a => :1
         HEXISTS h c => :0
         HSETNX h a 5 => :0
         HSETNX h c 5 => :1
         HMSET h a 1 => +OK
         HDEL h a a none => :1
         HDEL none a => :0
         HDEL h b c => :2
         EXISTS h => :0
         HSET h a => -ERR_wrong_number_of_arguments_for_'hset'_command
         HSET h a 1 b => -ERR_wrong_number_of_arguments_for_'hset'_command
         HMSET h a 1 b => -ERR_wrong_number_of_arguments_for_'hmset'_command
         EXISTS h => :0
         SET s x => +OK
         HSET s a 1 => -WRONGTYPE_Operation_against_a_key_holding_the_wrong_kind_of_value
         HGET s a => -WRONGTYPE_Operation_against_a_key_holding_the_wrong_kind_of_value
         HDEL s a => -WRONGTYPE_Operation_against_a_key_holding_the_wrong_kind_of_value
         GET s => $1 x",
    );
}

#[test]
fn replies_in_resp3() {
    let (_server, mut client) = server_and_client();
    client.check(
        "HELLO 3
         HSET h a 1 b 2 => :2
         HGETALL h => %2 $1 a $1 1 $1 b $1 2
         HGETALL none => %0
         HGET h c => _
         HMGET h c a => *2 _ $1 1
         HRANDFIELD none => _
         HRANDFIELD none 5 => *0
         HRANDFIELD h 9 => *2 $1 a $1 b
         HRANDFIELD h 9 WITHVALUES => *2 *2 $1 a $1 1 *2 $1 b $1 2
         HDEL h b => :1
         HRANDFIELD h -2 WITHVALUES => *2 *2 $1 a $1 1 *2 $1 a $1 1",
    );
}

#[test]
fn increments() {
    let (_server, mut client) = server_and_client();
    client.check(
        "HINCRBY h n 5 => :5
         HINCRBY h n -7 => :-2
         HGET h n => $2 -2
         HSET h max 9223372036854775807 text abc
         HINCRBY h max 1 => -ERR_increment_or_decrement_would_overflow
         HINCRBY h text 1 => -ERR_hash_value_is_not_an_integer
         HINCRBY h n x => -ERR_value_is_not_an_integer_or_out_of_range
         HINCRBYFLOAT h f 0.1 => $3 0.1
         HINCRBYFLOAT h f 0.2 => $3 0.3
         HINCRBYFLOAT h f 5e3 => $22 5000.29999999999999982
         HINCRBYFLOAT h text 1 => -ERR_hash_value_is_not_a_float
         HINCRBYFLOAT h f x => -ERR_value_is_not_a_valid_float
         HINCRBYFLOAT h f inf => -ERR_value_is_NaN_or_Infinity
         HINCRBYFLOAT none f inf => -ERR_value_is_NaN_or_Infinity
         HSET h inf inf => :1
         HINCRBYFLOAT h inf 1 => -ERR_increment_would_produce_NaN_or_Infinity
         EXISTS none => :0",
    );
}

#[test]
fn encodings() {
    let server = Server::start(&["--hash-max-listpack-entries", "4", "--hash-max-listpack-value", "8"]);
    let mut client = server.connect();
    client.check(
        "HSET few a 1 b 2 c 3 d 4 => :4
         OBJECT ENCODING few => $8 listpack
         HSET few d 5 => :0
         OBJECT ENCODING few => $8 listpack
         HSET few e 5 => :1
         OBJECT ENCODING few => $9 hashtable
         HDEL few b c d e => :4
         OBJECT ENCODING few => $9 hashtable
         HGETALL few => *2 $1 a $1 1
         HSET value a 12345678 => :1
         OBJECT ENCODING value => $8 listpack
         HSET value a 123456789 => :0
         OBJECT ENCODING value => $9 hashtable
         HSET field 123456789 a => :1
         OBJECT ENCODING field => $9 hashtable
         HSET same a 1 a 2 a 3 a 4 a 5 => :1
         OBJECT ENCODING same => $9 hashtable
         HINCRBY number n 12345678 => :12345678
         OBJECT ENCODING number => $8 listpack
         HINCRBY number n 123456789 => :135802467
         OBJECT ENCODING number => $9 hashtable
         HSETNX one 123456789 a => :1
         OBJECT ENCODING one => $9 hashtable",
    );
}

/// The bulk strings of a flat reply.
fn bulks(reply: &str) -> Vec<&str> {
    let mut lines = reply.split("\r\n");
    let mut bulks = Vec::new();
    while let Some(line) = lines.next() {
        if line.starts_with('$') {
            bulks.extend(lines.next());
        }
    }
    bulks
}

#[test]
fn random_fields() {
    let (_server, mut client) = server_and_client();
    client.check(
        "HRANDFIELD none => $-1
         HRANDFIELD none 3 => *0
         HRANDFIELD none -3 WITHVALUES => *0
         HSET h f v => :1
         HRANDFIELD h => $1 f
         HRANDFIELD h 0 => *0
         HRANDFIELD h 7 => *1 $1 f
         HRANDFIELD h -3 => *3 $1 f $1 f $1 f
         HRANDFIELD h -2 withvalues => *4 $1 f $1 v $1 f $1 v
         HRANDFIELD h x => -ERR_value_is_not_an_integer_or_out_of_range
         HRANDFIELD h 1 VALUES => -ERR_syntax_error
         HRANDFIELD h 1 WITHVALUES 1 => -ERR_syntax_error
         HRANDFIELD h -9223372036854775808 => -ERR_value_is_out_of_range,_value_must_between_-9223372036854775807_and_9223372036854775807
         HRANDFIELD h -9223372036854775807 WITHVALUES => -ERR_value_is_out_of_range",
    );
    for fields in [100, 1000] {
        for i in 0..fields {
            client.ask(&format!("HSET big f{i} v{i}"));
        }
        for count in [1, fields / 10, fields / 2, fields - 1] {
            let reply = client.ask(&format!("HRANDFIELD big {count} WITHVALUES"));
            let bulks = bulks(&reply);
            assert!(bulks.chunks(2).all(|pair| pair[0][1..] == pair[1][1..]));
            assert_eq!(bulks.chunks(2).map(|pair| pair[0]).collect::<BTreeSet<_>>().len(), count);
        }
        assert_eq!(bulks(&client.ask("HRANDFIELD big -3000")).len(), 3000);
    }
}

#[test]
fn scans() {
    let (_server, mut client) = server_and_client();
    client.check(
        "HSET h a1 1 a2 2 b1 3 => :3
         HSCAN h 0 => *2 $1 0 *6 $2 a1 $1 1 $2 a2 $1 2 $2 b1 $1 3
         HSCAN h 0 COUNT 1 => *2 $1 0 *6 $2 a1 $1 1 $2 a2 $1 2 $2 b1 $1 3
         HSCAN h 0 MATCH b* => *2 $1 0 *2 $2 b1 $1 3
         HSCAN h 0 MATCH 3 => *2 $1 0 *0
         HSCAN none 0 => *2 $1 0 *0
         HSCAN none 0 BAD => *2 $1 0 *0
         HSCAN h x => -ERR_invalid_cursor
         HSCAN h 0 BAD 1 => -ERR_syntax_error
         HSCAN h 0 TYPE hash => -ERR_syntax_error
         HSCAN h 0 COUNT 0 => -ERR_syntax_error
         HSCAN h 0 COUNT x => -ERR_value_is_not_an_integer_or_out_of_range
         HSCAN h 0 MATCH => -ERR_syntax_error",
    );
    for i in 0..2000 {
        client.ask(&format!("HSET big f{i} v{i}"));
    }
    let (mut cursor, mut seen) = ("0".to_string(), BTreeSet::new());
    for i in 0.. {
        let reply = client.ask(&format!("HSCAN big {cursor} COUNT 20"));
        let mut bulks = bulks(&reply).into_iter();
        cursor = bulks.next().unwrap().to_string();
        seen.extend(bulks.step_by(2).map(str::to_string));
        if cursor == "0" {
            break;
        }
        // Growing meanwhile must hide nothing.
        (0..50).for_each(|j| drop(client.ask(&format!("HSET big g{i}-{j} v"))));
    }
    assert!((0..2000).all(|i| seen.contains(&format!("f{i}"))));
}
