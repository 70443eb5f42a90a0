//! Turns of the loop while a script runs that takes long.
//!
//! Such a script stops now and then to let one of these turns happen, deep within the turn that the
//! script runs in. All clients are seen to, and may do what is allowed meanwhile, but for the script's
//! own: its request is under way. Time stands still, so no timer fires; what has to do with a child, a
//! primary, helper threads or signals waits for the script to end.

use super::accept::accept;
use super::event_loop::{Sources, free_closed_clients, handle, send_replies};
use super::input::Input;
use crate::engine;
use crate::server::scripts::BusyTurn;
use crate::server::{ClientFlags, ClientId, Server, tokens};
use mio::Token;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

/// The function by which the engine lets such a turn happen.
pub fn turns(sources: Rc<RefCell<Sources>>) -> BusyTurn {
    // The loop's own is in use by the turn that runs the script. Most servers never need another.
    let mut input: Option<Input> = None;
    Box::new(move |server| turn(server, &sources, input.get_or_insert_default()))
}

fn turn(server: &mut Server, sources: &RefCell<Sources>, input: &mut Input) {
    let Some(caller) = server.scripts.running.as_ref().map(|running| running.caller) else { return };
    // What goes wrong here goes wrong in the next turn of the loop as well, which says so.
    if sources.borrow_mut().wait(Some(Duration::ZERO)).is_ok() {
        handle_events(server, sources, input, caller);
    }
    for index in std::mem::take(&mut server.pending.accepts) {
        accept(server, index);
    }
    for _ in 0..server.pending.reads.len() {
        match server.pending.reads.pop_front() {
            Some(id) if id == caller || server.shutdown.prepared => server.pending.reads.push_back(id),
            Some(id) => input.turn(server, id),
            None => break,
        }
    }
    engine::append_only::flush(server);
    send_replies(server, Some(caller));
    free_closed_clients(server, Some(caller));
}

fn handle_events(server: &mut Server, sources: &RefCell<Sources>, input: &mut Input, caller: ClientId) {
    let mut later = VecDeque::new();
    while !server.shutdown.prepared {
        let Some(event) = sources.borrow_mut().heard.pop_front() else { break };
        let token = event.token();
        if token == Token(caller.to_bits()) {
            if event.is_read_closed() || event.is_error() {
                server.clients[caller].flags |= ClientFlags::PEER_CLOSED;
            }
            server.pending_read(caller);
        } else if tokens::is_for_clients(token) {
            handle(server, sources, input, &event);
        } else if !later.iter().any(|other: &mio::event::Event| other.token() == token) {
            // One event for each is enough: handlers do all that there is to be done.
            later.push_back(event);
        }
    }
    let heard = &mut sources.borrow_mut().heard;
    later.append(heard);
    *heard = later;
}
