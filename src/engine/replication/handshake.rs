//! What a replica and its primary say to each other before the data set or the stream comes: PING, AUTH, REPLCONF,
//! PSYNC.

use super::position::parse_offset;
use crate::resp::encode_request;
use crate::server::Server;
use crate::server::replication::primary::{Awaited, Connection, Handshake};
use std::io::{self, ErrorKind, Read, Write};

/// A line of a primary is not longer.
const LINE_MAX: usize = 64 << 10;

/// What the primary answered to PSYNC.
pub enum Answer {
    /// The stream goes on from where we are, in a history that may have another name.
    GoOn(Option<String>),
    /// A data set comes, of this history at this offset.
    Full(Option<(String, u64)>),
}

/// Takes the conversation as far as it goes; gives the answer to PSYNC once it has come.
pub fn go_on(server: &mut Server, handshake: &mut Handshake) -> Result<Option<Answer>, String> {
    if handshake.awaited.front() == Some(&Awaited::Connected) {
        match handshake.connection.stream.take_error() {
            Ok(None) if handshake.connection.stream.peer_addr().is_ok() => (),
            Ok(None) => return Ok(None),
            Ok(Some(error)) | Err(error) => return Err(format!("Error condition on socket for SYNC: {error}")),
        }
        log::info!("Non blocking connect for SYNC fired the event.");
        let _ = handshake.connection.stream.set_nodelay(!server.config.repl_disable_tcp_nodelay);
        handshake.awaited.pop_front();
        handshake.say(Awaited::Pong, &[b"PING"]);
    }
    loop {
        handshake.connection.send().map_err(|error| format!("Error writing to master: {error}"))?;
        let line = handshake.connection.line().map_err(|error| format!("Error reading from master: {error}"))?;
        let Some(line) = line else { return Ok(None) };
        // A primary that needs time for its answer sends empty lines.
        if line.is_empty() {
            continue;
        }
        let awaited = handshake.awaited.pop_front().ok_or("The master said more than it was asked")?;
        if let Some(answer) = heard(server, handshake, awaited, &line)? {
            return Ok(Some(answer));
        }
    }
}

/// One reply.
fn heard(
    server: &mut Server,
    handshake: &mut Handshake,
    awaited: Awaited,
    line: &str,
) -> Result<Option<Answer>, String> {
    match awaited {
        Awaited::Connected => (),
        Awaited::Pong => {
            let not_yet_allowed = ["-NOAUTH", "-NOPERM", "-ERR operation not permitted"];
            if !line.starts_with('+') && !not_yet_allowed.iter().any(|error| line.starts_with(error)) {
                return Err(format!("Error reply to PING from master: '{line}'"));
            }
            log::info!("Master replied to PING, replication can continue...");
            introduce(server, handshake);
        }
        Awaited::Auth if line.starts_with('-') => return Err(format!("Unable to AUTH to MASTER: {line}")),
        Awaited::Told(what) if line.starts_with('-') => {
            log::info!("(Non critical) Master does not understand REPLCONF {what}: {line}");
        }
        Awaited::Auth | Awaited::Told(_) => (),
        Awaited::Psync if line.starts_with('-') && server.replication.primary.as_ref().is_some_and(|p| p.hand_over) => {
            handshake.refused = true;
            return Err(format!("The failover target does not take over: {line}"));
        }
        Awaited::Psync => return psync_answered(handshake, line),
    }
    if awaited != Awaited::Psync && handshake.awaited.is_empty() {
        ask(server, handshake);
    }
    Ok(None)
}

