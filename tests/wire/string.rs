//! Strings.

use super::harness::*;

#[test]
fn set_and_get() {
    let (_server, mut client) = server_and_client();
    client.check(
        "SET k hello => +OK
         GET k => $5 hello
         GET missing => $-1
         STRLEN k => :5
         STRLEN missing => :0
         GETSET k other => $5 hello
         GETDEL k => $5 other
         GETDEL k => $-1
         SETNX k 1 => :1
         SETNX k 2 => :0
         GET k => $1 1
         HELLO 3
         GET missing => _
         SET k 2 NX => _",
    );
}

#[test]
fn set_options() {
    let (_server, mut client) = server_and_client();
    client.check(
        "SET k 1 XX => $-1
         SET k 1 NX => +OK
         SET k 2 NX => $-1
         SET k 2 nx GET => $1 1
         SET k 3 XX GET => $1 1
         SET new 3 XX GET => $-1
         GET new => $-1
         SET k 4 EX 100 EX 200 => +OK
         SET k 5 KEEPTTL GET => $1 4
         SET k 5 NX XX => -ERR_syntax_error
         SET k 5 EX 1 PX 1 => -ERR_syntax_error
         SET k 5 EX 1 KEEPTTL => -ERR_syntax_error
         SET k 5 EX => -ERR_syntax_error
         SET k 5 PERSIST => -ERR_syntax_error
         SET k 5 EX x => -ERR_value_is_not_an_integer_or_out_of_range
         SET k 5 EX 0 => -ERR_invalid_expire_time_in_'set'_command
         SET k 5 PX -1 => -ERR_invalid_expire_time_in_'set'_command
         SET k 5 EX 9223372036854775807 => -ERR_invalid_expire_time_in_'set'_command
         SETEX k 0 v => -ERR_invalid_expire_time_in_'setex'_command
         PSETEX k 9223372036854775807 v => -ERR_invalid_expire_time_in_'psetex'_command
         GET k => $1 5
         SET k 6 EXAT 1 => +OK
         GET k => $-1
         SETEX k 100 v => +OK
         PSETEX k 100000 w => +OK
         GET k => $1 w",
    );
}

#[test]
fn getex() {
    let (_server, mut client) = server_and_client();
    client.check(
        "SET k v
         GETEX k => $1 v
         GETEX k EX 100 => $1 v
         GETEX k PERSIST => $1 v
         GETEX k EX 0 => -ERR_invalid_expire_time_in_'getex'_command
         GETEX missing EX 0 => $-1
         GETEX k KEEPTTL => -ERR_syntax_error
         GETEX k EX 1 PERSIST => -ERR_syntax_error
         GETEX k PXAT 1 => $1 v
         GET k => $-1",
    );
}

#[test]
fn parts_of_strings() {
    let (_server, mut client) = server_and_client();
    client.check(
        "SET k hello
         GETRANGE k 1 3 => $3 ell
         SUBSTR k -3 -1 => $3 llo
         GETRANGE k -10 -8 => $1 h
         GETRANGE k a 1 => -ERR_value_is_not_an_integer_or_out_of_range
         SETRANGE k 1 ipp => :5
         GET k => $5 hippo
         SETRANGE k -1 x => -ERR_offset_is_out_of_range
         SETRANGE k 536870912 x => -ERR_string_exceeds_maximum_allowed_size_(proto-max-bulk-len)
         APPEND k 123 => :8
         APPEND new 12 => :2
         APPEND new 3 => :3
         INCR new => :124",
    );
    assert_eq!(client.ask("GETRANGE k -8 -10"), "$0\r\n\r\n");
    assert_eq!(client.ask_args(&[b"SETRANGE", b"missing", b"0", b""]), ":0\r\n");
    assert_eq!(client.ask("GET missing"), "$-1\r\n");
    assert_eq!(client.ask("SETRANGE gap 2 x"), ":3\r\n");
    assert_eq!(client.ask("GET gap"), "$3\r\n\0\0x\r\n");
}

/// Through every size at which the string is kept otherwise.
#[test]
fn append_and_setrange_at_all_sizes() {
    let (_server, mut client) = server_and_client();
    let mut expected = Vec::new();
    for (i, len) in [1, 20, 23, 200, 11, 256, 2, 500, 20_000, 40_000, 1].into_iter().enumerate() {
        let part = vec![b'a' + i as u8; len];
        expected.extend_from_slice(&part);
        assert_eq!(client.ask_args(&[b"APPEND", b"k", &part]), format!(":{}\r\n", expected.len()));
        let at = expected.len() / 2;
        expected[at] = b'!';
        client.ask_args(&[b"SETRANGE", b"k", at.to_string().as_bytes(), b"!"]);
        let expected = String::from_utf8(expected.clone()).unwrap();
        assert_eq!(client.ask("GET k"), format!("${}\r\n{expected}\r\n", expected.len()));
        let tail = &expected[at..];
        assert_eq!(client.ask(&format!("GETRANGE k {at} -1")), format!("${}\r\n{tail}\r\n", tail.len()));
    }
}

