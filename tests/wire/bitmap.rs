//! Bitmaps.

use super::harness::*;

const BAD_OFFSET: &str = "-ERR bit offset is not an integer or out of range\r\n";

#[test]
fn bits() {
    let (_server, mut client) = server_and_client();
    client.check(
        "SETBIT k 7 1 => :0
         SETBIT k 7 0 => :1
         SETBIT k 100 1 => :0
         STRLEN k => :13
         GETBIT k 100 => :1
         GETBIT k 101 => :0
         GETBIT k 100000 => :0
         GETBIT missing 0 => :0
         SETBIT k 0 2 => -ERR_bit_is_not_an_integer_or_out_of_range
         SET number 1
         SETBIT number 6 1 => :0
         GET number => $1 3",
    );
    for command in ["SETBIT k -1 1", "SETBIT k 4294967296 1", "GETBIT k x", "GETBIT k #1"] {
        assert_eq!(client.ask(command), BAD_OFFSET);
    }
    client.check(
        "SETBIT long 4294967295 1 => :0
         STRLEN long => :536870912
         BITCOUNT long => :1
         BITPOS long 1 => :4294967295",
    );
}

#[test]
fn bitcount_and_bitpos() {
    let (_server, mut client) = server_and_client();
    client.check(
        "SET k foobar
         BITCOUNT k => :26
         BITCOUNT k 1 1 => :6
         BITCOUNT k 1 -2 BYTE => :18
         BITCOUNT k 5 30 BIT => :17
         BITCOUNT k -7 -8 => :0
         BITCOUNT k 0 => -ERR_syntax_error
         BITCOUNT k 0 1 x => -ERR_syntax_error
         BITCOUNT missing x => :0
         BITPOS k 1 => :1
         BITPOS k 1 8 -1 BIT => :9
         BITPOS k 0 2 => :16
         BITPOS k 2 => -ERR_The_bit_argument_must_be_1_or_0.
         BITPOS k 1 10 => :-1
         BITPOS missing 0 => :0
         BITPOS missing 1 => :-1",
    );
    client.ask_args(&[b"SETRANGE", b"ones", b"0", b"x"]);
    (0..8).for_each(|bit| drop(client.ask(&format!("SETBIT ones {bit} 1"))));
    client.check(
        "BITPOS ones 0 => :8
         BITPOS ones 0 0 => :8
         BITPOS ones 0 0 -1 => :-1",
    );
}

#[test]
fn bitop() {
    let (_server, mut client) = server_and_client();
    client.check(
        "MSET a abcd b ab n 1
         BITOP AND to a b => :4
         BITOP OR to a b missing => :4
         GET to => $4 abcd
         BITOP XOR to n a n => :4
         GET to => $4 abcd
         BITOP NOT a a => :4
         BITOP NOT a a => :4
         GET a => $4 abcd
         BITOP NOT to a b => -ERR_BITOP_NOT_must_be_called_with_a_single_source_key.
         BITOP FOO to a => -ERR_syntax_error
         BITOP AND to missing => :0
         GET to => $-1",
    );
}

#[test]
fn bitfield() {
    let (_server, mut client) = server_and_client();
    client.check(
        "BITFIELD k => *0
         BITFIELD k GET u8 1000 => *1 :0
         STRLEN k => :0
         BITFIELD k SET i8 0 255 SET i8 0 100 GET i8 0 => *3 :0 :-1 :100
         BITFIELD k INCRBY u2 100 1 OVERFLOW SAT INCRBY u2 102 9 => *2 :1 :3
         BITFIELD k OVERFLOW FAIL INCRBY u2 102 1 GET u2 102 => *2 $-1 :3
         BITFIELD k INCRBY u2 102 1 => *1 :0
         BITFIELD k SET u8 #1 65 GET u8 8 => *2 :0 :65
         BITFIELD k SET u63 200 -1 GET u63 200 => *2 :0 :9223372036854775807
         BITFIELD k SET i64 200 -5 GET i64 200 => *2 :-2 :-5
         BITFIELD_RO k GET i64 200 => *1 :-5
         BITFIELD_RO k GET u8 0 SET u8 0 1 => -ERR_BITFIELD_RO_only_supports_the_GET_subcommand
         BITFIELD k GET u64 0 => -ERR_Invalid_bitfield_type._Use_something_like_i16_u8._Note_that_u64_is_not_supported_but_i64_is.
         BITFIELD k OVERFLOW x => -ERR_Invalid_OVERFLOW_type_specified
         BITFIELD k SET u8 0 => -ERR_syntax_error
         BITFIELD k FOO u8 0 => -ERR_syntax_error
         BITFIELD k SET u8 0 x => -ERR_value_is_not_an_integer_or_out_of_range
         HELLO 3
         BITFIELD k OVERFLOW FAIL INCRBY u1 0 2 => *1 _",
    );
    assert_eq!(client.ask("BITFIELD k GET u8 #-1"), BAD_OFFSET);
    assert_eq!(client.ask("BITFIELD k GET u8 4294967296"), BAD_OFFSET);
}
