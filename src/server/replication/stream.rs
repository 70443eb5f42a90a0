//! The replication stream: commands in the form of requests, one after the other. Its newest part is
//! kept, for replicas that are behind and for replicas that reconnect.

use crate::encoding::byte_log::ByteLog;
use crate::resp::encode_request;

#[derive(Default)]
pub struct ReplicationStream {
    /// None while there is neither a replica nor a backlog; then the offset does not move either.
    kept: Option<ByteLog>,
    /// How far it came before it was dropped.
    offset_before: u64,
    /// The database that the last command was for.
    selected: Option<usize>,
    /// Where a command is encoded.
    scratch: Vec<u8>,
    /// Up to here the stream was announced to replicas: they are queued to be sent it.
    pub announced: u64,
}

impl ReplicationStream {
    /// How many bytes there have been.
    pub fn offset(&self) -> u64 {
        self.kept.as_ref().map_or(self.offset_before, ByteLog::end)
    }

    pub fn is_kept(&self) -> bool {
        self.kept.is_some()
    }

    pub fn kept(&self) -> Option<&ByteLog> {
        self.kept.as_ref()
    }

    /// From here on keeps what comes.
    pub fn keep(&mut self) {
        if self.kept.is_none() {
            self.restart_at(self.offset_before);
        }
    }

    /// Goes on as if `offset` bytes had been sent before, none of which are kept.
    pub fn restart_at(&mut self, offset: u64) {
        self.kept = Some(ByteLog::at(offset));
        self.announced = offset;
        self.selected = None;
    }

    /// Keeps nothing any more; the offset stays.
    pub fn drop_kept(&mut self) {
        self.offset_before = self.offset();
        self.kept = None;
    }

    /// Whether a replica that has seen `offset` bytes can go on from what is kept.
    pub fn has_from(&self, offset: u64) -> bool {
        self.kept.as_ref().is_some_and(|log| (log.start()..=log.end()).contains(&offset))
    }

    /// Moves the offset for a change that is not kept.
    pub fn count_change(&mut self) {
        self.offset_before += 1;
    }

    /// The next command says which database it is for.
    pub fn forget_selected(&mut self) {
        self.selected = None;
    }

    pub fn selected(&self) -> Option<usize> {
        self.selected
    }

    /// Adds a command.
    pub fn append<'a>(&mut self, db: usize, arguments: impl ExactSizeIterator<Item = &'a [u8]>) {
        self.select(db);
        self.encode(arguments);
    }

    /// As [`Self::append`], for a request in its multi-bulk form.
    #[inline]
    pub fn append_raw(&mut self, db: usize, request: &[u8]) {
        self.select(db);
        self.append_bytes(request);
    }

    /// Adds a command that belongs to no database: MULTI, PING.
    pub fn append_marker<'a>(&mut self, arguments: impl ExactSizeIterator<Item = &'a [u8]>) {
        self.encode(arguments);
    }

    /// Adds a piece of the stream of our own primary.
    #[inline]
    pub fn append_bytes(&mut self, bytes: &[u8]) {
        if let Some(log) = &mut self.kept {
            log.append(bytes);
        }
    }

    fn encode<'a>(&mut self, arguments: impl ExactSizeIterator<Item = &'a [u8]>) {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        encode_request(&mut scratch, arguments);
        self.append_bytes(&scratch);
        /// A larger buffer is not kept.
        const SCRATCH_MAX: usize = 64 << 10;
        if scratch.capacity() <= SCRATCH_MAX {
            self.scratch = scratch;
        }
    }

    #[inline]
    fn select(&mut self, db: usize) {
        if self.selected != Some(db) {
            self.selected = Some(db);
            self.encode([&b"SELECT"[..], db.to_string().as_bytes()].into_iter());
        }
    }

    /// Forgets what is older than `size` bytes and was sent to all: `needed` is the offset of the
    /// slowest replica.
    pub fn trim(&mut self, size: u64, needed: Option<u64>) {
        let Some(log) = &mut self.kept else { return };
        let oldest = log.end().saturating_sub(size);
        log.drop_before(oldest.min(needed.unwrap_or(oldest)));
    }
}
