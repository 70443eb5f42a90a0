//! The protocol: RESP2, RESP3 and inline commands.
//!
//! * `request` the incremental parser
//! * `args`    a request's arguments
//! * `reply`   every reply type in both versions, and the buffer they go to
//! * `error`   error replies with Redis's exact texts
//! * `text`    whatever bytes a client sent, within the text of an error

pub mod args;
pub mod error;
pub mod reply;
pub mod request;
pub mod text;

pub use args::{Args, OwnedRequest};
pub use error::{CommandError, CommandResult};
pub use reply::{Output, Reply};

/// Appends a request in its multi-bulk form.
pub fn encode_request<'a>(out: &mut Vec<u8>, arguments: impl ExactSizeIterator<Item = &'a [u8]>) {
    let mut digits = itoa::Buffer::new();
    out.push(b'*');
    out.extend_from_slice(digits.format(arguments.len()).as_bytes());
    out.extend_from_slice(b"\r\n");
    for argument in arguments {
        out.push(b'$');
        out.extend_from_slice(digits.format(argument.len()).as_bytes());
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(argument);
        out.extend_from_slice(b"\r\n");
    }
}
