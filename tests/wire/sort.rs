//! SORT.

use super::harness::*;

#[test]
fn by_number_and_as_text() {
    let (_server, mut client) = server_and_client();
    client.check(
        "RPUSH l 10 9 2.5 -1 1e2 => :5
         SORT l => *5 $2 -1 $3 2.5 $1 9 $2 10 $3 1e2
         SORT l DESC => *5 $3 1e2 $2 10 $1 9 $3 2.5 $2 -1
         SORT l ALPHA => *5 $2 -1 $2 10 $3 1e2 $3 2.5 $1 9
         SORT l ALPHA LIMIT 1 2 => *2 $2 10 $3 1e2
         SORT l LIMIT -5 2 => *2 $2 -1 $3 2.5
         SORT l LIMIT 3 -1 => *2 $2 10 $3 1e2
         SORT l LIMIT 9 9 => *0
         SORT_RO l DESC LIMIT 0 1 => *1 $3 1e2
         SORT none => *0
         RPUSH words b a => :2
         SORT words => -ERR_One_or_more_scores_can't_be_converted_into_double
         SORT words ALPHA => *2 $1 a $1 b
         SORT l LIMIT 0 => -ERR_syntax_error
         SORT l LIMIT a 1 => -ERR_value_is_not_an_integer_or_out_of_range
         SORT l BY => -ERR_syntax_error
         SORT l FOO => -ERR_syntax_error
         SORT_RO l STORE m => -ERR_syntax_error
         SET s x => +OK
         SORT s => -WRONGTYPE_Operation_against_a_key_holding_the_wrong_kind_of_value",
    );
}

#[test]
fn by_and_get() {
    let (_server, mut client) = server_and_client();
    client.check(
        "RPUSH l a b c => :3
         MSET w_a 3 w_b 1 w_c 2 => +OK
         HSET h_a f z => :1
         HSET h_b f y => :1
         SORT l BY w_* => *3 $1 b $1 c $1 a
         SORT l BY w_* GET # GET w_* => *6 $1 b $1 1 $1 c $1 2 $1 a $1 3
         SORT l BY h_*->f ALPHA GET # GET h_*->f => *6 $1 c $-1 $1 b $1 y $1 a $1 z
         SORT l BY nosort => *3 $1 a $1 b $1 c
         SORT l BY nosort DESC => *3 $1 c $1 b $1 a
         SORT l BY nosort LIMIT 1 1 GET w_*-> => *1 $-1
         SORT l BY nosort GET const LIMIT 0 1 => *1 $-1
         SORT l BY h_* GET # => *3 $1 a $1 b $1 c
         SORT l BY h_*->f => -ERR_One_or_more_scores_can't_be_converted_into_double",
    );
}

#[test]
fn storing() {
    let (_server, mut client) = server_and_client();
    client.check(
        "RPUSH l 3 1 2 => :3
         SET w_1 one => +OK
         SET to x => +OK
         SORT l STORE to => :3
         LRANGE to 0 -1 => *3 $1 1 $1 2 $1 3
         OBJECT ENCODING to => $8 listpack
         SORT l DESC GET # GET w_* STORE l => :6
         LRANGE l 0 -1 => *6 $1 3 $0  $1 2 $0  $1 1 $3 one
         SORT none STORE to => :0
         EXISTS to => :0
         CONFIG SET list-max-listpack-size 2 => +OK
         RPUSH m 3 1 2 => :3
         SORT m STORE to => :3
         OBJECT ENCODING to => $9 quicklist
         COMMAND GETKEYS SORT abc STORE invalid STORE def => *2 $3 abc $3 def
         COMMAND GETKEYS SORT abc BY store GET store => *1 $3 abc
         COMMAND GETKEYS SORT_RO abc => *1 $3 abc",
    );
}

#[test]
fn sets_and_sorted_sets() {
    let (_server, mut client) = server_and_client();
    client.check(
        "SADD s b a c => :3
         SORT s ALPHA DESC => *3 $1 c $1 b $1 a
         SORT s BY nosort STORE l => :3
         LRANGE l 0 -1 => *3 $1 a $1 b $1 c
         SADD n 3 1 2 => :3
         SORT n => *3 $1 1 $1 2 $1 3
         ZADD z 1 a 5 b 2 c => :3
         SORT z ALPHA => *3 $1 a $1 b $1 c
         SORT z BY nosort => *3 $1 a $1 c $1 b
         SORT z BY nosort DESC LIMIT 0 2 => *2 $1 b $1 c",
    );
}

#[test]
fn the_locale() {
    let (_server, mut client) = server_and_client();
    client.check(
        "RPUSH l b A a B => :4
         CONFIG SET locale-collate C => +OK
         SORT l ALPHA => *4 $1 A $1 B $1 a $1 b
         CONFIG SET locale-collate C.UTF-8 => +OK
         SORT l ALPHA => *4 $1 A $1 B $1 a $1 b
         CONFIG SET locale-collate nowhere => -ERR_CONFIG_SET_failed_(possibly_related_to_argument_'locale-collate')_-_Invalid_locale_name
         CONFIG GET locale-collate => *2 $14 locale-collate $7 C.UTF-8",
    );
}