#[test]
fn numbers() {
    let (_server, mut client) = server_and_client();
    client.check(
        "INCR n => :1
         DECR n => :0
         INCRBY n 9223372036854775807 => :9223372036854775807
         INCR n => -ERR_increment_or_decrement_would_overflow
         DECRBY n -9223372036854775808 => -ERR_decrement_would_overflow
         GET n => $19 9223372036854775807
         INCRBY n x => -ERR_value_is_not_an_integer_or_out_of_range
         SET s 01
         INCR s => -ERR_value_is_not_an_integer_or_out_of_range
         INCRBYFLOAT f 10.5 => $4 10.5
         INCRBYFLOAT f 5.0e3 => $6 5010.5
         INCRBYFLOAT f 0.1 => $22 5010.60000000000000009
         INCRBYFLOAT f x => -ERR_value_is_not_a_valid_float
         INCRBYFLOAT f inf => -ERR_increment_would_produce_NaN_or_Infinity
         SET s abc
         INCRBYFLOAT s 1 => -ERR_value_is_not_a_valid_float",
    );
}

#[test]
fn many_keys() {
    let (_server, mut client) = server_and_client();
    client.check(
        "MSET a 1 b 2 a 3 => +OK
         MGET a b missing a => *4 $1 3 $1 2 $-1 $1 3
         MSET a => -ERR_wrong_number_of_arguments_for_'mset'_command
         MSET a 1 b => -ERR_wrong_number_of_arguments_for_'mset'_command
         MSETNX c 1 a 2 => :0
         GET c => $-1
         MSETNX c 1 c 2 => :1
         GET c => $1 2
         MSETNX c 1 d => -ERR_wrong_number_of_arguments_for_'msetnx'_command",
    );
    // More than are looked up ahead at a time.
    let words: Vec<String> = (0..200).map(|i| format!("k{i} {i}")).collect();
    client.check(&format!("MSET {} => +OK", words.join(" ")));
    let words: Vec<String> = (0..200).map(|i| format!("k{i}")).collect();
    let values: Vec<String> = (0..200).map(|i| format!("${} {i}", i.to_string().len())).collect();
    client.check(&format!("MGET {} => *200 {}", words.join(" "), values.join(" ")));
}

#[test]
fn lcs() {
    let (_server, mut client) = server_and_client();
    client.check(
        "MSET a ohmytext b mynewtext
         LCS a b => $6 mytext
         LCS a b LEN => :6
         LCS a b IDX => *4 $7 matches *2 *2 *2 :4 :7 *2 :5 :8 *2 *2 :2 :3 *2 :0 :1 $3 len :6
         LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN => *4 $7 matches *1 *3 *2 :4 :7 *2 :5 :8 :4 $3 len :6
         LCS a missing IDX => *4 $7 matches *0 $3 len :0
         LCS a b IDX LEN => -ERR_If_you_want_both_the_length_and_indexes,_please_just_use_IDX.
         LCS a b MINMATCHLEN => -ERR_syntax_error
         LCS a b FOO => -ERR_syntax_error
         HELLO 3
         LCS a b IDX => %2 $7 matches *2 *2 *2 :4 :7 *2 :5 :8 *2 *2 :2 :3 *2 :0 :1 $3 len :6",
    );
}

/// A reply that refers to a value must not change with it.
#[test]
fn a_large_value_is_replied_as_it_was() {
    let (_server, mut client) = server_and_client();
    let value = "v".repeat(100_000);
    client.ask_args(&[b"SET", b"k", value.as_bytes()]);
    let mut requests = encode(&[b"GET", b"k"]);
    requests.extend(encode(&[b"SETRANGE", b"k", b"0", b"other"]));
    requests.extend(encode(&[b"GETRANGE", b"k", b"0", b"9"]));
    client.send(&requests);
    assert_eq!(client.reply(), format!("$100000\r\n{value}\r\n"));
    assert_eq!(client.reply(), ":100000\r\n");
    assert_eq!(client.reply(), "$10\r\nothervvvvv\r\n");
}
