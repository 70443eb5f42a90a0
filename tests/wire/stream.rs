//! Streams without their groups: adding, reading, trimming.

use crate::harness::*;

#[test]
fn adding() {
    let (_server, mut client) = server_and_client();
    client.check(
        "XADD s 1-1 a 1 b 2 => $3 1-1
         XADD s 1-2 a 3 b 4 => $3 1-2
         XADD s 1-* a 5 b 6 => $3 1-3
         XADD s 2 c 7 => $3 2-0
         XADD s 2-0 c 8 => -ERR_The_ID_specified_in_XADD_is_equal_or_smaller_than_the_target_stream_top_item
         XADD s 1-9 c 8 => -ERR_The_ID_specified_in_XADD_is_equal_or_smaller_than_the_target_stream_top_item
         XADD s 3-x c 8 => -ERR_Invalid_stream_ID_specified_as_stream_command_argument
         XADD s 0-0 c 8 => -ERR_The_ID_specified_in_XADD_must_be_greater_than_0-0
         XADD s - c 8 => -ERR_Invalid_stream_ID_specified_as_stream_command_argument
         XADD new 0-* a 1 => $3 0-1
         XADD new 0-* a 2 => $3 0-2
         XADD new 18446744073709551615-18446744073709551615 a 3 => $41 18446744073709551615-18446744073709551615
         XADD new * a 4 => -ERR_The_stream_has_exhausted_the_last_possible_ID,_unable_to_add_more_items
         XADD new 18446744073709551615-* a 4 => -ERR_The_stream_has_exhausted_the_last_possible_ID,_unable_to_add_more_items
         XADD s * c => -ERR_wrong_number_of_arguments_for_'xadd'_command
         XADD s * => -ERR_wrong_number_of_arguments_for_'xadd'_command
         XADD s NOMKSTREAM MAXLEN 3 => -ERR_wrong_number_of_arguments_for_'xadd'_command
         XADD none NOMKSTREAM 5-1 a b => $-1
         EXISTS none => :0
         XLEN s => :4
         XLEN none => :0
         SET str x => +OK
         XADD str 5-1 a b => -WRONGTYPE_Operation_against_a_key_holding_the_wrong_kind_of_value
         XLEN str => -WRONGTYPE_Operation_against_a_key_holding_the_wrong_kind_of_value
         XADD str bad a b => -ERR_Invalid_stream_ID_specified_as_stream_command_argument
         XADD s MAXLEN -1 5-1 a b => -ERR_The_MAXLEN_argument_must_be_>=_0.
         XADD s MAXLEN x 5-1 a b => -ERR_value_is_not_an_integer_or_out_of_range
         XADD s MAXLEN 3 MINID 4 5-1 a b => -ERR_syntax_error,_MAXLEN_and_MINID_options_at_the_same_time_are_not_compatible
         XADD s LIMIT 3 5-1 a b => -ERR_syntax_error,_LIMIT_cannot_be_used_without_specifying_a_trimming_strategy
         XADD s MAXLEN 3 LIMIT 3 5-1 a b => -ERR_syntax_error,_LIMIT_cannot_be_used_without_the_special_~_option
         XADD s MAXLEN ~ 3 LIMIT -3 5-1 a b => -ERR_The_LIMIT_argument_must_be_>=_0.
         XADD s MAXLEN 2 LIMIT 0 5-1 a b => -ERR_syntax_error,_LIMIT_cannot_be_used_without_the_special_~_option
         XADD s MAXLEN = 2 3-1 a b => $3 3-1
         XRANGE s - + => *2 *2 $3 2-0 *2 $1 c $1 7 *2 $3 3-1 *2 $1 a $1 b
         XADD s MINID 3-1 5-* a b => $3 5-0
         XRANGE s - + => *2 *2 $3 3-1 *2 $1 a $1 b *2 $3 5-0 *2 $1 a $1 b
         XADD s MAXLEN 0 6-1 a b => $3 6-1
         XLEN s => :0
         EXISTS s => :1
         XINFO STREAM s => *20 $6 length :0 $15 radix-tree-keys :0 $16 radix-tree-nodes :1 $17 last-generated-id $3 6-1 $20 max-deleted-entry-id $3 0-0 $13 entries-added :7 $23 recorded-first-entry-id $3 0-0 $6 groups :0 $11 first-entry $-1 $10 last-entry $-1
         TYPE s => +stream
         OBJECT ENCODING s => $6 stream",
    );
}

