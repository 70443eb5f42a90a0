//! Consumer groups of streams.

use crate::harness::*;

#[test]
fn making_and_removing_groups() {
    let (_server, mut client) = server_and_client();
    client.check(
        "XGROUP CREATE s g $ => -ERR_The_XGROUP_subcommand_requires_the_key_to_exist._Note_that_for_CREATE_you_may_want_to_use_the_MKSTREAM_option_to_create_an_empty_stream_automatically.
         XGROUP CREATE s g x MKSTREAM => -ERR_Invalid_stream_ID_specified_as_stream_command_argument
         XGROUP CREATE s g $ MKSTREAM => +OK
         XGROUP CREATE s g 0 => -BUSYGROUP_Consumer_Group_name_already_exists
         XGROUP CREATE s h 0 MKSTREAM ENTRIESREAD 3 => +OK
         XGROUP CREATE s i + MKSTREAM => -ERR_Invalid_stream_ID_specified_as_stream_command_argument
         XGROUP CREATE s i 0 ENTRIESREAD -2 => -ERR_value_for_ENTRIESREAD_must_be_positive_or_-1
         XGROUP CREATE s i 0 ENTRIESREAD => -ERR_unknown_subcommand_or_wrong_number_of_arguments_for_'CREATE'._Try_XGROUP_HELP.
         XGROUP CREATE s i 0 BAD => -ERR_unknown_subcommand_or_wrong_number_of_arguments_for_'CREATE'._Try_XGROUP_HELP.
         XGROUP CREATE s => -ERR_wrong_number_of_arguments_for_'xgroup|create'_command
         SET str x => +OK
         XGROUP CREATE str g 0 => -WRONGTYPE_Operation_against_a_key_holding_the_wrong_kind_of_value
         XINFO GROUPS s => *2 *12 $4 name $1 g $9 consumers :0 $7 pending :0 $17 last-delivered-id $3 0-0 $12 entries-read $-1 $3 lag :0 *12 $4 name $1 h $9 consumers :0 $7 pending :0 $17 last-delivered-id $3 0-0 $12 entries-read :3 $3 lag :0
         XGROUP SETID s g 5-5 => +OK
         XGROUP SETID s g + ENTRIESREAD 7 => +OK
         XGROUP SETID s g $ ENTRIESREAD -1 => +OK
         XGROUP SETID s nope 0 => -NOGROUP_No_such_consumer_group_'nope'_for_key_name_'s'
         XGROUP SETID none g 0 => -ERR_The_XGROUP_subcommand_requires_the_key_to_exist._Note_that_for_CREATE_you_may_want_to_use_the_MKSTREAM_option_to_create_an_empty_stream_automatically.
         XGROUP SETID s g 0 MKSTREAM => -ERR_unknown_subcommand_or_wrong_number_of_arguments_for_'SETID'._Try_XGROUP_HELP.
         XGROUP CREATECONSUMER s g c => :1
         XGROUP CREATECONSUMER s g c => :0
         XGROUP CREATECONSUMER s nope c => -NOGROUP_No_such_consumer_group_'nope'_for_key_name_'s'
         XGROUP CREATECONSUMER none g c => -ERR_The_XGROUP_subcommand_requires_the_key_to_exist._Note_that_for_CREATE_you_may_want_to_use_the_MKSTREAM_option_to_create_an_empty_stream_automatically.
         XGROUP DELCONSUMER s g c => :0
         XGROUP DELCONSUMER s g c => :0
         XGROUP DELCONSUMER s nope c => -NOGROUP_No_such_consumer_group_'nope'_for_key_name_'s'
         XGROUP DESTROY s h => :1
         XGROUP DESTROY s h => :0
         XGROUP DESTROY none h => -ERR_The_XGROUP_subcommand_requires_the_key_to_exist._Note_that_for_CREATE_you_may_want_to_use_the_MKSTREAM_option_to_create_an_empty_stream_automatically.
         XGROUP NOPE s => -ERR_unknown_subcommand_'NOPE'._Try_XGROUP_HELP.
         XINFO GROUPS s => *1 *12 $4 name $1 g $9 consumers :0 $7 pending :0 $17 last-delivered-id $3 0-0 $12 entries-read $-1 $3 lag :0
         XINFO GROUPS none => -ERR_no_such_key
         XINFO CONSUMERS s g => *0
         XINFO CONSUMERS s nope => -NOGROUP_No_such_consumer_group_'nope'_for_key_name_'s'
         XINFO CONSUMERS none g => -ERR_no_such_key",
    );
}

