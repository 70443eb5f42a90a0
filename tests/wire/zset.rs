//! Sorted sets.

use super::harness::*;

#[test]
fn members_are_added_changed_and_removed() {
    let (_server, mut client) = server_and_client();
    client.check(
        "ZADD z 1 a 2 b 3 c => :3
         ZADD z 4 a 5 d => :1
         ZADD z CH 4 a 6 d => :1
         ZADD z NX CH 9 a 7 e => :1
         ZADD z XX CH 9 f 8 e => :1
         ZADD z GT CH 7 e 9 c => :1
         ZADD z LT CH 9 e 1 c => :1
         ZRANGE z 0 -1 WITHSCORES => *10 $1 c $1 1 $1 b $1 2 $1 a $1 4 $1 d $1 6 $1 e $1 8
         ZADD z INCR 2.5 a => $3 6.5
         ZADD z NX INCR 1 a => $-1
         ZADD z GT INCR -1 a => $-1
         ZADD none XX INCR 1 a => $-1
         ZADD none XX 1 a => :0
         EXISTS none => :0
         ZINCRBY z -0.5 a => $1 6
         ZINCRBY z inf a => $3 inf
         ZINCRBY z -inf a => -ERR_resulting_score_is_not_a_number_(NaN)
         ZSCORE z a => $3 inf
         ZREM z a none b => :2
         ZREM z c d e => :3
         EXISTS z => :0
         ZADD z x a => -ERR_value_is_not_a_valid_float
         ZADD z nan a => -ERR_value_is_not_a_valid_float
         ZADD z 1 a x b => -ERR_value_is_not_a_valid_float
         EXISTS z => :0
         ZADD z 1 a 2 => -ERR_syntax_error
         ZADD z NX XX 1 a => -ERR_XX_and_NX_options_at_the_same_time_are_not_compatible
         ZADD z NX GT 1 a => -ERR_GT,_LT,_and/or_NX_options_at_the_same_time_are_not_compatible
         ZADD z GT LT 1 a => -ERR_GT,_LT,_and/or_NX_options_at_the_same_time_are_not_compatible
         ZADD z INCR 1 a 2 b => -ERR_INCR_option_supports_a_single_increment-element_pair
         ZINCRBY z nx a => -ERR_syntax_error
         SET s x => +OK
         ZADD s 1 a => -WRONGTYPE_Operation_against_a_key_holding_the_wrong_kind_of_value",
    );
}

#[test]
fn single_members_are_looked_up() {
    let (_server, mut client) = server_and_client();
    client.check(
        "ZADD z 1 a 2 b 3 c
         ZCARD z => :3
         ZCARD none => :0
         ZSCORE z b => $1 2
         ZSCORE z x => $-1
         ZSCORE none x => $-1
         ZMSCORE z a x c => *3 $1 1 $-1 $1 3
         ZMSCORE none a => *1 $-1
         ZRANK z c => :2
         ZREVRANK z c => :0
         ZRANK z c WITHSCORE => *2 :2 $1 3
         ZREVRANK z c withscore => *2 :0 $1 3
         ZRANK z x => $-1
         ZRANK z x WITHSCORE => *-1
         ZRANK z c SCORE => -ERR_syntax_error
         ZRANK z c WITHSCORE x => -ERR_wrong_number_of_arguments_for_'zrank'_command
         ZRANDMEMBER none => $-1
         ZRANDMEMBER none 3 => *0
         ZADD one 1 a
         ZRANDMEMBER one => $1 a
         ZRANDMEMBER one 5 WITHSCORES => *2 $1 a $1 1
         ZRANDMEMBER one -2 => *2 $1 a $1 a
         ZRANDMEMBER one 1 SCORES => -ERR_syntax_error
         ZSCAN z 0 => *2 $1 0 *6 $1 a $1 1 $1 b $1 2 $1 c $1 3
         ZSCAN z 0 MATCH [ac] => *2 $1 0 *4 $1 a $1 1 $1 c $1 3
         ZSCAN none 0 => *2 $1 0 *0
         HELLO 3
         ZSCORE z b => ,2
         ZMSCORE z a x => *2 ,1 _
         ZRANK z c WITHSCORE => *2 :2 ,3
         ZRANK z x WITHSCORE => _
         ZRANDMEMBER one 5 WITHSCORES => *1 *2 $1 a ,1
         ZSCAN one 0 => *2 $1 0 *2 $1 a $1 1",
    );
}

