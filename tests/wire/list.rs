//! Lists.

use super::harness::*;

#[test]
fn push_pop_and_look() {
    let (_server, mut client) = server_and_client();
    client.check(
        "RPUSH l a b c => :3
         LPUSH l x y => :5
         LRANGE l 0 -1 => *5 $1 y $1 x $1 a $1 b $1 c
         LRANGE l -2 9 => *2 $1 b $1 c
         LRANGE l 3 1 => *0
         LRANGE none 0 -1 => *0
         LRANGE l a 1 => -ERR_value_is_not_an_integer_or_out_of_range
         LLEN l => :5
         LLEN none => :0
         LINDEX l 0 => $1 y
         LINDEX l -1 => $1 c
         LINDEX l 5 => $-1
         LINDEX l -6 => $-1
         LINDEX l x => -ERR_value_is_not_an_integer_or_out_of_range
         LINDEX none x => $-1
         LPUSHX none a => :0
         RPUSHX l d e => :7
         LPUSHX l z => :8
         LPOP l => $1 z
         RPOP l => $1 e
         LPOP l 2 => *2 $1 y $1 x
         RPOP l 0 => *0
         LPOP none => $-1
         LPOP none 0 => *-1
         LPOP l -1 => -ERR_value_is_out_of_range,_must_be_positive
         LPOP l x => -ERR_value_is_out_of_range,_must_be_positive
         LPOP l 1 2 => -ERR_wrong_number_of_arguments_for_'lpop'_command
         RPOP l 9 => *4 $1 d $1 c $1 b $1 a
         EXISTS l => :0
         SET s x => +OK
         LPUSH s a => -WRONGTYPE_Operation_against_a_key_holding_the_wrong_kind_of_value
         LPOP s => -WRONGTYPE_Operation_against_a_key_holding_the_wrong_kind_of_value
         LRANGE s 0 1 => -WRONGTYPE_Operation_against_a_key_holding_the_wrong_kind_of_value
         LSET s 0 a => -WRONGTYPE_Operation_against_a_key_holding_the_wrong_kind_of_value
         TYPE s => +string",
    );
}

#[test]
fn replies_in_resp3() {
    let (_server, mut client) = server_and_client();
    client.check(
        "HELLO 3
         LPOP none => _
         LPOP none 1 => _
         LINDEX none 0 => _
         LMPOP 1 none LEFT => _
         LMOVE none l LEFT LEFT => _
         BLPOP none 0.01 => _
         LPOS none a => _
         LPOS none a COUNT 1 => *0",
    );
}

#[test]
fn changes_in_the_middle() {
    let (_server, mut client) = server_and_client();
    client.check(
        "RPUSH l a b c => :3
         LINSERT l BEFORE b 1 => :4
         LINSERT l after c 2 => :5
         LINSERT l AFTER none 3 => :-1
         LINSERT none AFTER a 3 => :0
         LINSERT l BESIDE a 3 => -ERR_syntax_error
         LRANGE l 0 -1 => *5 $1 a $1 1 $1 b $1 c $1 2
         LSET l 1 b => +OK
         LSET l -1 a => +OK
         LSET l 5 a => -ERR_index_out_of_range
         LSET l x a => -ERR_value_is_not_an_integer_or_out_of_range
         LSET none 0 a => -ERR_no_such_key
         LRANGE l 0 -1 => *5 $1 a $1 b $1 b $1 c $1 a
         LREM l -1 a => :1
         LREM l 0 x => :0
         LREM l -9223372036854775808 x => -ERR_value_is_out_of_range,_value_must_between_-9223372036854775807_and_9223372036854775807
         LREM l 1 b => :1
         LRANGE l 0 -1 => *3 $1 a $1 b $1 c
         LREM none 0 a => :0
         LTRIM l 1 -1 => +OK
         LRANGE l 0 -1 => *2 $1 b $1 c
         LTRIM none 0 0 => +OK
         LTRIM l 5 6 => +OK
         EXISTS l => :0
         RPUSH l a a => :2
         LREM l 0 a => :2
         EXISTS l => :0",
    );
}