#[test]
fn lenient_numbers_in_ids() {
    let (_server, mut client) = server_and_client();
    client.check(
        "XADD s +7-+8 a b => $3 7-8
         XADD s 007-09 a b => $3 7-9
         XADD s 7--1 a b => -ERR_Invalid_stream_ID_specified_as_stream_command_argument
         XADD s 7-18446744073709551616 a b => -ERR_Invalid_stream_ID_specified_as_stream_command_argument
         XRANGE s - + => *2 *2 $3 7-8 *2 $1 a $1 b *2 $3 7-9 *2 $1 a $1 b",
    );
}

#[test]
fn ranges_and_deletions() {
    let (_server, mut client) = server_and_client();
    client.check(
        "XADD s 1-0 a 1 => $3 1-0
         XADD s 2-0 a 2 => $3 2-0
         XADD s 3-0 b 3 => $3 3-0
         XADD s 3-1 a 4 => $3 3-1
         XADD s 4-0 a 5 => $3 4-0
         XRANGE s - + => *5 *2 $3 1-0 *2 $1 a $1 1 *2 $3 2-0 *2 $1 a $1 2 *2 $3 3-0 *2 $1 b $1 3 *2 $3 3-1 *2 $1 a $1 4 *2 $3 4-0 *2 $1 a $1 5
         XRANGE s 2 3 => *3 *2 $3 2-0 *2 $1 a $1 2 *2 $3 3-0 *2 $1 b $1 3 *2 $3 3-1 *2 $1 a $1 4
         XRANGE s (2 (3-1 => *1 *2 $3 3-0 *2 $1 b $1 3
         XRANGE s (2-0 + => *3 *2 $3 3-0 *2 $1 b $1 3 *2 $3 3-1 *2 $1 a $1 4 *2 $3 4-0 *2 $1 a $1 5
         XRANGE s - 3-0 => *3 *2 $3 1-0 *2 $1 a $1 1 *2 $3 2-0 *2 $1 a $1 2 *2 $3 3-0 *2 $1 b $1 3
         XRANGE s 3 2 => *0
         XRANGE s - + COUNT 2 => *2 *2 $3 1-0 *2 $1 a $1 1 *2 $3 2-0 *2 $1 a $1 2
         XRANGE s - + COUNT 0 => *-1
         XRANGE s - + COUNT -1 => *-1
         XRANGE s - + COUNT x => -ERR_value_is_not_an_integer_or_out_of_range
         XRANGE s - + COUNT => -ERR_syntax_error
         XRANGE s - + COUNT 1 COUNT 2 => *2 *2 $3 1-0 *2 $1 a $1 1 *2 $3 2-0 *2 $1 a $1 2
         XRANGE s (- + => -ERR_Invalid_stream_ID_specified_as_stream_command_argument
         XRANGE s (18446744073709551615-18446744073709551615 + => -ERR_invalid_start_ID_for_the_interval
         XRANGE s - (0-0 => -ERR_invalid_end_ID_for_the_interval
         XRANGE s x + => -ERR_Invalid_stream_ID_specified_as_stream_command_argument
         XRANGE none - + => *0
         XRANGE none - + COUNT 0 => *0
         XREVRANGE s + - => *5 *2 $3 4-0 *2 $1 a $1 5 *2 $3 3-1 *2 $1 a $1 4 *2 $3 3-0 *2 $1 b $1 3 *2 $3 2-0 *2 $1 a $1 2 *2 $3 1-0 *2 $1 a $1 1
         XREVRANGE s (4 (1 COUNT 2 => *2 *2 $3 4-0 *2 $1 a $1 5 *2 $3 3-1 *2 $1 a $1 4
         XREVRANGE s 2 1 => *2 *2 $3 2-0 *2 $1 a $1 2 *2 $3 1-0 *2 $1 a $1 1
         XREVRANGE s - + => *0
         XDEL s 2 3-0 9-9 => :2
         XDEL s 2 => :0
         XDEL s 1 x => -ERR_Invalid_stream_ID_specified_as_stream_command_argument
         XDEL none x => :0
         XRANGE s - + => *3 *2 $3 1-0 *2 $1 a $1 1 *2 $3 3-1 *2 $1 a $1 4 *2 $3 4-0 *2 $1 a $1 5
         XREVRANGE s + - => *3 *2 $3 4-0 *2 $1 a $1 5 *2 $3 3-1 *2 $1 a $1 4 *2 $3 1-0 *2 $1 a $1 1
         XTRIM s MAXLEN 2 => :1
         XTRIM s MAXLEN 5 => :0
         XTRIM s MINID 4 => :1
         XTRIM s MINID = 4 => :0
         XTRIM s MAXLEN ~ 0 => :1
         XTRIM s MAXLEN => -ERR_wrong_number_of_arguments_for_'xtrim'_command
         XTRIM s BAD 3 => -ERR_syntax_error
         XTRIM s NOMKSTREAM MAXLEN 3 => -ERR_syntax_error
         XTRIM s LIMIT 4 => -ERR_syntax_error,_LIMIT_cannot_be_used_without_specifying_a_trimming_strategy
         XTRIM s LIMIT 4 4 => -ERR_syntax_error
         XTRIM s MAXLEN = 3 LIMIT 4 => -ERR_syntax_error,_LIMIT_cannot_be_used_without_the_special_~_option
         XTRIM none MAXLEN 0 => :0
         XTRIM s MAXLEN 0 => :0
         XINFO STREAM s => *20 $6 length :0 $15 radix-tree-keys :0 $16 radix-tree-nodes :1 $17 last-generated-id $3 4-0 $20 max-deleted-entry-id $3 3-0 $13 entries-added :5 $23 recorded-first-entry-id $3 0-0 $6 groups :0 $11 first-entry $-1 $10 last-entry $-1
         XSETID s 3-0 => +OK
         XSETID s 4-0 => +OK
         XSETID s 4-0 ENTRIESADDED 2 => +OK
         XSETID s 4-0 ENTRIESADDED -2 => -ERR_entries_added_must_be_positive
         XSETID s 4-0 ENTRIESADDED 7 MAXDELETEDID 5-0 => -ERR_The_ID_specified_in_XSETID_is_smaller_than_the_provided_max_deleted_entry_id
         XSETID s 6-0 ENTRIESADDED 7 MAXDELETEDID 5-0 => +OK
         XSETID s 6-0 MAXDELETEDID 0-0 => +OK
         XSETID s 6-0 BAD 1 => -ERR_syntax_error
         XSETID s x => -ERR_Invalid_stream_ID_specified_as_stream_command_argument
         XSETID none 1-1 => -ERR_no_such_key
         XADD s 7-0 a 6 => $3 7-0
         XSETID s 6-5 => -ERR_The_ID_specified_in_XSETID_is_smaller_than_the_target_stream_top_item
         XSETID s 8-0 ENTRIESADDED 0 => -ERR_The_entries_added_specified_in_XSETID_is_smaller_than_the_target_stream_length
         XINFO STREAM s => *20 $6 length :1 $15 radix-tree-keys :1 $16 radix-tree-nodes :2 $17 last-generated-id $3 7-0 $20 max-deleted-entry-id $3 5-0 $13 entries-added :8 $23 recorded-first-entry-id $3 7-0 $6 groups :0 $11 first-entry *2 $3 7-0 *2 $1 a $1 6 $10 last-entry *2 $3 7-0 *2 $1 a $1 6
         XINFO STREAM s FULL => *18 $6 length :1 $15 radix-tree-keys :1 $16 radix-tree-nodes :2 $17 last-generated-id $3 7-0 $20 max-deleted-entry-id $3 5-0 $13 entries-added :8 $23 recorded-first-entry-id $3 7-0 $7 entries *1 *2 $3 7-0 *2 $1 a $1 6 $6 groups *0
         XINFO STREAM none => -ERR_no_such_key
         XINFO STREAM s BAD => -ERR_unknown_subcommand_or_wrong_number_of_arguments_for_'STREAM'._Try_XINFO_HELP.
         XINFO STREAM s FULL COUNT => -ERR_unknown_subcommand_or_wrong_number_of_arguments_for_'STREAM'._Try_XINFO_HELP.
         XINFO STREAM s FULL COUNT x => -ERR_value_is_not_an_integer_or_out_of_range
         XINFO STREAM s FULL COUNT 0 => *18 $6 length :1 $15 radix-tree-keys :1 $16 radix-tree-nodes :2 $17 last-generated-id $3 7-0 $20 max-deleted-entry-id $3 5-0 $13 entries-added :8 $23 recorded-first-entry-id $3 7-0 $7 entries *1 *2 $3 7-0 *2 $1 a $1 6 $6 groups *0
         XINFO nope s => -ERR_unknown_subcommand_'nope'._Try_XINFO_HELP.",
    );
}

#[test]
fn approximate_trimming() {
    let (_server, mut client) = server_and_client();
    client.check(
        "CONFIG SET stream-node-max-entries 3 => +OK
         XADD s 1 a 1 => $3 1-0
         XADD s 2 a 1 => $3 2-0
         XADD s 3 a 1 => $3 3-0
         XADD s 4 a 1 => $3 4-0
         XADD s 5 a 1 => $3 5-0
         XADD s 6 a 1 => $3 6-0
         XADD s 7 a 1 => $3 7-0
         XTRIM s MAXLEN ~ 5 => :0
         XTRIM s MAXLEN ~ 4 => :3
         XLEN s => :4
         XTRIM s MINID ~ 6 => :0
         XADD s MINID ~ 7 8 a 1 => $3 8-0
         XLEN s => :2
         XADD s MAXLEN ~ 1 LIMIT 2 9 a 1 => $3 9-0
         XADD s MAXLEN ~ 1 LIMIT 3 10 a 1 => $4 10-0
         XRANGE s - + => *1 *2 $4 10-0 *2 $1 a $1 1
         CONFIG SET stream-node-max-bytes 30 => +OK
         XADD s 11 a 12345678901234567890 => $4 11-0
         XADD s 12 a 12345678901234567890 => $4 12-0
         XTRIM s MAXLEN ~ 1 => :2
         XLEN s => :1",
    );
}

#[test]
fn reading() {
    let (_server, mut client) = server_and_client();
    client.check(
        "XADD s 1-1 a 1 => $3 1-1
         XADD s 2-1 a 2 => $3 2-1
         XADD s 3-1 b 3 => $3 3-1
         XADD t 5-1 c 4 => $3 5-1
         XREAD STREAMS s 0 => *1 *2 $1 s *3 *2 $3 1-1 *2 $1 a $1 1 *2 $3 2-1 *2 $1 a $1 2 *2 $3 3-1 *2 $1 b $1 3
         XREAD COUNT 1 STREAMS s t 1-1 0 => *2 *2 $1 s *1 *2 $3 2-1 *2 $1 a $1 2 *2 $1 t *1 *2 $3 5-1 *2 $1 c $1 4
         XREAD COUNT 2 STREAMS s t none 2 5-1 0 => *1 *2 $1 s *2 *2 $3 2-1 *2 $1 a $1 2 *2 $3 3-1 *2 $1 b $1 3
         XREAD STREAMS s t $ $ => *-1
         XREAD STREAMS s 3-1 => *-1
         XREAD STREAMS none 0 => *-1
         XREAD COUNT 0 STREAMS s 2-1 => *1 *2 $1 s *1 *2 $3 3-1 *2 $1 b $1 3
         XREAD COUNT -1 STREAMS s 2-1 => *1 *2 $1 s *1 *2 $3 3-1 *2 $1 b $1 3
         XREAD COUNT x STREAMS s 2-1 => -ERR_value_is_not_an_integer_or_out_of_range
         XREAD STREAMS s > => -ERR_The_>_ID_can_be_specified_only_when_calling_XREADGROUP_using_the_GROUP_<group>_<consumer>_option.
         XREAD STREAMS s t 0 => -ERR_Unbalanced_'xread'_list_of_streams:_for_each_stream_key_an_ID_or_'$'_must_be_specified.
         XREAD STREAMS => -ERR_wrong_number_of_arguments_for_'xread'_command
         XREAD COUNT 1 s 0 => -ERR_syntax_error
         XREAD BLOCK 0 COUNT 1 STREAMS s 0 => *1 *2 $1 s *1 *2 $3 1-1 *2 $1 a $1 1
         XREAD BLOCK -1 STREAMS s 0 => -ERR_timeout_is_negative
         XREAD BLOCK x STREAMS s 0 => -ERR_timeout_is_not_an_integer_or_out_of_range
         XREAD NOACK STREAMS s 0 => -ERR_The_NOACK_option_is_only_supported_by_XREADGROUP._You_called_XREAD_instead.
         XREAD GROUP g c STREAMS s 0 => -ERR_The_GROUP_option_is_only_supported_by_XREADGROUP._You_called_XREAD_instead.
         XREAD STREAMS s x => -ERR_Invalid_stream_ID_specified_as_stream_command_argument
         SET str x => +OK
         XREAD STREAMS s str 0 0 => -WRONGTYPE_Operation_against_a_key_holding_the_wrong_kind_of_value
         XREAD STREAMS s str 0 x => -WRONGTYPE_Operation_against_a_key_holding_the_wrong_kind_of_value
         HELLO 3
         XREAD STREAMS s t 2 0 => %2 $1 s *2 *2 $3 2-1 *2 $1 a $1 2 *2 $3 3-1 *2 $1 b $1 3 $1 t *1 *2 $3 5-1 *2 $1 c $1 4
         XREAD STREAMS s 3-1 => _
         XRANGE s 3 + => *1 *2 $3 3-1 *2 $1 b $1 3
         XRANGE s 3 + COUNT 0 => _
         XADD none NOMKSTREAM 1-1 a b => _
         XINFO STREAM s => %10 $6 length :3 $15 radix-tree-keys :1 $16 radix-tree-nodes :2 $17 last-generated-id $3 3-1 $20 max-deleted-entry-id $3 0-0 $13 entries-added :3 $23 recorded-first-entry-id $3 1-1 $6 groups :0 $11 first-entry *2 $3 1-1 *2 $1 a $1 1 $10 last-entry *2 $3 3-1 *2 $1 b $1 3",
    );
}

#[test]
fn nodes_end_where_those_of_redis_do() {
    let (_server, mut client) = server_and_client();
    let nodes = |client: &mut Client| {
        let reply = client.ask("XINFO STREAM s");
        reply.split("radix-tree-keys\r\n:").nth(1).unwrap().split('\r').next().unwrap().parse::<usize>().unwrap()
    };
    let value = "x".repeat(100);
    for i in 1..=37 {
        client.ask(&format!("XADD s {i}-0 event {value}"));
        assert_eq!(nodes(&mut client), if i < 37 { 1 } else { 2 });
    }
    // Whole nodes go.
    client.check("XTRIM s MAXLEN ~ 10 => :0\n XTRIM s MAXLEN ~ 1 => :36\n XLEN s => :1");
    client.check(
        "XTRIM s LIMIT 0 => -ERR_syntax_error,_XTRIM_must_be_called_with_a_trimming_strategy
         XTRIM s LIMIT 1 => -ERR_syntax_error,_LIMIT_cannot_be_used_without_specifying_a_trimming_strategy
         XADD s LIMIT 0 * a b => -ERR_syntax_error,_LIMIT_cannot_be_used_without_the_special_~_option",
    );
}
