//! The append-only file: every change, as the command that repeats it.

use crate::resp::encode_request;

/// The open append-only file, and what is still to be written to it.
pub struct Aof {
    buffer: Vec<u8>,
    selected: Option<usize>,
}

impl Aof {
    /// Adds a command; it is written before any reply of this turn of the loop is sent.
    pub fn append<'a>(&mut self, db: usize, arguments: impl ExactSizeIterator<Item = &'a [u8]>) {
        self.select(db);
        encode_request(&mut self.buffer, arguments);
    }

    /// As [`Self::append`], for a request in its multi-bulk form.
    #[inline]
    pub fn append_raw(&mut self, db: usize, request: &[u8]) {
        self.select(db);
        self.buffer.extend_from_slice(request);
    }

    #[inline]
    fn select(&mut self, db: usize) {
        if self.selected != Some(db) {
            self.selected = Some(db);
            encode_request(&mut self.buffer, [&b"SELECT"[..], db.to_string().as_bytes()].into_iter());
        }
    }
}