#[test]
fn ranges() {
    let (_server, mut client) = server_and_client();
    client.check(
        "ZADD z 1 a 2 b 3 c 4 d
         ZRANGE z 0 1 => *2 $1 a $1 b
         ZRANGE z -2 -1 WITHSCORES => *4 $1 c $1 3 $1 d $1 4
         ZRANGE z 0 1 REV => *2 $1 d $1 c
         ZRANGE z 3 2 => *0
         ZRANGE z -100 100 => *4 $1 a $1 b $1 c $1 d
         ZREVRANGE z 0 0 WITHSCORES => *2 $1 d $1 4
         ZRANGE z (1 3 BYSCORE => *2 $1 b $1 c
         ZRANGE z +inf (2 BYSCORE REV LIMIT 1 1 => *1 $1 c
         ZRANGE z - (c BYLEX => *2 $1 a $1 b
         ZRANGE z [c - BYLEX REV LIMIT 0 2 => *2 $1 c $1 b
         ZRANGEBYSCORE z -inf 2 WITHSCORES => *4 $1 a $1 1 $1 b $1 2
         ZRANGEBYSCORE z 1 4 LIMIT 1 2 => *2 $1 b $1 c
         ZRANGEBYSCORE z 1 4 LIMIT 2 -1 => *2 $1 c $1 d
         ZRANGEBYSCORE z 1 4 LIMIT -1 2 => *0
         ZREVRANGEBYSCORE z 4 1 LIMIT 0 2 => *2 $1 d $1 c
         ZRANGEBYLEX z [b [c => *2 $1 b $1 c
         ZREVRANGEBYLEX z + (b => *2 $1 d $1 c
         ZRANGE none 0 -1 => *0
         ZCOUNT z (1 3 => :2
         ZCOUNT z 3 1 => :0
         ZCOUNT none 3 1 => :0
         ZLEXCOUNT z - + => :4
         ZLEXCOUNT z (a (d => :2
         ZRANGE z 0 x => -ERR_value_is_not_an_integer_or_out_of_range
         ZRANGE z 0 x BYSCORE => -ERR_min_or_max_is_not_a_float
         ZRANGE z a b BYLEX => -ERR_min_or_max_not_valid_string_range_item
         ZRANGE z 0 1 LIMIT 0 1 => -ERR_syntax_error,_LIMIT_is_only_supported_in_combination_with_either_BYSCORE_or_BYLEX
         ZRANGE z 0 0 LIMIT 0 -1 => *1 $1 a
         ZRANGE z - + BYLEX WITHSCORES => -ERR_syntax_error,_WITHSCORES_not_supported_in_combination_with_BYLEX
         ZRANGE z 0 1 BYLEX BYSCORE => -ERR_syntax_error
         ZRANGE z 0 1 LIMIT 0 => -ERR_syntax_error
         ZRANGEBYSCORE z 0 1 REV => -ERR_syntax_error
         ZRANGESTORE to z 1 2 => :2
         ZRANGE to 0 -1 WITHSCORES => *4 $1 b $1 2 $1 c $1 3
         ZRANGESTORE to z 4 2 BYSCORE REV LIMIT 0 1 => :1
         ZRANGE to 0 -1 => *1 $1 d
         ZRANGESTORE to z 0 1 WITHSCORES => -ERR_syntax_error
         ZRANGESTORE to none 0 -1 => :0
         EXISTS to => :0
         ZRANGESTORE z z 0 2 => :3
         ZREMRANGEBYRANK z 0 0 => :1
         ZREMRANGEBYSCORE z (2 3 => :1
         ZREMRANGEBYLEX z [x + => :0
         ZREMRANGEBYLEX z - + => :1
         EXISTS z => :0
         ZADD z 1 a 2 b
         HELLO 3
         ZRANGE z 0 -1 WITHSCORES => *2 *2 $1 a ,1 *2 $1 b ,2
         ZRANGE z 0 -1 => *2 $1 a $1 b",
    );
    // C's way to read numbers.
    assert_eq!(client.ask_args(&[b"ZCOUNT", b"z", b"", b"( \t2"]), ":1\r\n");
    assert_eq!(client.ask_args(&[b"ZCOUNT", b"z", b"-1e400", b"1e400\0x"]), ":2\r\n");
}

#[test]
fn scores_are_printed_as_redis_prints_them() {
    for entries in ["0", "128"] {
        let server = Server::start(&["--zset-max-listpack-entries", entries]);
        let mut client = server.connect();
        client.check(
            "ZADD z 0.1 a 1e300 b 3.0 c -inf d 1e-7 e 12345678901234567 f 0x10 g
             ZRANGE z 0 -1 WITHSCORES => *14 $1 d $4 -inf $1 e $4 1e-7 $1 a $3 0.1 $1 c $1 3 $1 g $2 16 $1 f $17 12345678901234568 $1 b $6 1e+300
             HELLO 3
             ZSCORE z d => ,-inf
             ZSCORE z b => ,1e+300",
        );
    }
    let server = Server::start(&["--zset-max-listpack-entries", "0"]);
    server.connect().check(
        "ZADD z -0 a 0.1 b
         ZSCORE z a => $2 -0
         ZSCAN z 0 MATCH b => *2 $1 0 *2 $1 b $19 0.10000000000000001",
    );
    let (_server, mut client) = server_and_client();
    client.check(
        "ZADD z -0 a
         ZSCORE z a => $1 0",
    );
}

#[test]
fn encodings() {
    let server = Server::start(&["--zset-max-listpack-entries", "3", "--zset-max-listpack-value", "4"]);
    let mut client = server.connect();
    client.check(
        "ZADD few 1 a 2 b 3 c
         OBJECT ENCODING few => $8 listpack
         ZADD few 4 c
         OBJECT ENCODING few => $8 listpack
         ZADD few 4 d
         OBJECT ENCODING few => $8 skiplist
         ZREM few b c d => :3
         OBJECT ENCODING few => $8 skiplist
         ZADD long 1 abcd
         OBJECT ENCODING long => $8 listpack
         ZADD long 1 abcde
         OBJECT ENCODING long => $8 skiplist
         ZADD same 1 a 2 a 3 a 4 a => :1
         OBJECT ENCODING same => $8 skiplist
         ZUNIONSTORE union 2 few same => :1
         OBJECT ENCODING union => $8 listpack
         ZRANGESTORE range long 0 0 => :1
         OBJECT ENCODING range => $8 listpack
         ZRANGESTORE range long 0 1 => :2
         OBJECT ENCODING range => $8 skiplist
         GEOADD geo 1 1 a 2 2 b 3 3 c 4 4 d
         OBJECT ENCODING geo => $8 skiplist
         GEOSEARCHSTORE near geo FROMMEMBER a BYRADIUS 1 km => :1
         OBJECT ENCODING near => $8 listpack",
    );
}

#[test]
fn unions_intersections_and_differences() {
    let (_server, mut client) = server_and_client();
    client.check(
        "ZADD a 1 x 2 y 3 z
         ZADD b 10 y 20 z 30 w
         ZUNION 2 a b WITHSCORES => *8 $1 x $1 1 $1 y $2 12 $1 z $2 23 $1 w $2 30
         ZINTER 2 a b WITHSCORES WEIGHTS 2 1 AGGREGATE MAX => *4 $1 y $2 10 $1 z $2 20
         ZINTER 2 a b AGGREGATE min => *2 $1 y $1 z
         ZDIFF 2 a b WITHSCORES => *2 $1 x $1 1
         ZDIFF 2 none a => *0
         ZINTER 2 a none => *0
         ZUNION 3 none a none => *3 $1 x $1 y $1 z
         ZINTERCARD 2 a b => :2
         ZINTERCARD 2 a b LIMIT 1 => :1
         ZINTERCARD 2 a b LIMIT 0 => :2
         ZUNIONSTORE to 2 a b WEIGHTS 0 inf => :4
         ZRANGE to 0 -1 WITHSCORES => *8 $1 x $1 0 $1 w $3 inf $1 y $3 inf $1 z $3 inf
         ZUNIONSTORE to 2 to to WEIGHTS 1 -1 => :4
         ZRANGE to 0 -1 WITHSCORES => *8 $1 w $1 0 $1 x $1 0 $1 y $1 0 $1 z $1 0
         ZINTERSTORE to 2 a b => :2
         ZDIFFSTORE to 2 a a => :0
         EXISTS to => :0
         ZUNION 0 a => -ERR_at_least_1_input_key_is_needed_for_'zunion'_command
         ZUNION x a => -ERR_value_is_not_an_integer_or_out_of_range
         ZUNION 3 a b => -ERR_syntax_error
         ZUNION 1 a WEIGHTS x => -ERR_weight_value_is_not_a_float
         ZUNION 1 a WEIGHTS => -ERR_syntax_error
         ZUNION 1 a AGGREGATE avg => -ERR_syntax_error
         ZUNIONSTORE to 1 a WITHSCORES => -ERR_syntax_error
         ZDIFF 1 a WEIGHTS 1 => -ERR_syntax_error
         ZINTERCARD 1 a LIMIT -1 => -ERR_LIMIT_can't_be_negative
         SET s x
         ZUNION 1 s WEIGHTS x => -WRONGTYPE_Operation_against_a_key_holding_the_wrong_kind_of_value
         HELLO 3
         ZUNION 1 a WITHSCORES => *3 *2 $1 x ,1 *2 $1 y ,2 *2 $1 z ,3",
    );
}

#[test]
fn the_lowest_and_highest_are_popped() {
    let (_server, mut client) = server_and_client();
    client.check(
        "ZADD z 1 a 2 b 3 c 4 d 5 e 6 f
         ZPOPMIN z => *2 $1 a $1 1
         ZPOPMAX z 2 => *4 $1 f $1 6 $1 e $1 5
         ZPOPMIN z 0 => *0
         ZPOPMIN none => *0
         ZPOPMIN z -1 => -ERR_value_is_out_of_range,_must_be_positive
         ZPOPMIN z x => -ERR_value_is_out_of_range,_must_be_positive
         ZPOPMIN z 1 2 => -ERR_syntax_error
         ZMPOP 2 none z MIN => *2 $1 z *1 *2 $1 b $1 2
         ZMPOP 1 z MAX COUNT 5 => *2 $1 z *2 *2 $1 d $1 4 *2 $1 c $1 3
         EXISTS z => :0
         ZMPOP 1 z MIN => *-1
         ZMPOP 0 z MIN => -ERR_numkeys_should_be_greater_than_0
         ZMPOP 1 z MID => -ERR_syntax_error
         ZMPOP 1 z MIN COUNT 0 => -ERR_count_should_be_greater_than_0
         ZMPOP 1 z MIN COUNT 1 COUNT 1 => -ERR_syntax_error
         ZADD z 1 a 2 b 3 c 4 d
         BZPOPMIN none z 0 => *3 $1 z $1 a $1 1
         BZPOPMAX z 0 => *3 $1 z $1 d $1 4
         BZMPOP 0 1 z MAX => *2 $1 z *1 *2 $1 c $1 3
         BZPOPMIN none 0.001 => *-1
         BZMPOP 0.001 1 none MIN => *-1
         BZPOPMIN z x => -ERR_timeout_is_not_a_float_or_out_of_range
         BZPOPMIN z -1 => -ERR_timeout_is_negative
         HELLO 3
         ZADD z 1 a 3 c
         ZPOPMIN z => *2 $1 a ,1
         ZADD z 1 a
         ZPOPMIN z 2 => *2 *2 $1 a ,1 *2 $1 b ,2
         BZPOPMIN z 0 => *3 $1 z $1 c ,3",
    );
}

#[test]
fn waiting_for_members() {
    let (server, mut client) = server_and_client();
    let mut waiting = server.connect();
    waiting.send(&encode(&[b"BZPOPMAX", b"first", b"second", b"0"]));
    wait_until("it waits", || client.ask("INFO clients").contains("blocked_clients:1"));
    client.check("ZADD second 1 a 2 b => :2");
    assert_eq!(waiting.reply(), "*3\r\n$6\r\nsecond\r\n$1\r\nb\r\n$1\r\n2\r\n");
    client.check("ZRANGE second 0 -1 => *1 $1 a");
    waiting.send(&encode(&[b"BZMPOP", b"0", b"1", b"third", b"MIN", b"COUNT", b"2"]));
    wait_until("it waits", || client.ask("INFO clients").contains("blocked_clients:1"));
    client.check("ZADD third 1 a 2 b 3 c => :3");
    assert_eq!(waiting.reply(), "*2\r\n$5\r\nthird\r\n*2\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$1\r\nb\r\n$1\r\n2\r\n");
}

#[test]
fn the_append_only_file_holds_them() {
    let server = Server::start(&["--appendonly", "yes", "--zset-max-listpack-entries", "10"]);
    let mut client = server.connect();
    for i in 0..200 {
        client.ask(&format!("ZADD z {} member{i}", f64::from(i) / 3.0));
    }
    client.check(
        "ZADD small -inf a 0.1 b
         GEOADD geo 13.361389 38.115556 Palermo
         ZMPOP 1 z MIN COUNT 3
         BZPOPMAX z 0",
    );
    let digest = client.ask("DEBUG DIGEST");
    for rewrite in [false, true] {
        if rewrite {
            client.check("DEBUG LOADAOF");
        }
        client.check("DEBUG LOADAOF => +OK");
        assert_eq!(client.ask("DEBUG DIGEST"), digest);
    }
    client.check("ZCARD z => :196");
}

#[test]
fn all_members_at_random_come_from_the_highest_on() {
    let (_server, mut client) = server_and_client();
    for max in ["128", "0"] {
        client.check(&format!(
            "CONFIG SET zset-max-listpack-entries {max} => +OK
             DEL z
             ZADD z 1 a 2 b 3 c => :3
             ZRANDMEMBER z 3 => *3 $1 c $1 b $1 a
             ZRANDMEMBER z 9 WITHSCORES => *6 $1 c $1 3 $1 b $1 2 $1 a $1 1"
        ));
    }
}