/// Sends AUTH, if there is a password, then our address and capabilities (REPLCONF).
fn introduce(server: &Server, handshake: &mut Handshake) {
    let config = &server.config;
    if !config.masterauth.is_empty() {
        match config.masteruser.is_empty() {
            true => handshake.say(Awaited::Auth, &[b"AUTH", &config.masterauth]),
            false => handshake.say(Awaited::Auth, &[b"AUTH", &config.masteruser, &config.masterauth]),
        }
    }
    let port = if config.replica_announce_port > 0 { config.replica_announce_port } else { config.port };
    let port = port.to_string();
    handshake.say(Awaited::Told("listening-port"), &[b"REPLCONF", b"listening-port", port.as_bytes()]);
    if !config.replica_announce_ip.is_empty() {
        handshake.say(Awaited::Told("ip-address"), &[b"REPLCONF", b"ip-address", &config.replica_announce_ip]);
    }
    handshake.say(Awaited::Told("capa"), &[b"REPLCONF", b"capa", b"eof", b"capa", b"psync2"]);
    handshake.say(Awaited::Told("version"), &[b"REPLCONF", b"version", crate::config::REDIS_VERSION.as_bytes()]);
}

/// Asks for the stream, from where we are if there is a history.
fn ask(server: &Server, handshake: &mut Handshake) {
    let Some(primary) = &server.replication.primary else { return };
    let (id, next) = match primary.has_history {
        true => (&server.replication.replid[..], (server.replication.stream.offset() + 1).to_string()),
        false => ("?", "-1".to_owned()),
    };
    match primary.has_history {
        true => log::info!("Trying a partial resynchronization (request {id}:{next})."),
        false => log::info!("Partial resynchronization not possible (no cached master)"),
    }
    match primary.hand_over {
        true => handshake.say(Awaited::Psync, &[b"PSYNC", id.as_bytes(), next.as_bytes(), b"FAILOVER"]),
        false => handshake.say(Awaited::Psync, &[b"PSYNC", id.as_bytes(), next.as_bytes()]),
    }
}

fn psync_answered(handshake: &mut Handshake, line: &str) -> Result<Option<Answer>, String> {
    let mut words = line.split(' ');
    match words.next() {
        Some("+FULLRESYNC") => {
            let id = words.next().filter(|id| id.len() == 40);
            let offset = words.next().and_then(parse_offset);
            let history = id.map(str::to_owned).zip(offset);
            let (id, offset) =
                history.as_ref().ok_or_else(|| format!("Master replied with wrong +FULLRESYNC syntax: {line}"))?;
            log::info!("Full resync from master: {id}:{offset}");
            Ok(Some(Answer::Full(history)))
        }
        Some("+CONTINUE") => {
            log::info!("Successful partial resynchronization with master.");
            Ok(Some(Answer::GoOn(words.next().filter(|id| id.len() == 40).map(str::to_owned))))
        }
        Some("-NOMASTERLINK" | "-LOADING") => {
            Err(format!("Master is currently unable to PSYNC but should be in the future: {line}"))
        }
        _ => {
            // The primary may be too old to know PSYNC.
            log::info!("Master does not support PSYNC or is in error state (reply: {line})");
            log::info!("Retrying with SYNC...");
            encode_request(&mut handshake.connection.output, [&b"SYNC"[..]].into_iter());
            handshake.connection.send().map_err(|error| format!("I/O error writing to MASTER: {error}"))?;
            Ok(Some(Answer::Full(None)))
        }
    }
}

impl Handshake {
    fn say(&mut self, awaited: Awaited, request: &[&[u8]]) {
        encode_request(&mut self.connection.output, request.iter().copied());
        self.awaited.push_back(awaited);
    }
}

impl Connection {
    /// Sends as much as the socket takes.
    pub fn send(&mut self) -> io::Result<()> {
        while !self.output.is_empty() {
            match (&self.stream).write(&self.output) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(sent) => drop(self.output.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => (),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The next line, without its end; None if it has not come yet. Nothing is read beyond it that
    /// belongs to a data set: what was, stays in `input`.
    pub fn line(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.input) {
                let line: Vec<u8> = self.input.drain(..=end).collect();
                return Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned()));
            }
            if self.input.len() > LINE_MAX {
                return Err(io::Error::other("a line that does not end"));
            }
            let mut space = [0; 4096];
            match (&self.stream).read(&mut space) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.input.extend_from_slice(&space[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => (),
                Err(error) => return Err(error),
            }
        }
    }
}
