//! The poll's tokens. The topmost are the loop's own; all others are clients, whose generation is in the upper 32 bits:
//! it would take 2^32 - 1 connections in one place of the slab to reach these.

use mio::Token;

/// A helper thread has answered.
pub const WAKER: Token = Token(usize::MAX);
pub const SIGNALS: Token = Token(usize::MAX - 1);
/// The child's pipe.
pub const CHILD: Token = Token(usize::MAX - 2);
/// The connection to the primary, until the stream comes through it.
pub const LINK: Token = Token(usize::MAX - 3);
/// The pipe through which a child sends a data set for replicas.
pub const TRANSFER: Token = Token(usize::MAX - 4);
/// Listeners begin here.
pub const FIRST_LISTENER: usize = usize::MAX - 1000;

/// Whether a token is that of a client or a listener.
pub fn is_for_clients(token: Token) -> bool {
    ![WAKER, SIGNALS, CHILD, LINK, TRANSFER].contains(&token)
}