#[test]
fn reading_and_acknowledging() {
    let (_server, mut client) = server_and_client();
    client.check(
        "XADD s 1-0 a 1 => $3 1-0
         XADD s 2-0 b 2 => $3 2-0
         XADD s 3-0 c 3 => $3 3-0
         XADD s 4-0 d 4 => $3 4-0
         XADD s 5-0 e 5 => $3 5-0
         XGROUP CREATE s g 0 => +OK
         XREADGROUP GROUP g alice STREAMS s 0 => *1 *2 $1 s *0
         XREADGROUP GROUP g alice COUNT 2 STREAMS s > => *1 *2 $1 s *2 *2 $3 1-0 *2 $1 a $1 1 *2 $3 2-0 *2 $1 b $1 2
         XREADGROUP GROUP g bob COUNT 1 STREAMS s > => *1 *2 $1 s *1 *2 $3 3-0 *2 $1 c $1 3
         XREADGROUP GROUP g carol NOACK COUNT 1 STREAMS s > => *1 *2 $1 s *1 *2 $3 4-0 *2 $1 d $1 4
         XREADGROUP GROUP g alice STREAMS s 0 => *1 *2 $1 s *2 *2 $3 1-0 *2 $1 a $1 1 *2 $3 2-0 *2 $1 b $1 2
         XREADGROUP GROUP g alice STREAMS s 1 => *1 *2 $1 s *1 *2 $3 2-0 *2 $1 b $1 2
         XREADGROUP GROUP g alice COUNT 1 STREAMS s 0 => *1 *2 $1 s *1 *2 $3 1-0 *2 $1 a $1 1
         XREADGROUP GROUP g bob STREAMS s 18446744073709551615-18446744073709551615 => *1 *2 $1 s *1 *2 $3 5-0 *2 $1 e $1 5
         XREADGROUP GROUP g bob STREAMS s > => *-1
         XREADGROUP GROUP g bob BLOCK 0 STREAMS s 0 => *1 *2 $1 s *2 *2 $3 3-0 *2 $1 c $1 3 *2 $3 5-0 *2 $1 e $1 5
         XPENDING s g => *4 :4 $3 1-0 $3 5-0 *2 *2 $5 alice $1 2 *2 $3 bob $1 2
         XPENDING s nope => -NOGROUP_No_such_key_'s'_or_consumer_group_'nope'
         XPENDING none g => -NOGROUP_No_such_key_'none'_or_consumer_group_'g'
         XPENDING s g - + => -ERR_syntax_error
         XPENDING s g - + x => -ERR_value_is_not_an_integer_or_out_of_range
         XPENDING s g - + -1 => *0
         XPENDING s g - + 0 => *0
         XPENDING s g IDLE 100000000 - + 10 => *0
         XPENDING s g IDLE x - + 10 => -ERR_value_is_not_an_integer_or_out_of_range
         XPENDING s g IDLE 5 - + => -ERR_syntax_error
         XPENDING s g 5 4 10 => *0
         XPENDING s g - + 10 nobody => *0
         XPENDING s g (- + 10 => -ERR_Invalid_stream_ID_specified_as_stream_command_argument
         XINFO GROUPS s => *1 *12 $4 name $1 g $9 consumers :3 $7 pending :4 $17 last-delivered-id $3 5-0 $12 entries-read :5 $3 lag :0
         XACK s g 1 9-9 => :1
         XACK s g 1 => :0
         XACK s nope 1 => :0
         XACK none g x => :0
         XACK s g 2 x => -ERR_Invalid_stream_ID_specified_as_stream_command_argument
         XPENDING s g => *4 :3 $3 2-0 $3 5-0 *2 *2 $5 alice $1 1 *2 $3 bob $1 2
         XDEL s 2 => :1
         XREADGROUP GROUP g alice STREAMS s 0 => *1 *2 $1 s *1 *2 $3 2-0 *-1
         XGROUP DELCONSUMER s g bob => :2
         XPENDING s g => *4 :1 $3 2-0 $3 2-0 *1 *2 $5 alice $1 1
         XACK s g 2 => :1
         XPENDING s g => *4 :0 $-1 $-1 *-1
         XINFO GROUPS s => *1 *12 $4 name $1 g $9 consumers :2 $7 pending :0 $17 last-delivered-id $3 5-0 $12 entries-read :5 $3 lag :0
         XREADGROUP GROUP nope c STREAMS s > => -NOGROUP_No_such_key_'s'_or_consumer_group_'nope'_in_XREADGROUP_with_GROUP_option
         XREADGROUP GROUP g c STREAMS none > => -NOGROUP_No_such_key_'none'_or_consumer_group_'g'_in_XREADGROUP_with_GROUP_option
         XREADGROUP GROUP g c STREAMS s $ => -ERR_The_$_ID_is_meaningless_in_the_context_of_XREADGROUP:_you_want_to_read_the_history_of_this_consumer_by_specifying_a_proper_ID,_or_use_the_>_ID_to_get_new_messages._The_$_ID_would_just_return_an_empty_result_set.
         XREADGROUP GROUP g c STREAMS s x => -ERR_Invalid_stream_ID_specified_as_stream_command_argument
         XREADGROUP GROUP g c STREAMS s s > => -ERR_Unbalanced_'xreadgroup'_list_of_streams:_for_each_stream_key_an_ID_or_'>'_must_be_specified.
         XREADGROUP COUNT 1 NOACK STREAMS s s > > => -ERR_Missing_GROUP_option_for_XREADGROUP
         XREADGROUP GROUP g c BLOCK -1 STREAMS s > => -ERR_timeout_is_negative
         XREADGROUP GROUP g c COUNT 1 => -ERR_wrong_number_of_arguments_for_'xreadgroup'_command
         XREADGROUP GROUP g c BAD STREAMS s > => -ERR_syntax_error
         XADD s 6-0 f 6 => $3 6-0
         HELLO 3
         XREADGROUP GROUP g bob STREAMS s > => %1 $1 s *1 *2 $3 6-0 *2 $1 f $1 6
         XREADGROUP GROUP g bob STREAMS s > => _
         XREADGROUP GROUP g nobody STREAMS s 0 => %1 $1 s *0",
    );
}

#[test]
fn claiming() {
    let (_server, mut client) = server_and_client();
    client.check(
        "XADD s 1-0 a 1 => $3 1-0
         XADD s 2-0 b 2 => $3 2-0
         XADD s 3-0 c 3 => $3 3-0
         XADD s 4-0 d 4 => $3 4-0
         XGROUP CREATE s g 0 => +OK
         XREADGROUP GROUP g alice STREAMS s > => *1 *2 $1 s *4 *2 $3 1-0 *2 $1 a $1 1 *2 $3 2-0 *2 $1 b $1 2 *2 $3 3-0 *2 $1 c $1 3 *2 $3 4-0 *2 $1 d $1 4
         XGROUP CREATECONSUMER s g bob => :1
         XCLAIM s g bob 0 1-0 2-0 => *2 *2 $3 1-0 *2 $1 a $1 1 *2 $3 2-0 *2 $1 b $1 2
         XCLAIM s g bob 0 1-0 JUSTID => *1 $3 1-0
         XCLAIM s g bob 100000000 3-0 => *0
         XCLAIM s g bob 0 9-9 => *0
         XCLAIM s g bob 0 9-9 FORCE => *0
         XACK s g 3-0 => :1
         XCLAIM s g bob 0 3-0 => *0
         XCLAIM s g bob 0 3-0 FORCE JUSTID => *1 $3 3-0
         XCLAIM s g bob 0 3-0 TIME 1 RETRYCOUNT 7 JUSTID => *1 $3 3-0
         XCLAIM s g bob 0 3-0 IDLE 5 RETRYCOUNT -7 LASTID 9-0 => *1 *2 $3 3-0 *2 $1 c $1 3
         XCLAIM s g bob 0 3-0 IDLE x => -ERR_Invalid_IDLE_option_argument_for_XCLAIM
         XCLAIM s g bob 0 3-0 TIME x => -ERR_Invalid_TIME_option_argument_for_XCLAIM
         XCLAIM s g bob 0 3-0 RETRYCOUNT x => -ERR_Invalid_RETRYCOUNT_option_argument_for_XCLAIM
         XCLAIM s g bob 0 3-0 LASTID 5-0 JUSTID => *1 $3 3-0
         XINFO GROUPS s => *1 *12 $4 name $1 g $9 consumers :2 $7 pending :4 $17 last-delivered-id $3 9-0 $12 entries-read :4 $3 lag :0
         XCLAIM s g bob 0 3-0 LASTID x => -ERR_Invalid_stream_ID_specified_as_stream_command_argument
         XCLAIM s g bob 0 3-0 BAD => -ERR_Unrecognized_XCLAIM_option_'BAD'
         XCLAIM s g bob 0 x => -ERR_Unrecognized_XCLAIM_option_'x'
         XCLAIM s g bob x 3-0 => -ERR_Invalid_min-idle-time_argument_for_XCLAIM
         XCLAIM s g bob 0 FORCE => *0
         XCLAIM s nope bob 0 3-0 => -NOGROUP_No_such_key_'s'_or_consumer_group_'nope'
         XCLAIM none g bob 0 3-0 => -NOGROUP_No_such_key_'none'_or_consumer_group_'g'
         XDEL s 2-0 => :1
         XCLAIM s g bob 0 2-0 1-0 => *1 *2 $3 1-0 *2 $1 a $1 1
         XPENDING s g => *4 :3 $3 1-0 $3 4-0 *2 *2 $5 alice $1 1 *2 $3 bob $1 2
         XINFO GROUPS s => *1 *12 $4 name $1 g $9 consumers :2 $7 pending :3 $17 last-delivered-id $3 9-0 $12 entries-read :4 $3 lag :0
         XAUTOCLAIM s g alice 0 0 COUNT 1 => *3 $3 3-0 *1 *2 $3 1-0 *2 $1 a $1 1 *0
         XAUTOCLAIM s g alice 0 (1 COUNT 1 JUSTID => *3 $3 4-0 *1 $3 3-0 *0
         XAUTOCLAIM s g alice 100000000 - => *3 $3 0-0 *0 *0
         XDEL s 4 => :1
         XAUTOCLAIM s g bob 0 - COUNT 10 => *3 $3 0-0 *2 *2 $3 1-0 *2 $1 a $1 1 *2 $3 3-0 *2 $1 c $1 3 *1 $3 4-0
         XAUTOCLAIM s g bob 0 5 => *3 $3 0-0 *0 *0
         XAUTOCLAIM s g bob 0 0 COUNT 0 => -ERR_COUNT_must_be_>_0
         XAUTOCLAIM s g bob 0 0 COUNT x => -ERR_COUNT_must_be_>_0
         XAUTOCLAIM s g bob 0 0 BAD => -ERR_syntax_error
         XAUTOCLAIM s g bob x 0 => -ERR_Invalid_min-idle-time_argument_for_XAUTOCLAIM
         XAUTOCLAIM s g bob 0 x => -ERR_Invalid_stream_ID_specified_as_stream_command_argument
         XAUTOCLAIM s nope bob 0 0 => -NOGROUP_No_such_key_'s'_or_consumer_group_'nope'
         XPENDING s g => *4 :2 $3 1-0 $3 3-0 *1 *2 $3 bob $1 2",
    );
}

#[test]
fn lag() {
    let (_server, mut client) = server_and_client();
    client.check(
        "XGROUP CREATE s g $ MKSTREAM => +OK
         XADD s 1-0 a 1 => $3 1-0
         XADD s 2-0 a 1 => $3 2-0
         XADD s 3-0 a 1 => $3 3-0
         XADD s 4-0 a 1 => $3 4-0
         XADD s 5-0 a 1 => $3 5-0
         XGROUP CREATE s h 2-0 => +OK
         XREADGROUP GROUP g c COUNT 2 STREAMS s > => *1 *2 $1 s *2 *2 $3 1-0 *2 $1 a $1 1 *2 $3 2-0 *2 $1 a $1 1
         XREADGROUP GROUP h c COUNT 1 STREAMS s > => *1 *2 $1 s *1 *2 $3 3-0 *2 $1 a $1 1
         XINFO GROUPS s => *2 *12 $4 name $1 g $9 consumers :1 $7 pending :2 $17 last-delivered-id $3 2-0 $12 entries-read :2 $3 lag :3 *12 $4 name $1 h $9 consumers :1 $7 pending :1 $17 last-delivered-id $3 3-0 $12 entries-read $-1 $3 lag $-1
         XDEL s 1-0 => :1
         XINFO GROUPS s => *2 *12 $4 name $1 g $9 consumers :1 $7 pending :2 $17 last-delivered-id $3 2-0 $12 entries-read :2 $3 lag :3 *12 $4 name $1 h $9 consumers :1 $7 pending :1 $17 last-delivered-id $3 3-0 $12 entries-read $-1 $3 lag $-1
         XDEL s 4-0 => :1
         XINFO GROUPS s => *2 *12 $4 name $1 g $9 consumers :1 $7 pending :2 $17 last-delivered-id $3 2-0 $12 entries-read :2 $3 lag $-1 *12 $4 name $1 h $9 consumers :1 $7 pending :1 $17 last-delivered-id $3 3-0 $12 entries-read $-1 $3 lag $-1
         XREADGROUP GROUP g c COUNT 1 STREAMS s > => *1 *2 $1 s *1 *2 $3 3-0 *2 $1 a $1 1
         XREADGROUP GROUP h c STREAMS s > => *1 *2 $1 s *1 *2 $3 5-0 *2 $1 a $1 1
         XINFO GROUPS s => *2 *12 $4 name $1 g $9 consumers :1 $7 pending :3 $17 last-delivered-id $3 3-0 $12 entries-read $-1 $3 lag $-1 *12 $4 name $1 h $9 consumers :1 $7 pending :2 $17 last-delivered-id $3 5-0 $12 entries-read :5 $3 lag :0
         XTRIM s MAXLEN 0 => :3
         XINFO GROUPS s => *2 *12 $4 name $1 g $9 consumers :1 $7 pending :3 $17 last-delivered-id $3 3-0 $12 entries-read $-1 $3 lag :0 *12 $4 name $1 h $9 consumers :1 $7 pending :2 $17 last-delivered-id $3 5-0 $12 entries-read :5 $3 lag :0
         XADD s 6-0 a 1 => $3 6-0
         XINFO GROUPS s => *2 *12 $4 name $1 g $9 consumers :1 $7 pending :3 $17 last-delivered-id $3 3-0 $12 entries-read $-1 $3 lag :1 *12 $4 name $1 h $9 consumers :1 $7 pending :2 $17 last-delivered-id $3 5-0 $12 entries-read :5 $3 lag :1
         XGROUP SETID s g 5-0 ENTRIESREAD 9 => +OK
         XINFO GROUPS s => *2 *12 $4 name $1 g $9 consumers :1 $7 pending :3 $17 last-delivered-id $3 5-0 $12 entries-read :9 $3 lag :-3 *12 $4 name $1 h $9 consumers :1 $7 pending :2 $17 last-delivered-id $3 5-0 $12 entries-read :5 $3 lag :1",
    );
}

/// Times are not to the byte: those replies in part.
#[test]
fn consumers_and_what_is_pending_for_them() {
    let (_server, mut client) = server_and_client();
    client.check(
        "XADD s 1-0 a 1 => $3 1-0
         XADD s 2-0 a 2 => $3 2-0
         XGROUP CREATE s g 0 => +OK
         XREADGROUP GROUP g alice COUNT 1 STREAMS s >
         XCLAIM s g alice 0 1-0 IDLE 5000000 RETRYCOUNT 7
         XREADGROUP GROUP g bob STREAMS s 0
         XAUTOCLAIM s g carol 9000000 0",
    );
    let pending = client.ask("XPENDING s g IDLE 5000000 - + 10 alice");
    assert!(pending.starts_with("*1\r\n*4\r\n$3\r\n1-0\r\n$5\r\nalice\r\n:500"), "{pending}");
    assert!(pending.ends_with("\r\n:7\r\n"), "{pending}");
    let consumers = client.ask("XINFO CONSUMERS s g");
    // Whoever asks is a consumer from then on, but active only who got something.
    for (name, pending, active) in [("alice", 1, true), ("bob", 0, false), ("carol", 0, false)] {
        let start =
            format!("*8\r\n$4\r\nname\r\n${}\r\n{name}\r\n$7\r\npending\r\n:{pending}\r\n$4\r\nidle\r\n:", name.len());
        let at = consumers.find(&start).unwrap_or_else(|| panic!("{name} in {consumers}"));
        let inactive =
            consumers[at + start.len()..].split("inactive\r\n:").nth(1).unwrap().split("\r\n").next().unwrap();
        assert_eq!(inactive != "-1", active, "{name} in {consumers}");
    }
    client.ask("HELLO 3");
    let full = client.ask("XINFO STREAM s FULL COUNT 1");
    for part in [
        "%9\r\n$6\r\nlength\r\n:2\r\n",
        "$7\r\nentries\r\n*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n",
        "$6\r\ngroups\r\n*1\r\n%7\r\n$4\r\nname\r\n$1\r\ng\r\n$17\r\nlast-delivered-id\r\n$3\r\n1-0\r\n",
        "$12\r\nentries-read\r\n:1\r\n$3\r\nlag\r\n:1\r\n$9\r\npel-count\r\n:1\r\n",
        "$7\r\npending\r\n*1\r\n*4\r\n$3\r\n1-0\r\n$5\r\nalice\r\n:",
        "$9\r\nconsumers\r\n*3\r\n%5\r\n$4\r\nname\r\n$5\r\nalice\r\n$9\r\nseen-time\r\n:",
        "$11\r\nactive-time\r\n:-1\r\n$9\r\npel-count\r\n:0\r\n$7\r\npending\r\n*0\r\n",
    ] {
        assert!(full.contains(part), "{part:?} in {full:?}");
    }
}

#[test]
fn reading_several_streams_is_all_or_nothing() {
    let (_server, mut client) = server_and_client();
    client.check(
        "XADD a 1-0 f 1 => $3 1-0
         XADD b 1-0 f 1 => $3 1-0
         XGROUP CREATE a g 0 => +OK
         XREADGROUP GROUP g c STREAMS a b > > => -NOGROUP_No_such_key_'b'_or_consumer_group_'g'_in_XREADGROUP_with_GROUP_option
         XREADGROUP GROUP g c STREAMS a a > x => -ERR_Invalid_stream_ID_specified_as_stream_command_argument
         XINFO CONSUMERS a g => *0
         XGROUP CREATE b g 0 => +OK
         XREADGROUP GROUP g c STREAMS a b > 0 => *2 *2 $1 a *1 *2 $3 1-0 *2 $1 f $1 1 *2 $1 b *0
         XREADGROUP GROUP g c STREAMS a b > > => *1 *2 $1 b *1 *2 $3 1-0 *2 $1 f $1 1",
    );
}
