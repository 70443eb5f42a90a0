//! Strings.

use super::harness::*;

#[test]
fn set_and_get() {
    let (_server, mut client) = server_and_client();
    client.check(
        "SET k hello => +OK
         GET k => $5 hello
         GET missing => $-1",
    );
}