#[test]
fn positions() {
    let (_server, mut client) = server_and_client();
    client.check(
        "RPUSH l a b c 1 2 3 c c => :8
         LPOS l a => :0
         LPOS l c RANK 2 => :6
         LPOS l c RANK -1 => :7
         LPOS l c RANK 4 => $-1
         LPOS l c COUNT 0 => *3 :2 :6 :7
         LPOS l c COUNT 2 RANK -1 => *2 :7 :6
         LPOS l c COUNT 0 MAXLEN 3 => *1 :2
         LPOS l c COUNT 0 MAXLEN 7 RANK 2 => *1 :6
         LPOS l x COUNT 0 => *0
         LPOS l c RANK 0 => -ERR_RANK_can't_be_zero:_use_1_to_start_from_the_first_match,_2_from_the_second_..._or_use_negative_to_start_from_the_end_of_the_list
         LPOS l c RANK -9223372036854775808 => -ERR_value_is_out_of_range,_value_must_between_-9223372036854775807_and_9223372036854775807
         LPOS l c COUNT -1 => -ERR_COUNT_can't_be_negative
         LPOS l c MAXLEN x => -ERR_MAXLEN_can't_be_negative
         LPOS l c COUNT => -ERR_syntax_error
         LPOS l c WHERE 1 => -ERR_syntax_error",
    );
}

#[test]
fn moves() {
    let (_server, mut client) = server_and_client();
    client.check(
        "RPUSH a 1 2 3 => :3
         LMOVE a b LEFT RIGHT => $1 1
         RPOPLPUSH a b => $1 3
         LRANGE b 0 -1 => *2 $1 3 $1 1
         LMOVE b b left left => $1 3
         RPOPLPUSH b b => $1 1
         LRANGE b 0 -1 => *2 $1 1 $1 3
         LMOVE a b RIGHT UP => -ERR_syntax_error
         LMOVE a b RIGHT LEFT => $1 2
         EXISTS a => :0
         LMOVE a b RIGHT LEFT => $-1
         RPUSH one x => :1
         LMOVE one one RIGHT LEFT => $1 x
         SET s x => +OK
         LMOVE b s LEFT LEFT => -WRONGTYPE_Operation_against_a_key_holding_the_wrong_kind_of_value
         LMOVE s b LEFT LEFT => -WRONGTYPE_Operation_against_a_key_holding_the_wrong_kind_of_value
         LMOVE none s LEFT LEFT => $-1
         LRANGE b 0 -1 => *3 $1 2 $1 1 $1 3
         LMPOP 2 none b LEFT => *2 $1 b *1 $1 2
         LMPOP 1 b right COUNT 5 => *2 $1 b *2 $1 3 $1 1
         LMPOP 2 none b LEFT => *-1
         LMPOP 1 s LEFT => -WRONGTYPE_Operation_against_a_key_holding_the_wrong_kind_of_value
         LMPOP 0 b LEFT => -ERR_numkeys_should_be_greater_than_0
         LMPOP x b LEFT => -ERR_numkeys_should_be_greater_than_0
         LMPOP 2 b LEFT => -ERR_syntax_error
         LMPOP 1 b UP => -ERR_syntax_error
         LMPOP 1 b LEFT COUNT 0 => -ERR_count_should_be_greater_than_0
         LMPOP 1 b LEFT COUNT => -ERR_syntax_error
         LMPOP 1 b LEFT COUNT 1 COUNT 1 => -ERR_syntax_error",
    );
}

#[test]
fn waiting() {
    let (server, mut client) = server_and_client();
    client.check(
        "RPUSH l a b c d e f => :6
         BLPOP none l 0 => *2 $1 l $1 a
         BRPOP l none 0 => *2 $1 l $1 f
         BLMPOP 0 2 none l LEFT COUNT 2 => *2 $1 l *2 $1 b $1 c
         BLMOVE l m LEFT RIGHT 0 => $1 d
         BRPOPLPUSH l m 0 => $1 e
         LRANGE m 0 -1 => *2 $1 e $1 d
         BLPOP l 0.01 => *-1
         BLMOVE l m LEFT RIGHT 0.01 => *-1
         BLPOP l -1 => -ERR_timeout_is_negative
         BLPOP l x => -ERR_timeout_is_not_a_float_or_out_of_range
         BLMPOP 0 0 l LEFT => -ERR_numkeys_should_be_greater_than_0
         BLMOVE l m UP LEFT 0 => -ERR_syntax_error",
    );
    let mut waiting = server.connect();
    for (command, expected) in [
        ("BLPOP x y 0", "*2\r\n$1\r\ny\r\n$1\r\n1\r\n"),
        ("BRPOP x y 0", "*2\r\n$1\r\ny\r\n$1\r\n2\r\n"),
        ("BLMPOP 0 2 x y RIGHT COUNT 5", "*2\r\n$1\r\ny\r\n*2\r\n$1\r\n2\r\n$1\r\n1\r\n"),
        ("BLMOVE y z LEFT LEFT 0", "$1\r\n1\r\n"),
        ("BRPOPLPUSH y z 0", "$1\r\n2\r\n"),
    ] {
        waiting.send(&encode(&command.split(' ').map(str::as_bytes).collect::<Vec<_>>()));
        wait_until("the client waits", || client.ask("INFO clients").contains("blocked_clients:1\r\n"));
        assert_eq!(client.ask("RPUSH y 1 2"), ":2\r\n");
        assert_eq!(waiting.reply(), expected, "{command}");
        client.ask("DEL y");
    }
    client.check("LRANGE z 0 -1 => *2 $1 2 $1 1");
}

