//! Users, what they may do, and what is denied to them.

use crate::harness::*;

#[test]
fn users_and_their_rules() {
    let (_server, mut client) = server_and_client();
    client.check(
        "ACL WHOAMI => $7 default
         ACL LIST => *1 $51 user_default_on_nopass_sanitize-payload_~*_&*_+@all
         ACL SETUSER a => +OK
         ACL USERS => *2 $1 a $7 default
         ACL SETUSER a +@string -incr ~k:* %R~r %W~w &news:* >secret => +OK
         ACL SETUSER a (+get ~x) ( +del %RW~y resetchannels ) on => +OK",
    );
    let hash = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
    let described = client.ask("ACL LIST");
    let expected = format!(
        "user a on sanitize-payload #{hash} ~k:* %R~r %W~w resetchannels &news:* -@all +@string -incr (~x resetchannels -@all +get) (~y resetchannels -@all +del)"
    );
    assert!(described.contains(&expected), "{described}");
    let expected = format!(
        "*12 $5 flags *2 $2 on $16 sanitize-payload $9 passwords *1 $64 {hash} $8 commands $20 -@all_+@string_-incr $4 keys $14 ~k:*_%R~r_%W~w $8 channels $7 &news:* $9 selectors *2 *6 $8 commands $10 -@all_+get $4 keys $2 ~x $8 channels $0  *6 $8 commands $10 -@all_+del $4 keys $2 ~y $8 channels $0 "
    );
    assert_eq!(client.ask("ACL GETUSER a").replace(' ', "_").replace("\r\n", " "), expected + " ");
    client.check(
        "ACL GETUSER none => $-1
         ACL SETUSER a %W~r ~w !2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b clearselectors => +OK
         ACL SETUSER a +what => -ERR_Error_in_ACL_SETUSER_modifier_'+what':_Unknown_command_or_category_name_in_ACL
         ACL SETUSER a -@what => -ERR_Error_in_ACL_SETUSER_modifier_'-@what':_Unknown_command_or_category_name_in_ACL
         ACL SETUSER a +config|what => -ERR_Error_in_ACL_SETUSER_modifier_'+config|what':_Unknown_command_or_category_name_in_ACL
         ACL SETUSER a +config|get|port => -ERR_Error_in_ACL_SETUSER_modifier_'+config|get|port':_Allowing_first-arg_of_a_subcommand_is_not_supported
         ACL SETUSER a -select|1 => -ERR_Error_in_ACL_SETUSER_modifier_'-select|1':_Unknown_command_or_category_name_in_ACL
         ACL SETUSER a what => -ERR_Error_in_ACL_SETUSER_modifier_'what':_Syntax_error
         ACL SETUSER a %X~k => -ERR_Error_in_ACL_SETUSER_modifier_'%X~k':_Syntax_error
         ACL SETUSER a #12 => -ERR_Error_in_ACL_SETUSER_modifier_'#12':_The_password_hash_must_be_exactly_64_characters_and_contain_only_lowercase_hexadecimal_characters
         ACL SETUSER a <none => -ERR_Error_in_ACL_SETUSER_modifier_'<none':_The_password_you_are_trying_to_remove_from_the_user_does_not_exist
         ACL SETUSER a ~* ~k => -ERR_Error_in_ACL_SETUSER_modifier_'~k':_Adding_a_pattern_after_the_*_pattern_(or_the_'allkeys'_flag)_is_not_valid_and_does_not_have_any_effect._Try_'resetkeys'_to_start_with_an_empty_list_of_patterns
         ACL SETUSER a ( +get ~* => -ERR_Unmatched_parenthesis_in_acl_selector_starting_at_'('.
         ACL SETUSER a (+get => -ERR_Unmatched_parenthesis_in_acl_selector_starting_at_'(+get'.
         ACL SETUSER a off (on) => -ERR_Error_in_ACL_SETUSER_modifier_'(on)':_Syntax_error
         ACL LIST => *2 $80 user_a_on_sanitize-payload_~k:*_~r_~w_resetchannels_&news:*_-@all_+@string_-incr $51 user_default_on_nopass_sanitize-payload_~*_&*_+@all
         ACL DELUSER default => -ERR_The_'default'_user_cannot_be_removed
         ACL DELUSER a none => :1
         ACL GENPASS 0 => -ERR_ACL_GENPASS_argument_must_be_the_number_of_bits_for_the_output_password,_a_positive_number_up_to_4096
         ACL CAT what => -ERR_Unknown_category_'what'
         ACL LOAD => -ERR_This_Redis_instance_is_not_configured_to_use_an_ACL_file._You_may_want_to_specify_users_via_the_ACL_SETUSER_command_and_then_issue_a_CONFIG_REWRITE_(assuming_you_have_a_Redis_configuration_file_set)_in_order_to_store_users_in_the_Redis_configuration.",
    );
    assert_eq!((client.ask("ACL GENPASS").len(), client.ask("ACL GENPASS 5").len()), (64 + 7, 2 + 6));
    assert!(
        client.ask("ACL CAT scripting").starts_with('*')
            && client.ask("ACL CAT transaction").contains("$5\r\nmulti\r\n")
    );
}

#[test]
fn what_is_denied() {
    let (server, mut admin) = server_and_client();
    admin.check(
        "ACL SETUSER u on >pass ~k:* %R~read &news:* +@all -debug -@admin +acl|whoami
         ACL SETUSER few nopass on +select|0 +get ~* (+sort ~*)
         SET read 1",
    );
    let mut client = server.connect();
    client.check(
        "AUTH u wrong => -WRONGPASS_invalid_username-password_pair_or_user_is_disabled.
         AUTH u pass => +OK
         ACL WHOAMI => $1 u
         SET k:1 v => +OK
         SET other v => -NOPERM_No_permissions_to_access_a_key
         GET read => $1 1
         SET read v => -NOPERM_No_permissions_to_access_a_key
         COPY read k:2 => :1
         COPY k:1 read => -NOPERM_No_permissions_to_access_a_key
         MGET k:1 other => -NOPERM_No_permissions_to_access_a_key
         CONFIG GET port => -NOPERM_User_u_has_no_permissions_to_run_the_'config|get'_command
         DEBUG SLEEP 0 => -NOPERM_User_u_has_no_permissions_to_run_the_'debug'_command
         PUBLISH other m => -NOPERM_No_permissions_to_access_a_channel
         PUBLISH news:1 m => :0
         PSUBSCRIBE news:1* => -NOPERM_No_permissions_to_access_a_channel
         SORT k:1 BY x* => -ERR_BY_option_of_SORT_denied_due_to_insufficient_ACL_permissions.
         MULTI => +OK
         GET k:1 => +QUEUED
         GET other => -NOPERM_No_permissions_to_access_a_key
         EXEC => -EXECABORT_Transaction_discarded_because_of_previous_errors.
         MULTI
         GET k:1 => +QUEUED",
    );
    admin.check("ACL SETUSER u resetkeys => +OK");
    client.check(
        "EXEC => *1 -NOPERM_ACLs_rules_changed_between_the_moment_the_transaction_was_accumulated_and_the_EXEC_call._This_command_is_no_longer_allowed_for_the_following_reason:_no_permission_to_touch_the_specified_keys
         AUTH few any => +OK
         SELECT 0 => +OK
         SELECT 1 => -NOPERM_User_few_has_no_permissions_to_run_the_'select'_command
         GET read => $1 1
         SORT k GET # => *0
         RESET => +RESET
         ACL WHOAMI => $7 default",
    );
    assert!(admin.ask("CLIENT LIST").contains(" user=default "));
    let fields: Vec<String> =
        ["auth", "cmd", "key", "channel"].map(|what| admin.info(&format!("acl_access_denied_{what}"))).into();
    assert_eq!(fields, ["1", "3", "6", "2"]);
    let log = admin.ask("ACL LOG 1");
    assert!(log.contains("$6\r\nreason\r\n$7\r\ncommand\r\n$7\r\ncontext\r\n$8\r\ntoplevel\r\n$6\r\nobject\r\n$6\r\nselect\r\n$8\r\nusername\r\n$3\r\nfew\r\n"), "{log}");
    assert!(log.contains(" cmd=select ") && log.starts_with("*1\r\n*20\r\n$5\r\ncount\r\n:1\r\n"));
    assert!(
        admin.ask("ACL LOG 100").contains(
            "$6\r\nreason\r\n$4\r\nauth\r\n$7\r\ncontext\r\n$8\r\ntoplevel\r\n$6\r\nobject\r\n$4\r\nAUTH\r\n"
        )
    );
    admin.check("ACL LOG RESET => +OK\n ACL LOG => *0");
    admin.check(
        "ACL DRYRUN u GET k => $47 User_u_has_no_permissions_to_access_the_'k'_key
         ACL DRYRUN u PING => +OK
         ACL DRYRUN u SET k => -ERR_wrong_number_of_arguments_for_'set'_command
         ACL DRYRUN u WHAT => -ERR_Command_'WHAT'_not_found
         ACL DRYRUN none GET k => -ERR_User_'none'_not_found
         ACL SETUSER writes on +@all %W~*
         ACL DRYRUN writes GEORADIUS k 0 0 1 m STORE => $52 User_writes_has_no_permissions_to_access_the_'k'_key",
    );
}

#[test]
fn clients_of_changed_users() {
    let (server, mut admin) = server_and_client();
    admin.check("ACL SETUSER u on nopass +@all ~* &a &b*");
    let login = |name: &str| {
        let mut client = server.connect();
        client.check(&format!("HELLO 2 AUTH {name} any"));
        client
    };
    let (mut listens, mut stays, mut idle) = (login("u"), login("u"), login("u"));
    listens.check("SUBSCRIBE a => *3 $9 subscribe $1 a :1");
    stays.check("PSUBSCRIBE b* => *3 $10 psubscribe $2 b* :1");
    admin.check("ACL SETUSER u resetchannels &b* => +OK");
    assert_eq!(listens.until_closed(b""), "");
    assert_eq!(stays.ask("PING"), "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    admin.check("ACL DELUSER u => :1");
    assert_eq!((stays.until_closed(b""), idle.until_closed(b"")), (String::new(), String::new()));
    // One who deletes its own user is told so.
    admin.check("ACL SETUSER v on nopass +@all");
    let mut own = login("v");
    assert_eq!(own.until_closed(b"ACL DELUSER v\r\nPING\r\n"), ":1\r\n");
    // The default user as any other.
    admin.check("ACL SETUSER default off => +OK");
    let mut fresh = server.connect();
    fresh.check("PING => -NOAUTH_Authentication_required.");
    admin.check("ACL SETUSER default on >pass => +OK");
    fresh.check("AUTH pass => +OK\n PING => +PONG\n CONFIG SET requirepass other => +OK");
    server
        .connect()
        .check("AUTH pass => -WRONGPASS_invalid_username-password_pair_or_user_is_disabled.\n AUTH other => +OK");
    fresh.check("ACL SETUSER default nopass => +OK\n AUTH x => -ERR_AUTH_<password>_called_without_any_password_configured_for_the_default_user._Are_you_sure_your_configuration_is_correct?");
}

#[test]
fn users_in_files() {
    let server = Server::start(&[]);
    let dir = server.kill();
    std::fs::write(dir.join("users.acl"), "user a on >x ~* +@all\n\nuser b off (+get ~k)\n").unwrap();
    let server = Server::start_in(dir, &["--aclfile", "users.acl"]);
    let (mut client, mut other) = (server.connect(), server.connect());
    client.check("ACL USERS => *3 $1 a $1 b $7 default\n ACL SETUSER c on nopass +@all\n ACL SAVE => +OK");
    other.check("AUTH c any => +OK");
    let saved = std::fs::read_to_string(server.dir.join("users.acl")).unwrap();
    assert_eq!(saved.lines().count(), 4);
    assert!(
        saved.contains("user b off sanitize-payload resetchannels -@all (~k resetchannels -@all +get)\n"),
        "{saved}"
    );
    client.check("ACL DELUSER a => :1\n ACL LOAD => +OK\n ACL USERS => *4 $1 a $1 b $1 c $7 default");
    // Others than the default user have to log in again.
    assert_eq!(other.until_closed(b""), "");
    std::fs::write(server.dir.join("users.acl"), "user a on\nuser a off\nwhat\nuser d +what\n").unwrap();
    client.check(
        "ACL LOAD => -ERR_users.acl:2:_Duplicate_user_'a'_found._users.acl:3:_line_should_start_with_user_keyword._users.acl:4:_Unknown_command_or_category_name_in_ACL._WARNING:_ACL_errors_detected,_no_change_to_the_previously_active_ACL_rules_was_performed
         ACL USERS => *4 $1 a $1 b $1 c $7 default",
    );
    // In the configuration file; it is rewritten with them.
    let dir = server.terminate();
    let file = dir.join("redis.conf");
    std::fs::write(&file, "user default on nopass ~* +@all -flushdb\nuser w on >x (+get ~k)\n").unwrap();
    let server = Server::start_in(dir, &["redis.conf"]);
    let mut client = server.connect();
    client.check("FLUSHDB => -NOPERM_User_default_has_no_permissions_to_run_the_'flushdb'_command\n ACL DELUSER w\n ACL SETUSER v on (+set ~x)\n CONFIG REWRITE => +OK");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("user default on nopass sanitize-payload ~* resetchannels +@all -flushdb\n"), "{text}");
    assert!(
        text.contains("user v on sanitize-payload resetchannels -@all (~x resetchannels -@all +set)\n")
            && !text.contains("user w")
    );
}

#[test]
fn users_in_included_files() {
    let dir = Server::start(&[]).kill();
    let included = dir.join("users.inc");
    std::fs::write(&included, "user shared on >x ~* +@all\n").unwrap();
    std::fs::write(dir.join("redis.conf"), format!("include {}\n", included.display())).unwrap();
    let server = Server::start_in(dir, &["redis.conf"]);
    let mut client = server.connect();
    client.check("ACL SETUSER own on nopass +@all => +OK\n CONFIG REWRITE => +OK\n CONFIG REWRITE => +OK");
    let users = client.ask("ACL LIST");
    let text = std::fs::read_to_string(server.dir.join("redis.conf")).unwrap();
    assert!(text.contains("user own on nopass") && !text.contains("user shared"), "{text}");
    let server = Server::start_in(server.kill(), &["redis.conf"]);
    let mut client = server.connect();
    assert_eq!(client.ask("ACL LIST"), users);
    for change in ["ACL SETUSER shared -get => +OK", "ACL DELUSER shared => :1"] {
        client.check(change);
        client.check("CONFIG REWRITE => -ERR_Rewriting_config_file:_user_'shared'_has_changed,_but_is_defined_in_an_included_file,_which_is_not_rewritten");
    }
    assert_eq!(std::fs::read_to_string(server.dir.join("redis.conf")).unwrap(), text);
}
