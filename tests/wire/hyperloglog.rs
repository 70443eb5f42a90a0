//! HyperLogLogs.

use super::harness::*;

#[test]
fn add_count_and_merge() {
    let (_server, mut client) = server_and_client();
    client.check(
        "PFADD h => :1
         PFADD h => :0
         PFCOUNT h => :0
         PFADD h a b c => :1
         PFADD h a b c => :0
         PFCOUNT h => :3
         PFCOUNT none => :0
         PFADD i c d => :1
         PFCOUNT h i none => :4
         PFMERGE to h i => +OK
         PFCOUNT to => :4
         PFMERGE to => +OK
         PFCOUNT to => :4
         PFMERGE empty none => +OK
         PFCOUNT empty => :0
         EXPIRE h 100 => :1
         PFADD h d => :1
         TTL h => :100
         TYPE h => +string
         OBJECT ENCODING h => $3 raw
         PFADD => -ERR_wrong_number_of_arguments_for_'pfadd'_command
         SET text x => +OK
         SET number 12 => +OK
         SADD set a => :1
         PFADD text a => -WRONGTYPE_Key_is_not_a_valid_HyperLogLog_string_value.
         PFCOUNT number => -WRONGTYPE_Key_is_not_a_valid_HyperLogLog_string_value.
         PFMERGE h text => -WRONGTYPE_Key_is_not_a_valid_HyperLogLog_string_value.
         PFCOUNT set => -WRONGTYPE_Operation_against_a_key_holding_the_wrong_kind_of_value
         PFADD set a => -WRONGTYPE_Operation_against_a_key_holding_the_wrong_kind_of_value
         PFMERGE set h => -WRONGTYPE_Operation_against_a_key_holding_the_wrong_kind_of_value
         PFSELFTEST => +OK",
    );
}

#[test]
fn sparse_and_dense() {
    let server = Server::start(&["--hll-sparse-max-bytes", "40"]);
    let mut client = server.connect();
    client.check(
        "PFADD h a b c => :1
         PFDEBUG ENCODING h => +sparse
         PFDEBUG DECODE h => $44 Z:8436_v:1,1_Z:4274_v:2,1_Z:3068_v:1,1_Z:603
         STRLEN h => :27
         PFADD h d e f g h i j k l m n o p q => :1
         PFDEBUG ENCODING h => +dense
         STRLEN h => :12304
         PFCOUNT h => :17
         PFADD h a q => :0
         PFADD h r => :1
         PFCOUNT h => :18
         PFDEBUG DECODE h => -ERR_HLL_encoding_is_not_sparse
         PFDEBUG TODENSE h => :0
         PFADD i a b => :1
         PFMERGE i h => +OK
         PFDEBUG ENCODING i => +dense
         PFCOUNT i => :18
         PFADD j a => :1
         PFDEBUG TODENSE j => :1
         PFCOUNT j => :1
         PFDEBUG FOO j => -ERR_Unknown_PFDEBUG_subcommand_'FOO'
         PFDEBUG ENCODING none => -ERR_The_specified_key_does_not_exist",
    );
    let registers = client.ask("PFDEBUG GETREG j");
    assert!(registers.starts_with("*16384\r\n:0\r\n"));
    assert_eq!(registers.matches(":0\r\n").count(), 16383);
}

#[test]
fn corruption_is_found() {
    let (_server, mut client) = server_and_client();
    client.check(
        "PFADD h a b c => :1
         APPEND h hello => :32
         PFCOUNT h => -INVALIDOBJ_Corrupted_HLL_object_detected
         PFMERGE to h => -INVALIDOBJ_Corrupted_HLL_object_detected
         EXISTS to => :0
         PFDEBUG TODENSE h => -INVALIDOBJ_Corrupted_HLL_object_detected
         DEL h => :1
         PFADD h a b c => :1
         SETRANGE h 0 0123 => :27
         PFCOUNT h => -WRONGTYPE_Key_is_not_a_valid_HyperLogLog_string_value.
         DEL h => :1
         PFADD h a b c => :1
         SETRANGE h 4 x => :27
         PFCOUNT h => -WRONGTYPE_Key_is_not_a_valid_HyperLogLog_string_value.",
    );
    client.ask_args(&[b"SETRANGE", b"h", b"4", b"\0"]);
    client.check("PFCOUNT h => -WRONGTYPE_Key_is_not_a_valid_HyperLogLog_string_value.");
    // Cut short, it has too few registers.
    client.ask_args(&[b"SETRANGE", b"h", b"4", b"\x01"]);
    let bytes = client.ask_args(&[b"GETRANGE", b"h", b"0", b"20"]);
    client.ask_args(&[b"SET", b"h", &bytes.as_bytes()[5..26]]);
    client.check("PFADD h zzz => -INVALIDOBJ_Corrupted_HLL_object_detected");
}

#[test]
fn the_cached_estimate_is_in_the_bytes() {
    let (_server, mut client) = server_and_client();
    client.check(
        "PFADD h a b c => :1
         PFCOUNT h => :3",
    );
    assert_eq!(client.ask("GETRANGE h 8 15"), "$8\r\n\x03\0\0\0\0\0\0\0\r\n");
    client.check("PFADD h a b c => :0");
    assert_eq!(client.ask("GETRANGE h 15 15"), "$1\r\n\0\r\n");
    client.check("PFADD h d => :1");
    assert_ne!(client.ask("GETRANGE h 15 15"), "$1\r\n\0\r\n");
}