#[test]
fn encodings() {
    let (_server, mut client) = server_and_client();
    let (small, large) = ("x".repeat(100), "x".repeat(9000));
    client.check(&format!(
        "RPUSH l a => :1
         OBJECT ENCODING l => $8 listpack
         RPUSH l {large} => :2
         OBJECT ENCODING l => $9 quicklist
         LSET l 1 b => +OK
         OBJECT ENCODING l => $9 quicklist
         RPOP l => $1 b
         OBJECT ENCODING l => $8 listpack
         LINSERT l AFTER none {large} => :-1
         OBJECT ENCODING l => $9 quicklist
         LSET l 0 b => +OK
         OBJECT ENCODING l => $8 listpack
         CONFIG SET list-max-listpack-size 4 => +OK
         RPUSH l 1 2 3 => :4
         OBJECT ENCODING l => $8 listpack
         RPUSH l 4 => :5
         OBJECT ENCODING l => $9 quicklist
         RPOP l => $1 4
         OBJECT ENCODING l => $9 quicklist
         RPOP l 2 => *2 $1 3 $1 2
         OBJECT ENCODING l => $8 listpack
         CONFIG SET list-max-listpack-size 0 => +OK
         RPUSH one 1 => :1
         OBJECT ENCODING one => $8 listpack
         RPUSH one 2 => :2
         OBJECT ENCODING one => $9 quicklist
         CONFIG SET list-max-listpack-size -2 => +OK"
    ));
    // What decides is the size of Redis's listpack: 7 bytes, and 105 for each of these.
    for n in 10..87 {
        client.ask(&format!("LPUSH many {small}{n}"));
    }
    client.check(&format!(
        "OBJECT ENCODING many => $8 listpack
         LPUSH many {small}87 => :78
         OBJECT ENCODING many => $9 quicklist"
    ));
}

#[test]
fn long_elements_and_compression() {
    let (_server, mut client) = server_and_client();
    client.check("CONFIG SET list-max-listpack-size 16 list-compress-depth 1 => +OK");
    let element = |n: usize| format!("{n}-").repeat(1 + n % 97 * (n % 5) * 20);
    for n in 0..600 {
        client.ask(&format!("RPUSH l {}", element(n)));
    }
    assert!(client.ask("DEBUG OBJECT l").contains(" ql_listpack_max:16 ql_compressed:1 "));
    let all: String = (0..600).map(|n| format!("${}\r\n{}\r\n", element(n).len(), element(n))).collect();
    assert!(client.ask("LRANGE l 0 -1") == format!("*600\r\n{all}"));
    for n in (0..600).step_by(7) {
        assert!(client.ask(&format!("LINDEX l {n}")).contains(&element(n)));
        assert_eq!(client.ask(&format!("LPOS l {}", element(n))), format!(":{n}\r\n"));
    }
    for n in 0..600 {
        let popped = client.ask(if n % 2 == 0 { "LPOP l" } else { "RPOP l" });
        assert!(popped.contains(&element(if n % 2 == 0 { n / 2 } else { 599 - n / 2 })), "{n}");
    }
    client.check("EXISTS l => :0");
}

#[test]
fn debug() {
    let (_server, mut client) = server_and_client();
    client.check(
        "RPUSH l a => :1
         DEBUG LISTPACK l => +Listpack_structure_printed_on_stdout
         DEBUG QUICKLIST l => -ERR_Not_a_quicklist_encoded_object.
         DEBUG LISTPACK none => -ERR_no_such_key
         DEBUG QUICKLIST-PACKED-THRESHOLD 10b => +OK
         DEBUG QUICKLIST-PACKED-THRESHOLD 4gb => -ERR_argument_must_be_a_memory_value_bigger_than_1_and_smaller_than_4gb
         DEBUG QUICKLIST-PACKED-THRESHOLD 0 => +OK
         CONFIG SET list-max-listpack-size 1 => +OK
         RPUSH l b => :2
         DEBUG QUICKLIST l 1 => +Quicklist_structure_printed_on_stdout",
    );
}
